"""Who hears what happened: a list of callables, called in order of subscription.

Subscribers run on the event loop and must return at once; a slow reader (a page, a file) puts a bounded queue of its
own behind its callable, so that it can lag but never stall the line.
"""

from __future__ import annotations

from collections.abc import Callable

from star_agents.events import Event

Subscriber = Callable[[Event], None]


class Bus:
    """Publishes events to everybody who subscribed."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[Subscriber, tuple[type[Event], ...]]] = []
        self._who_hears: dict[type[Event], tuple[Subscriber, ...]] = {}
        """By the kinds that were published since the last one came or went: there are two for each call."""

    def subscribe(self, subscriber: Subscriber, *kinds: type[Event]) -> Callable[[], None]:
        """Hear every event from now on, or where ``kinds`` are named, those alone; the returned callable ends that."""
        one = subscriber, kinds
        self._subscribers.append(one)
        self._who_hears.clear()

        def end() -> None:
            self._subscribers.remove(one)
            self._who_hears.clear()

        return end

    def publish(self, event: Event) -> None:
        """Tell everybody who hears events of its kind."""
        kind = type(event)
        hearing = self._who_hears.get(kind)
        if hearing is None:
            hearing = tuple(one for one, kinds in self._subscribers if not kinds or issubclass(kind, kinds))
            self._who_hears[kind] = hearing
        for subscriber in hearing:
            subscriber(event)

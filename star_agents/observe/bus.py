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
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Hear every event from now on; the returned callable ends that."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        for subscriber in tuple(self._subscribers):
            subscriber(event)

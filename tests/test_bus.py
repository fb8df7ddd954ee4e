"""Who hears what is published."""

from __future__ import annotations

from star_agents.events import ConfigNoted, ConnectionNoted, Event
from star_agents.observe.bus import Bus

NOTED, CONNECTED = ConfigNoted(message="a"), ConnectionNoted(message="b")


def test_who_names_no_kind_hears_every_event_and_who_names_kinds_those_alone() -> None:
    bus, everything, notes, both = Bus(), list[Event](), list[Event](), list[Event]()
    bus.subscribe(everything.append)
    bus.subscribe(notes.append, ConfigNoted)
    bus.subscribe(both.append, ConfigNoted, ConnectionNoted)

    for event in (NOTED, CONNECTED):
        bus.publish(event)

    assert (everything, notes, both) == ([NOTED, CONNECTED], [NOTED], [NOTED, CONNECTED])


def test_who_names_the_kind_of_all_events_hears_every_one() -> None:
    bus, heard = Bus(), list[Event]()
    bus.subscribe(heard.append, Event)

    bus.publish(NOTED)

    assert heard == [NOTED]


def test_who_comes_later_hears_what_follows_in_the_order_of_coming_and_who_goes_hears_nothing_more() -> None:
    bus, heard = Bus(), list[str]()
    bus.publish(NOTED)
    end = bus.subscribe(lambda event: heard.append("first"), ConfigNoted)
    bus.subscribe(lambda event: heard.append("second"))

    bus.publish(NOTED)
    end()
    bus.publish(NOTED)

    assert heard == ["first", "second", "second"]


def test_who_subscribes_while_an_event_is_told_hears_the_next_one() -> None:
    bus, heard = Bus(), list[Event]()

    def bring_another(event: Event) -> None:
        bus.subscribe(heard.append)

    bus.subscribe(bring_another, ConfigNoted)
    bus.publish(NOTED)
    assert heard == []
    bus.publish(CONNECTED)

    assert heard == [CONNECTED]

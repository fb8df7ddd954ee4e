"""The circuit breaker of one deployment, second by second."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.agents.breaker import Breaker


def opened(now: float = 0.0, **settings: Any) -> Breaker:
    breaker = Breaker(**settings)
    for _ in range(5):
        breaker.failed(now, probe=False)
    assert breaker.state == "open"
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_no_sooner() -> None:
    breaker = Breaker(failures=3)
    for _ in range(2):
        breaker.failed(1.0, probe=False)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(1.0, probe=False)
    assert breaker.allows(1.0)
    assert breaker.opens_at(1.0) is None
    breaker.failed(1.0, probe=False)
    assert breaker.state == "open"
    assert not breaker.allows(1.0)
    assert breaker.opens_at(1.0) == 6.0


def test_one_probe_passes_after_the_cooldown() -> None:
    breaker = opened()
    assert not breaker.allows(4.9)
    assert breaker.allows(5.0)
    assert breaker.began()
    assert breaker.state == "half_open"
    assert not breaker.allows(5.0)
    assert breaker.opens_at(5.0) is None


def test_a_call_while_it_is_closed_is_no_probe() -> None:
    assert not Breaker().began()


def test_a_failed_probe_doubles_the_cooldown_up_to_the_longest() -> None:
    breaker, now, waits = opened(), 0.0, list[float]()
    for _ in range(6):
        at = breaker.opens_at(now)
        assert at is not None
        waits.append(at - now)
        now = at
        breaker.began()
        breaker.failed(now, probe=True)
    assert waits == [5, 10, 20, 40, 60, 60]


def test_an_answered_probe_closes_it_and_the_next_cooldown_is_short_again() -> None:
    breaker = opened()
    breaker.began()
    breaker.failed(5.0, probe=True)
    breaker.began()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.allows(15.0)
    for _ in range(5):
        breaker.failed(20.0, probe=False)
    assert breaker.opens_at(20.0) == 25.0


def test_failures_of_calls_sent_before_it_opened_change_nothing() -> None:
    breaker = opened()
    breaker.failed(3.0, probe=False)
    assert breaker.opens_at(3.0) == 5.0
    breaker.began()
    breaker.failed(6.0, probe=False)
    assert breaker.state == "half_open"


def test_an_answer_to_a_call_sent_before_it_opened_closes_it() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.allows(0.0)


def test_an_abandoned_probe_gives_its_turn_back_and_counts_for_nothing() -> None:
    breaker = opened()
    breaker.began()
    breaker.abandoned(probe=True)
    assert breaker.allows(5.0)
    assert breaker.began()
    breaker.failed(5.0, probe=True)
    assert breaker.opens_at(5.0) == 15.0


def test_an_abandoned_call_that_is_no_probe_leaves_the_probe_alone() -> None:
    breaker = opened()
    breaker.began()
    breaker.abandoned(probe=False)
    assert breaker.state == "half_open"


def test_cancelled_calls_open_nothing() -> None:
    breaker = Breaker(failures=1)
    for _ in range(100):
        breaker.abandoned(probe=False)
    assert breaker.state == "closed"


def test_a_pause_lets_nothing_through_and_is_no_failure() -> None:
    breaker = Breaker()
    breaker.pause(9.0)
    assert breaker.state == "closed"
    assert not breaker.allows(8.9)
    assert breaker.opens_at(8.9) == 9.0
    assert breaker.allows(9.0)
    assert breaker.opens_at(9.0) is None


def test_an_answer_does_not_end_a_pause() -> None:
    breaker = Breaker()
    breaker.pause(9.0)
    breaker.succeeded()
    assert not breaker.allows(8.0)


@pytest.mark.parametrize("deadlines", [(9.0, 3.0), (3.0, 9.0)])
def test_the_later_of_two_pauses_holds(deadlines: tuple[float, float]) -> None:
    breaker = Breaker()
    for until in deadlines:
        breaker.pause(until)
    assert breaker.opens_at(0.0) == 9.0


@pytest.mark.parametrize(("until", "opens_at"), [(3.0, 5.0), (30.0, 30.0)])
def test_the_later_of_pause_and_cooldown_holds(until: float, opens_at: float) -> None:
    breaker = opened()
    breaker.pause(until)
    assert breaker.opens_at(0.0) == opens_at
    assert not breaker.allows(opens_at - 0.1)
    assert breaker.allows(opens_at)


@given(st.lists(st.tuples(st.sampled_from(["send", "ok", "failed", "abandoned", "pause"]), st.floats(0, 30))))
def test_no_story_ends_in_a_breaker_that_never_opens_again(story: list[tuple[str, float]]) -> None:
    breaker, now, calls = Breaker(failures=2, cooldown_s=1.0, longest_s=4.0), 0.0, list[bool]()
    for what, seconds in story:
        now += seconds
        if what == "pause":
            breaker.pause(now + seconds)
        elif what == "send" and breaker.allows(now):
            calls.append(breaker.began())
        elif what != "send" and calls:
            probe = calls.pop()
            if what == "ok":
                breaker.succeeded()
            elif what == "failed":
                breaker.failed(now, probe=probe)
            else:
                breaker.abandoned(probe=probe)
    for probe in calls:
        breaker.abandoned(probe=probe)
    assert breaker.allows(now + 60)

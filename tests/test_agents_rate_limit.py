"""Requests and tokens per minute: the window by itself, and at the gate on a loop where waiting takes no time."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import in_virtual_time, now

from star_agents.agents.gate import Gate, Slot
from star_agents.agents.rate_limit import WINDOW_S, Permit, RateLimit, Sent, estimate_tokens
from star_agents.agents.throttle import ThrottleChange
from star_agents.errors import AgentRefused

PATIENCE = 900.0
minute = functools.partial(RateLimit, window_s=60.0)


def send(limit: RateLimit, at: float, tokens: int = 0) -> Permit:
    permit = limit.hold(tokens)
    permit.sent(at)
    return permit


# The window.


def test_without_limits_everything_may_be_sent_at_once() -> None:
    limit = minute()
    for _ in range(1000):
        send(limit, 5.0, 10**6)
    assert limit.opens_at(10**9, 5.0) == 5.0


def test_one_request_more_than_the_limit_waits_until_the_first_is_a_minute_old() -> None:
    limit = minute(requests_per_minute=3)
    for at in (0.0, 10.0, 20.0):
        send(limit, at)
    assert limit.opens_at(0, 20.0) == 60.0
    assert limit.opens_at(0, 60.0) == 60.0
    send(limit, 60.0)
    assert limit.opens_at(0, 60.0) == 70.0


def test_a_large_request_waits_until_enough_tokens_are_a_minute_old() -> None:
    limit = minute(tokens_per_minute=100)
    for at in (0.0, 10.0, 20.0):
        send(limit, at, 30)
    assert limit.opens_at(10, 20.0) == 20.0
    assert limit.opens_at(11, 20.0) == 60.0
    assert limit.opens_at(41, 20.0) == 70.0
    assert limit.opens_at(100, 20.0) == 80.0
    assert not limit.can_ever_send(101)


def test_a_reply_gives_back_what_it_did_not_use_and_takes_what_it_used_beyond() -> None:
    limit = minute(tokens_per_minute=100)
    permit = send(limit, 0.0, 90)
    assert limit.opens_at(20, 1.0) == 60.0
    permit.settle(40)
    assert limit.opens_at(60, 1.0) == 1.0
    permit.settle(200)
    assert limit.opens_at(1, 1.0) == 60.0


def test_a_reply_that_comes_after_its_minute_changes_nothing_any_more() -> None:
    limit = minute(tokens_per_minute=100)
    permit = send(limit, 0.0, 90)
    assert limit.opens_at(100, 61.0) == 61.0
    permit.settle(5)
    permit.cancel()
    assert limit.opens_at(101, 61.0) == math.inf
    assert limit.opens_at(100, 61.0) == 61.0


def test_what_was_let_through_counts_before_it_is_sent_and_its_minute_begins_only_then() -> None:
    limit = minute(requests_per_minute=1)
    permit = limit.hold(0)
    assert limit.opens_at(0, 500.0) == math.inf
    permit.sent(500.0)
    assert limit.opens_at(0, 500.0) == 560.0


def test_what_was_never_sent_is_given_back() -> None:
    limit = minute(requests_per_minute=1, tokens_per_minute=10)
    permit = limit.hold(10)
    permit.cancel()
    permit.sent(3.0)
    assert limit.opens_at(10, 3.0) == 3.0


def test_a_lowered_limit_holds_for_what_was_sent_before_it() -> None:
    limit = minute()
    for at in range(10):
        send(limit, float(at), 10)
    limit.requests_per_minute = 4
    assert limit.opens_at(0, 10.0) == 66.0
    limit.requests_per_minute, limit.tokens_per_minute = None, 50
    assert limit.opens_at(10, 10.0) == 65.0


def test_a_new_process_counts_what_the_one_before_sent_in_the_last_minute() -> None:
    limit = minute(requests_per_minute=2)
    limit.restore([Sent(ago_s=5.0, tokens=0), Sent(ago_s=70.0, tokens=0), Sent(ago_s=50.0, tokens=0)], 1000.0)
    assert limit.opens_at(0, 1000.0) == 1010.0


def test_a_clock_that_was_set_back_makes_nobody_wait_for_more_than_a_minute() -> None:
    limit = minute(requests_per_minute=1)
    limit.restore([Sent(ago_s=-86_400.0, tokens=0)], 1000.0)
    assert limit.opens_at(0, 1000.0) == 1060.0


@given(
    st.integers(1, 5),
    st.integers(10, 60),
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 10), st.integers(0, 20), st.floats(0, 90)), max_size=60),
)
def test_in_no_sixty_seconds_is_more_sent_than_allowed(
    requests: int, tokens: int, calls: list[tuple[float, int, int, float]]
) -> None:
    limit, clock = minute(requests, tokens), 0.0
    sent: list[tuple[float, int]] = []
    for pause, reserved, extra, _ in calls:
        clock = max(clock + pause, limit.opens_at(reserved, clock + pause))
        assert clock < math.inf
        permit = send(limit, clock, reserved)
        used = max(0, reserved - extra)
        permit.settle(used)
        sent.append((clock, used))
    for first, last in itertools.combinations_with_replacement(range(len(sent)), 2):
        if sent[last][0] < sent[first][0] + 60:
            assert last - first + 1 <= requests
            assert sum(used for _, used in sent[first : last + 1]) <= tokens


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("", 0, 20), ("Why is the sky blue? " * 100, 500, 1000), ("天空为什么是蓝色的？" * 10, 60, 130)],
)
def test_an_estimate_is_near_what_tokenizers_count(text: str, least: int, most: int) -> None:
    assert least <= estimate_tokens([text]) <= most


def test_a_request_that_is_longer_on_its_way_than_the_next_leaves_the_providers_minute_as_it_is() -> None:
    limit = RateLimit(requests_per_minute=1)
    send(limit, 0.0)
    assert limit.opens_at(0, 0.0) == WINDOW_S == 61.0


# At the gate.


def gate_of(rate: RateLimit, told: list[ThrottleChange] | None = None, ceiling: int = 100) -> Gate:
    return Gate(["gpt/0"], ceiling=ceiling, clock=now, rate=rate, on_throttle=None if told is None else told.append)


async def call(gate: Gate, times: list[float], tokens: int = 0, used: int | None = None) -> None:
    slot = await gate.enter(PATIENCE, when_down_s=1.0, tokens=tokens)
    slot.sent()
    times.append(now())
    await asyncio.sleep(1.0)
    slot.leave("ok", tokens=used)


@in_virtual_time
async def test_calls_beyond_the_minute_wait_however_long_and_try_nobodys_patience() -> None:
    gate, times = gate_of(minute(requests_per_minute=3)), list[float]()
    await asyncio.gather(*(call(gate, times) for _ in range(60)))
    assert [times.count(at) for at in sorted(set(times))] == [3] * 20
    assert max(times) == pytest.approx(19 * 60, abs=0.1)
    assert max(times) > PATIENCE


@in_virtual_time
async def test_tokens_that_replies_did_not_use_let_others_through_at_once() -> None:
    gate, times = gate_of(minute(tokens_per_minute=1000)), list[float]()
    await asyncio.gather(*(call(gate, times, tokens=500, used=100) for _ in range(6)))
    assert max(times) < 10, "six calls of a hundred tokens fit, though only two at their worst"


@in_virtual_time
async def test_a_raised_limit_lets_those_who_wait_through_at_once_and_a_lowered_one_holds_the_next() -> None:
    gate, times = gate_of(minute(requests_per_minute=1)), list[float]()
    tasks = [asyncio.create_task(call(gate, times)) for _ in range(5)]
    await asyncio.sleep(2.0)
    assert len(times) == 1
    gate.set_rate(4, None)
    await asyncio.sleep(0.5)
    assert len(times) == 4
    gate.set_rate(2, None)
    await asyncio.gather(*tasks)
    assert max(times) == pytest.approx(62.0, abs=0.1), "two of the first four must be a minute old"


@in_virtual_time
async def test_a_call_larger_than_the_minute_is_refused_with_the_key_instead_of_waiting_for_ever() -> None:
    gate = gate_of(minute(tokens_per_minute=100))
    with pytest.raises(AgentRefused, match=r"agent gpt: a call of up to 101 tokens .* `tokens_per_minute: 100`"):
        await gate.enter(PATIENCE, tokens=101)
    times: list[float] = []
    await call(gate, times, tokens=60)
    waiting = asyncio.create_task(call(gate, times, tokens=60))
    await asyncio.sleep(1.0)
    gate.set_rate(None, 50)
    with pytest.raises(AgentRefused, match="60 tokens"):
        await waiting


@in_virtual_time
async def test_a_cancelled_call_that_was_never_sent_takes_nothing_of_the_minute() -> None:
    gate = gate_of(minute(requests_per_minute=1))
    (await gate.enter(PATIENCE)).leave("abandoned")
    slot = await gate.enter(PATIENCE)
    slot.sent()
    slot.leave("abandoned")
    times: list[float] = []
    await call(gate, times)
    assert times == [pytest.approx(60.0, abs=0.1)]


@in_virtual_time
async def test_a_call_that_is_let_through_and_sent_late_pushes_its_minute_back() -> None:
    gate = gate_of(minute(requests_per_minute=1))
    slot = await gate.enter(PATIENCE)
    times: list[float] = []
    waiting = asyncio.create_task(call(gate, times))
    await asyncio.sleep(30.0)
    slot.sent()
    await waiting
    assert times == [pytest.approx(90.0, abs=0.1)]


@in_virtual_time
async def test_waiting_for_the_own_limit_is_told_once_when_it_begins_and_once_when_it_is_over() -> None:
    told: list[ThrottleChange] = []
    gate, times = gate_of(minute(requests_per_minute=2), told), list[float]()
    tasks = [asyncio.create_task(call(gate, times)) for _ in range(9)]
    await asyncio.sleep(200.0)
    assert [(one.cause, one.began, one.detail) for one in told] == [("requests_per_minute", True, "2")]
    assert [(one.cause, one.for_s) for one in gate.throttled()] == [("requests_per_minute", 200.0)]
    await asyncio.gather(*tasks)
    await asyncio.sleep(241.0)
    assert [one.began for one in told] == [True, False]
    assert told[1].seconds == pytest.approx(180, abs=2), "from the first call that waited to the last"
    assert gate.throttled() == ()


@in_virtual_time
async def test_hundreds_of_429s_and_pauses_are_told_once() -> None:
    told: list[ThrottleChange] = []
    changes: list[str] = []
    gate = Gate(
        ["gpt/0"],
        ceiling=4,
        clock=now,
        on_change=lambda _, what: changes.append(what),
        on_throttle=told.append,
    )
    for _ in range(300):
        (await gate.enter(PATIENCE)).leave("rate_limited", retry_after=2.0, error="slow down")
    assert changes == ["paused"]
    assert [(one.cause, one.began) for one in told] == [("429", True)]
    assert told[0].detail == "it asks to wait 2 s; slow down"
    (await gate.enter(PATIENCE)).leave("ok")
    await asyncio.sleep(121.0)
    assert [one.began for one in told] == [True, False]


@in_virtual_time
async def test_one_call_that_is_always_rejected_is_told_although_others_are_answered() -> None:
    told: list[ThrottleChange] = []
    gate = gate_of(minute(), told)
    for number in range(3):
        (await gate.enter(PATIENCE)).leave("ok")
        (await gate.enter(PATIENCE)).leave("rate_limited", is_stubborn=number == 2)
    assert [one.cause for one in told] == ["429"]


async def storm(gate: Gate, give_up_after_s: float, pause_s: float) -> list[float]:
    """Callers of whom each is rejected, and what the others' waits came to."""
    ended: list[float] = []

    async def wait() -> None:
        try:
            slot = await gate.enter(give_up_after_s)
        except Exception:
            ended.append(now())
            return
        await asyncio.sleep(1.0)
        slot.leave("rate_limited", retry_after=pause_s)

    await asyncio.gather(*(wait() for _ in range(50)))
    return ended


@in_virtual_time
@pytest.mark.parametrize("pause_s", [5.0, 86_400.0])
async def test_nothing_but_429_ends_every_wait_in_time(pause_s: float) -> None:
    gate = gate_of(minute(), ceiling=1)
    ended = await storm(gate, 100.0, pause_s)
    assert ended
    assert max(ended) == pytest.approx(101.0 if pause_s < 100 else 1.0, abs=6.0)
    assert gate.queued == 0
    assert gate.is_rejecting


@in_virtual_time
async def test_one_answer_among_the_429s_gives_everybody_their_patience_back() -> None:
    gate = gate_of(minute(), ceiling=1)
    waits = [asyncio.create_task(gate.enter(100.0)) for _ in range(3)]
    await asyncio.sleep(0)
    for number, outcome in enumerate(("rate_limited", "ok", "rate_limited")):
        slot: Slot = await waits[number]
        await asyncio.sleep(60.0)
        slot.leave(outcome, retry_after=0.0)  # type: ignore[arg-type]  # the words of an Outcome
    assert gate.rejection is None
    assert now() == pytest.approx(180.0, abs=1)

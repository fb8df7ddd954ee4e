"""The limit that is learnt from 429s: its rules, and a simulated provider for what they come to."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.agents.limit import AdaptiveLimit


def rejected(limit: AdaptiveLimit, times: int) -> None:
    for _ in range(times):
        limit.rate_limited(limit.falls)


def answered(limit: AdaptiveLimit, times: int) -> None:
    for _ in range(times):
        limit.succeeded()


def test_it_starts_at_the_ceiling_and_stays_there() -> None:
    limit = AdaptiveLimit(8)
    answered(limit, 1000)
    assert limit.limit == 8


def test_a_quarter_of_an_epoch_is_tolerated_and_one_more_is_not() -> None:
    limit = AdaptiveLimit(20)
    rejected(limit, 8)
    assert limit.limit == 20
    rejected(limit, 1)
    assert limit.limit == 14


def test_an_epoch_that_went_well_wipes_the_slate() -> None:
    limit = AdaptiveLimit(20)
    for _ in range(10):
        rejected(limit, 8)
        answered(limit, 24)
    assert limit.limit == 20


def test_it_falls_no_lower_than_one() -> None:
    limit = AdaptiveLimit(50)
    rejected(limit, 10_000)
    assert limit.limit == 1


def test_it_rises_by_one_and_a_sixteenth_per_epoch_up_to_the_ceiling() -> None:
    limit = AdaptiveLimit(100)
    rejected(limit, 26)
    seen = [limit.limit]
    while limit.limit < 100:
        answered(limit, limit.limit)
        seen.append(limit.limit)
    assert seen == [70, 75, 80, 86, 92, 98, 100]


def test_a_small_limit_takes_32_answers_to_rise() -> None:
    limit = AdaptiveLimit(4)
    rejected(limit, 9)
    assert limit.limit == 2
    answered(limit, 31)
    assert limit.limit == 2
    answered(limit, 1)
    assert limit.limit == 3


def test_429s_to_calls_sent_before_a_fall_are_old_news() -> None:
    limit = AdaptiveLimit(100)
    sent = limit.falls
    for _ in range(100):
        limit.rate_limited(sent)
    assert limit.limit == 70


def test_a_raised_ceiling_takes_along_only_a_limit_that_stood_at_it() -> None:
    free, learnt = AdaptiveLimit(10), AdaptiveLimit(10)
    rejected(learnt, 9)
    for limit in (free, learnt):
        limit.set_ceiling(40)
    assert (free.limit, learnt.limit) == (40, 7)


def test_a_lowered_ceiling_holds_at_once() -> None:
    limit = AdaptiveLimit(10)
    limit.set_ceiling(3)
    answered(limit, 1000)
    assert limit.limit == 3


def test_rejections_are_no_chance_once_more_than_a_quarter_come_in_a_row() -> None:
    limit = AdaptiveLimit(16)
    rejected(limit, 4)
    assert not limit.is_exhausted
    rejected(limit, 1)
    assert limit.is_exhausted
    limit.succeeded()
    assert not limit.is_exhausted


def test_at_one_in_flight_the_first_rejection_is_taken_seriously() -> None:
    limit = AdaptiveLimit(1)
    rejected(limit, 1)
    assert limit.is_exhausted


@given(
    st.integers(1, 200), st.lists(st.tuples(st.sampled_from(["ok", "429", "old 429", "ceiling"]), st.integers(1, 99)))
)
def test_it_is_always_between_one_and_the_ceiling(ceiling: int, story: list[tuple[str, int]]) -> None:
    limit = AdaptiveLimit(ceiling)
    for what, count in story:
        if what == "ceiling":
            limit.set_ceiling(ceiling := count)
        for _ in range(count):
            if what == "ok":
                limit.succeeded()
            elif what != "ceiling":
                limit.rate_limited(limit.falls - (what == "old 429"))
            assert 1 <= limit.limit <= ceiling


@dataclass
class Run:
    """What a simulated job came to."""

    seconds: float
    rejections: int
    limits: list[tuple[float, int]]
    """Second and limit, at every answer."""
    answers: list[float]
    """Second of each call's answer."""

    def mean_limit(self) -> float:
        spans = zip(self.limits, self.limits[1:], strict=False)
        return sum(before[1] * (after[0] - before[0]) for before, after in spans) / self.seconds

    def rate(self) -> float:
        """Answers per second while there was enough to send: from 30 to 70 % of the job."""
        first, last = len(self.answers) * 3 // 10, len(self.answers) * 7 // 10
        return (last - first) / (self.answers[last] - self.answers[first])


def simulate(
    limit: AdaptiveLimit,
    calls: int,
    rejects: Callable[[float, int, random.Random], bool],
    *,
    answer_s: float = 0.2,
    rejection_s: float = 0.01,
) -> Run:
    """Send calls as fast as the limit lets them through; a rejected one waits, longer each time, and tries again.

    ``rejects(now, serving, rng)`` is the provider, ``serving`` the calls that it works on.
    """
    rng = random.Random(7)
    ready, events = [(0.0, n) for n in range(calls)], list[tuple[float, int, bool, int]]()
    tries = [0] * calls
    now, serving, in_flight, order = 0.0, 0, 0, 0
    run = Run(seconds=0.0, rejections=0, limits=[(0.0, limit.limit)], answers=[])
    while ready or events:
        while ready and ready[0][0] <= now and in_flight < limit.limit:
            _, call = heapq.heappop(ready)
            rejected = rejects(now, serving, rng)
            took = (rejection_s if rejected else answer_s) * rng.uniform(0.8, 1.2)
            order += 1
            heapq.heappush(events, (now + took, order << 20 | call, rejected, limit.falls))
            in_flight += 1
            serving += not rejected
        if not events or (ready and in_flight < limit.limit and ready[0][0] < events[0][0]):
            now = ready[0][0]
            continue
        now, key, rejected, falls = heapq.heappop(events)
        call = key & 0xFFFFF
        in_flight -= 1
        if rejected:
            run.rejections += 1
            tries[call] += 1
            limit.rate_limited(falls)
            heapq.heappush(ready, (now + min(60.0, 0.5 * 2.0 ** (tries[call] - 1)) * rng.uniform(0.5, 1.0), call))
        else:
            serving -= 1
            limit.succeeded()
            run.answers.append(now)
        run.limits.append((now, limit.limit))
    run.seconds = now
    return run


@pytest.mark.parametrize("ceiling", [8, 64, 256])
def test_a_random_tenth_of_429s_costs_little_of_the_limit(ceiling: int) -> None:
    calls = 40 * ceiling
    clean = simulate(AdaptiveLimit(ceiling), calls, lambda *_: False)
    run = simulate(AdaptiveLimit(ceiling), calls, lambda _, __, rng: rng.random() < 0.1)
    assert run.rejections > 0.05 * calls
    assert run.mean_limit() >= 0.9 * ceiling
    assert run.rate() >= 0.8 * clean.rate()


@pytest.mark.parametrize("rejection_s", [0.01, 0.2])
@pytest.mark.parametrize(("ceiling", "k"), [(8, 1), (8, 4), (64, 10), (64, 50), (1000, 50), (1000, 200)])
def test_a_provider_that_serves_only_so_many_at_once_is_found(ceiling: int, k: int, rejection_s: float) -> None:
    calls = max(600, 60 * k)
    run = simulate(
        AdaptiveLimit(ceiling), calls, lambda _, serving, __: serving >= k, answer_s=0.2, rejection_s=rejection_s
    )
    settled = [limit for second, limit in run.limits if run.answers[calls * 3 // 10] < second < run.answers[calls // 2]]
    assert run.rate() >= 0.8 * k / 0.2
    assert max(settled) <= 1.5 * k + 1
    assert min(settled) >= 0.5 * k - 1


def test_after_a_storm_the_limit_comes_back() -> None:
    limit = AdaptiveLimit(64)
    run = simulate(limit, 12_000, lambda now, _, __: 2 < now < 12)
    lowest = min(value for _, value in run.limits)
    back = next(second for second, value in run.limits if second > 12 and value >= 0.7 * 64)
    assert lowest == 1
    assert back - 12 <= 150 * 0.2

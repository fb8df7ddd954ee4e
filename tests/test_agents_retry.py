"""When a call is tried again, after which wait, and when that ends."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.agents.retry import LEAST_JITTER, RETRIED, Attempts, RetryPolicy
from star_agents.errors import AgentError, AgentRateLimited, AgentRefused, AgentUnavailable


class Story:
    """Tries that fail in turn, and then succeed; how long each took is told in advance."""

    def __init__(self, *failures: AgentError, took_s: float = 0.0, probes: frozenset[int] = frozenset()) -> None:
        self.attempts = Attempts()
        self.slept: list[float] = []
        self._left = list(failures)
        self._took_s = took_s
        self._probes = probes
        self._rng = random.Random(3)

    async def once(self) -> str:
        self.attempts.is_probe = self.attempts.sent in self._probes
        self.attempts.sent += 1
        self.attempts.seconds += self._took_s
        if not self._left:
            return "an answer"
        failure = self._left.pop(0)
        if isinstance(failure, RETRIED):
            self.attempts.failed(failure, jitter=self._rng.uniform(LEAST_JITTER, 1.0))
        raise failure

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def under(self, policy: RetryPolicy) -> str:
        with pytest.raises(RETRIED):
            await self.once()
        return await policy.retry(self.attempts, self.once, self.sleep)


def down(count: int = 1) -> list[AgentError]:
    return [AgentUnavailable("down") for _ in range(count)]


def limited(count: int = 1, retry_after: float | None = None) -> list[AgentError]:
    return [AgentRateLimited("slow down", retry_after=retry_after) for _ in range(count)]


async def test_waits_grow_are_jittered_and_end() -> None:
    story = Story(*down(99))
    with pytest.raises(AgentUnavailable, match="gave up after 13 tries"):
        await story.under(RetryPolicy(retries=12, give_up_after_s=1e9))
    assert len(story.slept) == 12
    for count, seconds in enumerate(story.slept):
        longest = min(60.0, 0.5 * 2**count)
        assert longest / 2 <= seconds <= longest


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_a_call_is_tried_so_many_more_times_and_not_once_more(retries: int) -> None:
    answered = Story(*down(retries)) if retries else None
    if answered is not None:
        assert await answered.under(RetryPolicy(retries=retries, give_up_after_s=1e9)) == "an answer"
    failed = Story(*down(99))
    with pytest.raises(AgentUnavailable, match=f"gave up after {retries + 1} tr"):
        await failed.under(RetryPolicy(retries=retries, give_up_after_s=1e9))
    assert failed.attempts.sent == retries + 1


async def test_neither_a_429_nor_a_probe_uses_up_a_retry() -> None:
    story = Story(*limited(5), *down(1), *limited(2), *down(3), probes=frozenset({8, 9}))
    assert await story.under(RetryPolicy(retries=2, give_up_after_s=1e9)) == "an answer"
    assert (story.attempts.unavailable, story.attempts.rate_limited) == (2, 7)
    assert story.slept[8:10] == [0.0, 0.0], "the gate holds a probe back, not the call"


async def test_tries_and_waits_together_end_in_time() -> None:
    story = Story(*limited(999), took_s=10.0)
    with pytest.raises(AgentRateLimited):
        await story.under(RetryPolicy(retries=0, give_up_after_s=100.0))
    assert 90.0 <= story.attempts.seconds < 110.0
    assert sum(story.slept) + 10.0 * story.attempts.sent == pytest.approx(story.attempts.seconds)


async def test_what_the_provider_asks_for_takes_the_place_of_our_own_wait() -> None:
    story = Story(AgentUnavailable("busy", retry_after=7.0), *limited(1, 3.0))
    assert await story.under(RetryPolicy(retries=1, give_up_after_s=100.0)) == "an answer"
    assert story.slept == [7.0, 3.0]


async def test_a_429_that_asks_for_more_than_there_ever_was_is_asked_twice_more_and_told() -> None:
    story = Story(*limited(99, 500.0))
    with pytest.raises(AgentRateLimited, match="it asks to wait 500 s, longer than `give_up_after_s`"):
        await story.under(RetryPolicy(retries=0, give_up_after_s=100.0))
    assert story.attempts.sent == 3
    assert all(seconds <= 4.0 for seconds in story.slept)


async def test_what_no_other_try_could_mend_is_raised_as_it_is() -> None:
    refusal = AgentRefused("no such model")
    story = Story(*down(1), refusal)
    with pytest.raises(AgentRefused) as raised:
        await story.under(RetryPolicy(retries=9, give_up_after_s=1e9))
    assert raised.value is refusal
    assert story.attempts.sent == 2


async def test_a_first_try_after_which_there_is_no_time_is_the_only_one() -> None:
    story = Story(*down(9), took_s=100.0)
    with pytest.raises(AgentUnavailable, match=r"gave up after 1 try, 100 s"):
        await story.under(RetryPolicy(retries=9, give_up_after_s=100.0))
    assert (story.slept, story.attempts.sent) == ([], 1)


seconds = st.floats(0, 2000)


@given(
    kind=st.sampled_from([AgentUnavailable, AgentRateLimited]),
    asked=st.none() | seconds,
    counts=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    spent=seconds,
    jitter=st.floats(LEAST_JITTER, 1.0),
    is_probe=st.booleans(),
    retries=st.integers(0, 20),
)
def test_wait_and_stop_change_nothing_and_say_the_same_however_often_they_are_asked(
    kind: Callable[..., AgentUnavailable | AgentRateLimited],
    asked: float | None,
    counts: tuple[int, int],
    spent: float,
    jitter: float,
    is_probe: bool,
    retries: int,
) -> None:
    policy = RetryPolicy(retries=retries, give_up_after_s=900.0)
    attempts = Attempts(
        unavailable=counts[0],
        rate_limited=counts[1],
        seconds=spent,
        is_probe=is_probe,
        last=kind("no", retry_after=asked),
        jitter=jitter,
    )
    before = copy.copy(attempts)
    said = [(policy.stop(attempts), policy.wait(attempts), policy.stop(attempts)) for _ in range(3)]
    assert attempts == before
    assert said[0] == said[1] == said[2]
    assert said[0][0] == said[0][2]
    assert said[0][0] or spent + said[0][1] < 900.0, "no wait leads beyond the end"

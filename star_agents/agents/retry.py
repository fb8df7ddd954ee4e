"""How long one call is worth trying: the decisions behind the only retry loop, without clock, task or client.

A call that is unavailable is tried ``retries`` more times. A call that is rate-limited waits and is tried again, which
uses up no retry; neither does one that was sent to find out whether a deployment is up again. All end after
``give_up_after_s`` seconds of tries, waits, and queueing for an agent that is down; queueing for a free slot, or for
the agent's own requests and tokens per minute, does not count. Waits grow exponentially with jitter; ``Retry-After`` is
honoured instead where the provider sends it, and ends the call where it is longer than what is left.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_STUBBORN = 3
"""So many 429s in a row to one call are told, although others may be answered."""
_LONGEST_LIMITED_WAIT_S = 4.0
"""After a 429 without Retry-After: how many are in flight is the gate's to learn, one call need not pay for it."""


T = TypeVar("T")


class Patience:
    """The state of one call's tries."""

    def __init__(self, *, retries: int, give_up_after_s: float, rng: random.Random) -> None:
        self._retries = retries
        self._give_up_after_s = give_up_after_s
        self._rng = rng
        self._unavailable = 0
        self._limited = 0
        self.tries = 0
        self.seconds = 0.0
        """Spent on tries and waits; the caller adds the tries, and the time for which the agent was down."""
        self.was_probe = False
        """Whether the last try was one that finds out if a deployment is up again."""
        self.maybe_paid = False
        """Whether a try was sent that the provider may have billed without our seeing an answer."""

    @property
    def left_s(self) -> float:
        """Seconds until the call is given up."""
        return max(0.0, self._give_up_after_s - self.seconds)

    @property
    def is_stubborn(self) -> bool:
        """Whether one more 429 is one too many to go on in silence."""
        return self._limited + 1 >= _STUBBORN

    def cannot_wait(self, seconds: float | None) -> bool:
        """Whether the provider asks for more than there ever was."""
        return seconds is not None and seconds >= self._give_up_after_s

    def end(self) -> None:
        """Try no more."""
        self.seconds = max(self.seconds, self._give_up_after_s)

    async def keep_trying(self, sleep: Callable[[float], Awaitable[None]], one_try: Callable[[], Awaitable[T]]) -> T:
        """Tenacity's loop around one try. It is built where a try has failed: it costs as much as a whole call does."""
        try:
            return await one_try()
        except (AgentUnavailable, AgentRateLimited) as error:
            failures = [error]

        async def next_try() -> T:
            if failures:
                raise failures.pop()
            return await one_try()

        loop = AsyncRetrying(
            sleep=sleep,
            retry=retry_if_exception_type((AgentUnavailable, AgentRateLimited)),
            wait=self._wait,
            stop=self._stop,
            retry_error_callback=self._give_up,
        )
        return await loop(next_try)

    def _wait(self, state: RetryCallState) -> float:
        error = _error(state)
        if isinstance(error, AgentRateLimited):
            self._limited += 1
            wait = self._backoff(self._limited, _LONGEST_LIMITED_WAIT_S)
        elif self.was_probe:
            wait = 0.0  # the gate holds it back until the next probe is due
        else:
            self._unavailable += 1
            wait = self._backoff(self._unavailable)
        asked = error.retry_after if isinstance(error, (AgentRateLimited, AgentUnavailable)) else None
        if asked is None:
            return wait
        # What one call is told need not be so for all: before it ends for that, it asks once or twice more.
        is_too_soon = self.cannot_wait(asked) and self._limited < _STUBBORN and self.seconds < self._give_up_after_s
        return wait if isinstance(error, AgentRateLimited) and is_too_soon else asked

    def _stop(self, state: RetryCallState) -> bool:
        if self._unavailable > self._retries or self.seconds + state.upcoming_sleep >= self._give_up_after_s:
            return True
        self.seconds += state.upcoming_sleep
        return False

    def _give_up(self, state: RetryCallState) -> NoReturn:
        error = _error(state)
        message = f"{error} (gave up after {self.tries} {'try' if self.tries == 1 else 'tries'}, {self.seconds:.0f} s)"
        last: AgentError
        if isinstance(error, AgentRateLimited):
            if self.cannot_wait(error.retry_after):
                message += f"; it asks to wait {error.retry_after:.0f} s, longer than `give_up_after_s`"
            last = AgentRateLimited(message, retry_after=error.retry_after, is_outage=error.is_outage)
        else:
            last = AgentUnavailable(message, is_outage=isinstance(error, AgentUnavailable) and error.is_outage)
        last.what, last.said = error.what, error.said
        last.may_lie_in_the_text = error.may_lie_in_the_text
        raise last

    def _backoff(self, count: int, longest: float = _LONGEST_WAIT_S) -> float:
        """Between half and all of 0.5 s, 1 s, 2 s, … up to ``longest``."""
        longest = min(longest, _FIRST_WAIT_S * 2.0 ** min(count - 1, 16))
        return longest * self._rng.uniform(0.5, 1.0)


def _error(state: RetryCallState) -> AgentError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, AgentError), "tenacity only waits after an error that it retries"
    return error

"""How long one call is worth trying: the decisions behind the only retry loop, without clock, task or client.

A call that is unavailable is tried ``retries`` more times. A call that is rate-limited waits and is tried again, which
uses up no retry. Both end after ``give_up_after_s`` seconds of tries and waits; time in our own queue does not count.
Waits grow exponentially with jitter; ``Retry-After`` is honoured instead where the provider sends it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0


class Patience:
    """The state of one call's tries. ``retrying`` makes tenacity's loop of it."""

    def __init__(self, *, retries: int, give_up_after_s: float, rng: random.Random) -> None:
        self._retries = retries
        self._give_up_after_s = give_up_after_s
        self._rng = rng
        self._unavailable = 0
        self._limited = 0
        self.tries = 0
        self.seconds = 0.0
        """Spent on tries and waits; the caller adds the tries."""
        self.maybe_paid = False
        """Whether a try was sent that the provider may have billed without our seeing an answer."""

    def retrying(self, sleep: Callable[[float], Awaitable[None]]) -> AsyncRetrying:
        """Tenacity's loop: ``await patience.retrying(sleep)(one_try)``."""
        return AsyncRetrying(
            sleep=sleep,
            retry=retry_if_exception_type((AgentUnavailable, AgentRateLimited)),
            wait=self._wait,
            stop=self._stop,
            retry_error_callback=self._give_up,
        )

    def _wait(self, state: RetryCallState) -> float:
        error = _error(state)
        if isinstance(error, AgentRateLimited):
            self._limited += 1
            wait = self._backoff(self._limited) if error.retry_after is None else error.retry_after
        else:
            self._unavailable += 1
            wait = self._backoff(self._unavailable)
        return wait

    def _stop(self, state: RetryCallState) -> bool:
        if self._unavailable > self._retries or self.seconds + state.upcoming_sleep > self._give_up_after_s:
            return True
        self.seconds += state.upcoming_sleep
        return False

    def _give_up(self, state: RetryCallState) -> NoReturn:
        error = _error(state)
        message = f"{error} (gave up after {self.tries} {'try' if self.tries == 1 else 'tries'}, {self.seconds:.0f} s)"
        if isinstance(error, AgentRateLimited):
            raise AgentRateLimited(message, retry_after=error.retry_after)
        raise type(error)(message)

    def _backoff(self, count: int) -> float:
        """Between half and all of 0.5 s, 1 s, 2 s, … up to a minute."""
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(count - 1, 16))
        return longest * self._rng.uniform(0.5, 1.0)


def _error(state: RetryCallState) -> AgentError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, AgentError), "tenacity only waits after an error that it retries"
    return error

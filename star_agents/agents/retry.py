"""How long one call is worth trying: what is tried again, after which wait, and when that ends.

A call that is unavailable is tried ``retries`` more times. A call that is rate-limited waits and is tried again, which
uses up no retry; neither does one that was sent to find out whether a deployment is up again. All end after
``give_up_after_s`` seconds of tries, waits, and queueing for an agent that is down; queueing for a free slot, or for
the agent's own requests and tokens per minute, does not count. Waits grow exponentially with jitter; ``Retry-After`` is
honoured instead where the provider sends it, and ends the call where it is longer than what is left, or than the call
would wait for an agent that is down.

``wait`` and ``stop`` decide and change nothing: all they go by stands in the call's ``Attempts``, the jitter included.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable

RETRIED = (AgentUnavailable, AgentRateLimited)
"""Errors that another try may not meet."""
LEAST_JITTER = 0.5
"""A wait is between this share of its length and all of it."""
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_STUBBORN = 3
"""So many 429s in a row to one call are told, although others may be answered."""
_LONGEST_LIMITED_WAIT_S = 4.0
"""After a 429 without Retry-After: how many are in flight is the gate's to learn, one call need not pay for it."""

T = TypeVar("T")


@dataclass(slots=True)
class Attempts:
    """What one call's tries have come to so far."""

    sent: int = 0
    seconds: float = 0.0
    """Spent on tries, on waits between them, and on queueing while the agent was down."""
    unavailable: int = 0
    """Failures that use up a retry."""
    rate_limited: int = 0
    is_probe: bool = False
    """Whether the last try was one that finds out if a deployment is up again."""
    maybe_paid: bool = False
    """Whether a try was sent that the provider may have billed without our seeing an answer."""
    last: AgentUnavailable | AgentRateLimited | None = None
    """What the last try failed with."""
    jitter: float = 1.0
    """The share of its length that the wait after that failure takes."""

    def failed(self, error: AgentUnavailable | AgentRateLimited, *, jitter: float) -> None:
        """Note a failure that another try may not meet."""
        self.last, self.jitter = error, jitter
        if isinstance(error, AgentRateLimited):
            self.rate_limited += 1
        elif not self.is_probe:
            self.unavailable += 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """For how long calls to one agent are tried."""

    retries: int
    give_up_after_s: float
    longest_rest_s: float = math.inf
    """The longest pause that a provider may ask for and have it waited out."""

    def left_s(self, attempts: Attempts) -> float:
        """Seconds until the call is given up."""
        return max(0.0, self.give_up_after_s - attempts.seconds)

    def cannot_wait(self, seconds: float | None) -> bool:
        """Whether the provider asks for more than there ever was, or for a rest that is as good as down."""
        return seconds is not None and (seconds >= self.give_up_after_s or seconds > self.longest_rest_s)

    def is_stubborn(self, attempts: Attempts) -> bool:
        """Whether the last 429 was one too many to go on in silence."""
        return attempts.rate_limited >= _STUBBORN

    def end(self, attempts: Attempts) -> None:
        """Let the time be up: there is no sense in another try."""
        attempts.seconds = max(attempts.seconds, self.give_up_after_s)

    def wait(self, attempts: Attempts) -> float:
        """Seconds to wait after the last failure."""
        error = attempts.last
        is_limited = isinstance(error, AgentRateLimited)
        if is_limited:
            wait = _backoff(attempts.rate_limited, attempts.jitter, _LONGEST_LIMITED_WAIT_S)
        elif attempts.is_probe:
            wait = 0.0  # the gate holds it back until the next probe is due
        else:
            wait = _backoff(attempts.unavailable, attempts.jitter, _LONGEST_WAIT_S)
        asked = None if error is None else error.retry_after
        if asked is None:
            return wait
        # What one call is told need not be so for all: before it ends for that, it asks once or twice more.
        is_too_soon = self.cannot_wait(asked) and not self.is_stubborn(attempts) and self.left_s(attempts) > 0
        return wait if is_limited and is_too_soon else asked

    def stop(self, attempts: Attempts) -> bool:
        """Whether the last failure was the last try."""
        error = attempts.last
        is_limited = isinstance(error, AgentRateLimited)
        if is_limited and self.is_stubborn(attempts) and self.cannot_wait(error.retry_after if error else None):
            return True
        return attempts.unavailable > self.retries or attempts.seconds + self.wait(attempts) >= self.give_up_after_s

    def gave_up(self, attempts: Attempts) -> AgentError:
        """The last failure, with what was tried before it."""
        error, tries, seconds = attempts.last, attempts.sent, attempts.seconds
        assert error is not None, "nobody gives up before a failure"
        message = f"{error} (gave up after {tries} {'try' if tries == 1 else 'tries'}, {seconds:.0f} s)"
        last: AgentUnavailable | AgentRateLimited
        if isinstance(error, AgentRateLimited):
            if self.cannot_wait(error.retry_after):
                limit = "give_up_after_s" if self.longest_rest_s >= self.give_up_after_s else "wait_when_down_s"
                message += f"; it asks to wait {error.retry_after:.0f} s, longer than `{limit}`"
            last = AgentRateLimited(message, retry_after=error.retry_after, is_outage=error.is_outage)
        else:
            last = AgentUnavailable(message, is_outage=error.is_outage)
        last.what, last.said = error.what, error.said
        last.may_lie_in_the_text = error.may_lie_in_the_text
        return last

    async def retry(
        self,
        attempts: Attempts,
        try_again: Callable[[], Awaitable[T]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> T:
        """What follows a first try that failed: wait and try again, until one succeeds or ``stop`` says so.

        Args:
            attempts: Holds the failure of the first try; ``try_again`` notes its own there.
            try_again: One more try.
            sleep: Waits between tries.

        Raises:
            AgentUnavailable, AgentRateLimited: ``gave_up``.
            Exception: Whatever else a try raises, which is not tried again.
        """

        async def wait_out(seconds: float) -> None:
            attempts.seconds += seconds
            await sleep(seconds)

        def give_up(_: RetryCallState) -> NoReturn:
            raise self.gave_up(attempts)

        if self.stop(attempts):
            raise self.gave_up(attempts)
        await wait_out(self.wait(attempts))
        return await AsyncRetrying(
            sleep=wait_out,
            retry=retry_if_exception_type(RETRIED),
            wait=lambda _: self.wait(attempts),
            stop=lambda _: self.stop(attempts),
            retry_error_callback=give_up,
        )(try_again)


def _backoff(count: int, jitter: float, longest: float) -> float:
    """The given share of 0.5 s, 1 s, 2 s, … up to ``longest``."""
    return jitter * min(longest, _FIRST_WAIT_S * 2.0 ** min(count - 1, 16))

"""Those who wait at a gate, in order of arrival, and for how long they are willing to.

Two things try a caller's patience, each for itself: that every deployment is down, counted on the gate's own scale
(seconds for which that was so), and that the provider answers nothing but 429, by the clock. Looking for those whose
patience is over goes through the whole queue, so it is done at most every quarter of a second.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from star_agents.agents.slot import Slot
from star_agents.agents.throttle import Rejected, longest_rest_s
from star_agents.errors import AgentRateLimited, AgentRefused, AgentUnavailable

_LOOK_S = 0.25
"""Shortest time between two looks for callers whose patience is over."""

Turn = asyncio.Future[Slot]


class Waiter(NamedTuple):
    """One caller."""

    down_since: float
    """This and the next on the gate's own scale: seconds for which every deployment was down."""
    down_until: float
    entered: float
    """By the clock."""
    give_up_after_s: float
    """For 429s."""
    tokens: int


class Waiters:
    """The queue.

    Args:
        errors: What the deployments failed with last, for messages.
    """

    def __init__(self, errors: Callable[[], str]) -> None:
        self._errors = errors
        self._queue: OrderedDict[Turn, Waiter] = OrderedDict()
        self._down_until = math.inf
        """No waiter's patience with an outage ends before this."""
        self._rejected_until = math.inf
        """No waiter's patience with 429s ends before this."""
        self._looked_at = -math.inf

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def add(self, turn: Turn, waiter: Waiter) -> None:
        """Let one wait at the end of the queue."""
        self._queue[turn] = waiter
        self._down_until = min(self._down_until, waiter.down_until)
        self._rejected_until = min(self._rejected_until, waiter.entered + waiter.give_up_after_s)

    def first(self) -> tuple[Turn, Waiter]:
        """Whose turn is next; only where somebody waits."""
        return next(iter(self._queue.items()))

    def remove(self, turn: Turn) -> None:
        """Let one go, who may have gone already."""
        self._queue.pop(turn, None)

    # Every deployment is down

    def outage_ends_at(self, down_since: float, down_before: float) -> float:
        """When to look, by the clock, where all have been down since then and were before for so many seconds."""
        return max(down_since + self._down_until - down_before, self._looked_at + _LOOK_S)

    def give_up_on_outage(self, down_s: float, now: float) -> None:
        """End the waits of those whose patience is over."""
        if down_s < self._down_until:
            return
        self._looked_at = now
        for turn, waiter in list(self._queue.items()):
            if waiter.down_until <= down_s:
                self._end(turn, self._unavailable(waiter))
        self._down_until = min((waiter.down_until for waiter in self._queue.values()), default=math.inf)

    def give_up_on_rest(self, rest_s: float) -> None:
        """End the waits of those whose patience with an outage is shorter than the pause that the provider asks for."""
        for turn, waiter in list(self._queue.items()):
            when_down_s = waiter.down_until - waiter.down_since
            if is_as_good_as_down(rest_s, when_down_s, waiter.give_up_after_s):
                self._end(turn, self.at_rest(when_down_s))

    def at_rest(self, when_down_s: float) -> AgentUnavailable:
        """For one who does not wait for as long as the provider asks to."""
        error = AgentUnavailable(
            f"the provider asks for a rest of more than {longest_rest_s(when_down_s):.0f} s, which is as good as down "
            f"({self._errors()}); `wait_when_down_s` sets for how long to wait",
            is_outage=True,
        )
        error.certainly_unpaid = True
        return error

    def give_up(self) -> None:
        """End all waits: nobody will come back."""
        for turn in list(self._queue):
            self._end(turn, self.given_up())
        self._down_until = self._rejected_until = math.inf

    def given_up(self) -> AgentUnavailable:
        """For one who would wait for nobody."""
        error = AgentUnavailable(f"its server is given up ({self._errors()})", is_outage=True)
        error.certainly_unpaid = True
        return error

    # The provider answers nothing but 429

    def rejection_ends_at(self, rejected: Rejected, paused_until: float, now: float) -> float:
        """When to look, by the clock; the provider has asked for a pause until then."""
        is_over = self._is_hopeless(rejected, paused_until, now) or self._rejected_until <= paused_until
        return max(now if is_over else self._rejected_until, self._looked_at + _LOOK_S)

    def give_up_on_429(self, rejected: Rejected, paused_until: float, now: float) -> bool:
        """End the waits of those whose patience is over, or will be before the pause is; true where there were any."""
        is_hopeless = self._is_hopeless(rejected, paused_until, now)
        if not is_hopeless and self._rejected_until > paused_until:
            return False
        self._looked_at, since, pause_s = now, now if rejected.since is None else rejected.since, paused_until - now
        ends = {turn: max(since, one.entered) + one.give_up_after_s for turn, one in self._queue.items()}
        ended = [turn for turn, end in ends.items() if is_hopeless or end <= paused_until]
        for turn in ended:
            self._end(turn, self._always_429(why_rejected(now - since, pause_s, self._errors()), pause_s))
        self._rejected_until = min((end for turn, end in ends.items() if turn in self._queue), default=math.inf)
        return bool(ended)

    @staticmethod
    def _is_hopeless(rejected: Rejected, paused_until: float, now: float) -> bool:
        return rejected.gave_up and paused_until > now

    def _end(self, turn: Turn, error: Exception) -> None:
        del self._queue[turn]
        if not turn.done():
            turn.set_exception(error)

    def _unavailable(self, waiter: Waiter) -> AgentUnavailable:
        error = AgentUnavailable(
            f"no deployment is up, and none came back within {waiter.down_until - waiter.down_since:.0f} s "
            f"({self._errors()}); is the provider up? `give_up_after_s` sets how long to wait",
            is_outage=True,
        )
        error.certainly_unpaid = True
        return error

    @staticmethod
    def _always_429(why: str, pause_s: float) -> AgentRateLimited:
        return AgentRateLimited(
            f"{why}; `give_up_after_s` sets how long to wait, `requests_per_minute` how much to send",
            retry_after=pause_s if pause_s > 0 else None,
            is_outage=True,
        )


def is_as_good_as_down(rest_s: float, when_down_s: float, give_up_after_s: float) -> bool:
    """Whether a rest is to a waiter what an outage is; one beyond all patience is told as 429s without end."""
    return longest_rest_s(when_down_s) < rest_s < give_up_after_s


def too_large(deployment: str, tokens: int, limit: int | None) -> AgentRefused:
    """For a call that no minute has room for."""
    name = deployment.rpartition("/")[0] or deployment
    error = AgentRefused(
        f"agent {name}: a call of up to {tokens:,} tokens (about its prompt, and the longest reply) is larger than "
        f"`tokens_per_minute: {limit}`, so no minute has room for it; raise that, or lower `max_tokens`"
    )
    error.may_lie_in_the_text = True
    return error


def why_rejected(for_s: float, pause_s: float, errors: str) -> str:
    """What a provider does that answers nothing but 429."""
    pause = f", and is asked again in {pause_s:.0f} s" if pause_s > 0 else ""
    return f"the provider has answered nothing but 429 for {for_s:.0f} s{pause} ({errors})"

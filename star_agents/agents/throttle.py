"""Who slows an agent down, and since when: its provider's 429s, or its own limits in agents.yaml.

Being throttled is a state, told once when it begins and once when it ends. It ends after two minutes without another
sign of it, so that a provider that lets one call in three through does not begin and end it all the time. All but the
watch at the end is pure: the clock is handed in.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from star_agents.observe.status import ThrottleState

Cause = Literal["429", "requests_per_minute", "tokens_per_minute"]
"""``429``: the provider's. The others: the key of agents.yaml."""
QUIET_S = 120.0
"""A limit that is always used up lets the next calls through once a minute: as often there is a sign of it."""
LONGEST_REST_S = 3_600.0
"""However long a pause a provider asks for, after so long it is asked once: it may be well again, and a rest as long as
that is an outage like any other, in which whoever is down is tried now and then."""
_ORDINARY_REST_S = 60.0
"""What a limit per minute asks to wait at the most; whoever asks for more is out."""
_NOT_BEFORE_S = 60.0
"""Shortest time after which a provider that rejects everybody is asked again by who need not."""
_SOONEST_S = 0.001
"""Shortest timer: clocks may differ by a rounding."""


def longest_rest_s(wait_when_down_s: float) -> float:
    """Seconds of a pause that a call waits out which waits so long for an agent that is down; a longer one is a kind of
    being down."""
    return max(wait_when_down_s, _ORDINARY_REST_S)


def in_words(cause: str) -> str:
    """Who slows it down, as a sentence goes on after "throttled by"."""
    return "its provider (429)" if cause == "429" else f"its own `{cause}`"


@dataclass(frozen=True, kw_only=True, slots=True)
class ThrottleChange:
    """Throttling began or ended."""

    cause: Cause
    began: bool
    detail: str = ""
    """What the provider said, or the limit; empty at the end."""
    seconds: float = 0.0
    """How long it lasted, from its first sign to its last."""


class Throttle:
    """What slows one agent down."""

    def __init__(self) -> None:
        self._signs: dict[Cause, tuple[float, float]] = {}
        """When the first sign was seen, and when the last."""

    def slowed(self, cause: Cause, now: float) -> bool:
        """Note a sign of throttling; true where it begins with this one."""
        begins = cause not in self._signs
        self._signs[cause] = (now if begins else self._signs[cause][0], now)
        return begins

    def ended(self, now: float) -> list[ThrottleChange]:
        """What has come to its end since the last time, each once."""
        over = [cause for cause, (_, last) in self._signs.items() if now - last >= QUIET_S]
        spans = {cause: self._signs.pop(cause) for cause in over}
        return [
            ThrottleChange(cause=cause, began=False, seconds=last - first) for cause, (first, last) in spans.items()
        ]

    def looks_again_at(self) -> float | None:
        """When the first of them may end; ``None`` where nothing slows the agent down."""
        return min((last + QUIET_S for _, last in self._signs.values()), default=None)

    def states(self, now: float) -> tuple[ThrottleState, ...]:
        """What slows it down now."""
        return tuple(ThrottleState(cause=cause, for_s=now - first) for cause, (first, _) in self._signs.items())


_CHANCE = 2
"""So many 429s in a row may be chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """An agent that answers nothing but 429, and on which a call was given up."""

    why: str
    """For how long, and what was said."""
    asks_again_in_s: float
    """Seconds after which to ask again."""


class Rejected:
    """For how long a provider has answered nothing but 429, and whether somebody gave up on that."""

    def __init__(self) -> None:
        self._count = 0
        self._others = 0
        """Calls that were in flight at the first 429 and may still be answered."""
        self.since: float | None = None
        """The first 429 since the last other answer; ``None`` where that was the last one."""
        self.gave_up = False
        """Whether a call ended for it. From then on one 429 is enough to end any other, until one is answered."""
        self._out_until = -math.inf
        self._why = ""

    @property
    def is_everybody(self) -> bool:
        """Whether it is not one call's fault: several 429s, and none that was in flight with the first was answered."""
        return self._count > _CHANCE and self._others <= 0

    def rejected(self, now: float, others: int) -> None:
        """Note a 429, and how many others are in flight."""
        if self.since is None:
            self.since, self._others = now, others
        else:
            self._others -= 1
        self._count += 1

    def answered(self) -> None:
        """Note an answer that is no 429."""
        self.since, self.gave_up, self._count, self._out_until = None, False, 0, -math.inf

    def give_up(self, now: float, paused_until: float, why: str) -> None:
        """Note that a call ended for it, and why; the provider has asked for a pause until then."""
        self.gave_up, self._why = True, why
        self._out_until = max(self._out_until, paused_until, now + _NOT_BEFORE_S)

    def rejection(self, now: float) -> Rejection | None:
        """What there is to tell, from when a call was given up until one is answered."""
        return Rejection(why=self._why, asks_again_in_s=self.out_for_s(now)) if self.gave_up else None

    def out_for_s(self, now: float) -> float:
        """Seconds for which nobody should be asked to write who need not; 0 where there is no reason."""
        return max(0.0, self._out_until - now)


class ThrottleWatch:
    """Tells when throttling begins and ends; it belongs to one event loop.

    Args:
        clock: Monotonic seconds.
        look: Notes what slows the agent down at this moment, by ``slowed``: asked before anything is called ended.
        tell: Hears of beginnings and ends. It must not raise.
    """

    def __init__(
        self, clock: Callable[[], float], look: Callable[[float], None], tell: Callable[[ThrottleChange], None]
    ) -> None:
        self._clock = clock
        self._look = look
        self._tell = tell
        self._throttle = Throttle()
        self._timer: asyncio.TimerHandle | None = None

    def slowed(self, cause: Cause, now: float, detail: str) -> None:
        """Note a sign of throttling, and say so where it is the first."""
        if self._throttle.slowed(cause, now):
            self._tell(ThrottleChange(cause=cause, began=True, detail=detail))
            self._look_later(now)

    def states(self) -> tuple[ThrottleState, ...]:
        """What slows the agent down now."""
        return self._throttle.states(self._clock())

    def _look_later(self, now: float) -> None:
        at = self._throttle.looks_again_at()
        if at is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(_SOONEST_S, at - now), self._time_came)

    def _time_came(self) -> None:
        self._timer, now = None, self._clock()
        self._look(now)
        for change in self._throttle.ended(now):
            self._tell(change)
        self._look_later(now)

"""The queue in front of one agent's deployments: who may send next, and to which of them (design §5).

``enter`` waits for a deployment that is up and has room, first come, first served; ``Slot.leave`` says how it went and
hands the room to whoever waits longest. What may be tried is kept up to date by what ends, so a hand-over costs the
same however many wait; where only time can change something, one timer of the event loop does.

Where every deployment is down, callers wait for the first probe to succeed, and give up after their patience. A pause
that the provider asked for, and the wait for room, try nobody's patience.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from star_agents.agents.breaker import Breaker, State
from star_agents.agents.limit import AdaptiveLimit
from star_agents.errors import AgentUnavailable

Outcome = Literal["ok", "rate_limited", "failed", "abandoned"]
"""``ok``: the provider answered, if only to refuse. ``failed``: time-out, connection, 5xx. ``abandoned``: cancelled."""

_TOLD = {"closed": "closed", "open": "opened", "half_open": "half-opened"}
_LOOK_S = 0.25
"""Shortest time between two looks for callers whose patience is over: each look goes through the whole queue."""

_SOONEST_S = 0.001
"""Shortest timer: clocks may differ by a rounding, and nobody should spin for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentState:
    """One deployment as it is now, for whoever looks."""

    name: str
    breaker: State
    limit: int
    """Calls that may be in flight."""
    in_flight: int
    opens_in_s: float | None
    """Seconds until it may be tried; ``None`` where it may be tried now, or its probe is out."""
    last_error: str | None
    """What it failed with; ``None`` once it has answered again."""


class Slot:
    """Permission to send one call to deployment ``index``. Leave it, whatever happens."""

    __slots__ = ("_falls", "_gate", "_is_left", "index", "is_probe", "waited_down_s")

    def __init__(self, gate: Gate, index: int, falls: int, is_probe: bool, waited_down_s: float) -> None:
        self._gate = gate
        self._falls = falls
        self._is_left = False
        self.index = index
        self.is_probe = is_probe
        """Whether this call shows if the deployment is up again."""
        self.waited_down_s = waited_down_s
        """Seconds of the wait during which every deployment was down."""

    def leave(self, outcome: Outcome, *, retry_after: float | None = None, error: str | None = None) -> None:
        """Give the room back; only the first call counts, so ``leave("abandoned")`` can stand in a ``finally``.

        Args:
            outcome: How the call went.
            retry_after: Seconds that the provider asked to wait, with ``rate_limited``.
            error: What went wrong, in words without secrets.
        """
        if not self._is_left:
            self._is_left = True
            self._gate._ended(self, outcome, retry_after, error)


@dataclass(slots=True)
class _Deployment:
    name: str
    breaker: Breaker
    limit: AdaptiveLimit
    in_flight: int = 0
    last_error: str | None = None


class _Waiter(NamedTuple):
    """Both on the gate's own scale: seconds for which every deployment was down."""

    since: float
    until: float


class Gate:
    """One agent's queue. It belongs to one event loop.

    Args:
        names: The deployments, one or more; each is known by its index.
        ceiling: Most calls in flight over all deployments together.
        choose: Picks among the deployments that could take a call, given in no particular order. Asked where there are
            two or more; what it raises, the caller of ``enter`` gets.
        clock: Monotonic seconds.
        on_change: Hears a deployment's name and ``opened``, ``half-opened``, ``closed`` or ``paused``. It must not
            raise.
        breaker: Makes the circuit breaker of each deployment.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        ceiling: int,
        choose: Callable[[Sequence[int]], int],
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[str, str], None] | None = None,
        breaker: Callable[[], Breaker] = Breaker,
    ) -> None:
        self._deployments = [_Deployment(name, breaker(), AdaptiveLimit(ceiling)) for name in names]
        self._ceiling = ceiling
        self._choose = choose
        self._clock = clock
        self._on_change = on_change
        self.in_flight = 0
        """Calls that have a slot."""
        self._free = dict.fromkeys(range(len(names)))
        """Deployments that are up and have room: an ordered set."""
        self._held: dict[int, float] = {}
        """Deployments that nothing but time can free, and when."""
        self._opens_at = math.inf
        """The first of those times."""
        self._queue: OrderedDict[asyncio.Future[Slot], _Waiter] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._up = len(names)
        self._down_since: float | None = None
        self._down_before = 0.0
        self._gives_up_at = math.inf
        """No waiter's patience ends before this, on the same scale as ``_Waiter``."""
        self._looked_at = -math.inf

    @property
    def queued(self) -> int:
        """Calls that wait for a slot."""
        return len(self._queue)

    @property
    def is_down(self) -> bool:
        """Whether no deployment is up. One that is merely paused is up."""
        return self._down_since is not None

    def describe(self) -> list[DeploymentState]:
        """Every deployment as it is now."""
        now = self._clock()
        opens = [deployment.breaker.opens_at(now) for deployment in self._deployments]
        return [
            DeploymentState(
                name=deployment.name,
                breaker=deployment.breaker.state,
                limit=deployment.limit.limit,
                in_flight=deployment.in_flight,
                opens_in_s=at - now if at is not None and at > now else None,
                last_error=deployment.last_error,
            )
            for deployment, at in zip(self._deployments, opens, strict=True)
        ]

    def set_ceiling(self, ceiling: int) -> None:
        """Change how many may be in flight. Those who wait profit at once; those in flight are left alone."""
        self._ceiling = ceiling
        now = self._clock()
        for index, deployment in enumerate(self._deployments):
            deployment.limit.set_ceiling(ceiling)
            self._refresh(index, now)
        self._serve()

    async def enter(self, patience_s: float) -> Slot:
        """Wait for a deployment that is up and has room.

        Args:
            patience_s: Seconds of this wait during which every deployment may be down.

        Raises:
            AgentUnavailable: They were down for longer; nothing was sent.
        """
        if not self._queue and self._has_room():
            return self._take(0.0)
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        down_s = self._down_s()
        self._queue[future] = _Waiter(down_s, down_s + patience_s)
        self._gives_up_at = min(self._gives_up_at, down_s + patience_s)
        self._set_timer()
        try:
            return await future
        except asyncio.CancelledError:
            self._queue.pop(future, None)
            if future.done() and not future.cancelled() and future.exception() is None:
                # Cancelled in the moment between the hand-over and its arrival.
                future.result().leave("abandoned")
            raise

    def _has_room(self) -> bool:
        if self._opens_at != math.inf:
            self._release()
        return bool(self._free) and self.in_flight < self._ceiling

    def _take(self, waited_down_s: float) -> Slot:
        """Make a slot; only while there is room."""
        free = self._free
        index = next(iter(free)) if len(free) == 1 else self._choose(tuple(free))
        if index not in free:
            raise LookupError(f"the deployment chosen is none of the free ones: {index}")
        deployment = self._deployments[index]
        deployment.in_flight += 1
        self.in_flight += 1
        is_probe = deployment.breaker.state != "closed" and deployment.breaker.began()
        if is_probe:
            self._tell(deployment, "half-opened")
        if is_probe or deployment.in_flight >= deployment.limit.limit:
            del free[index]
        return Slot(self, index, deployment.limit.falls, is_probe, waited_down_s)

    def _ended(self, slot: Slot, outcome: Outcome, retry_after: float | None, error: str | None) -> None:
        deployment, now = self._deployments[slot.index], self._clock()
        limit, breaker = deployment.limit, deployment.breaker
        before = breaker.state
        deployment.in_flight -= 1
        self.in_flight -= 1
        if outcome == "ok":
            deployment.last_error = None
            limit.succeeded()
            breaker.succeeded()
        elif outcome == "rate_limited":
            deployment.last_error = error
            limit.rate_limited(slot._falls)
            breaker.succeeded()
            # The call itself waits as it was told to. All the others do once a 429 is no longer the exception.
            if retry_after is not None and limit.is_exhausted:
                self._pause(deployment, now, retry_after)
        elif outcome == "failed":
            deployment.last_error = error
            breaker.failed(now, probe=slot.is_probe)
        else:
            breaker.abandoned(probe=slot.is_probe)
        if breaker.state != before:
            self._changed(deployment, before, now)
        self._refresh(slot.index, now)
        if self._queue:
            self._serve()

    def _pause(self, deployment: _Deployment, now: float, seconds: float) -> None:
        if deployment.breaker.opens_at(now) is None:
            self._tell(deployment, "paused")
        deployment.breaker.pause(now + seconds)

    def _changed(self, deployment: _Deployment, before: State, now: float) -> None:
        """Keep count of who is up and for how long nobody was."""
        state = deployment.breaker.state
        self._up += (state == "closed") - (before == "closed")
        if not self._up and self._down_since is None:
            self._down_since = now
        elif self._up and self._down_since is not None:
            self._down_before += now - self._down_since
            self._down_since = None
        self._tell(deployment, _TOLD[state])

    def _tell(self, deployment: _Deployment, what: str) -> None:
        if self._on_change is not None:
            self._on_change(deployment.name, what)

    def _down_s(self) -> float:
        """Seconds, since the gate was made, for which every deployment was down."""
        return self._down_before + (0.0 if self._down_since is None else self._clock() - self._down_since)

    def _refresh(self, index: int, now: float) -> None:
        """Note whether a deployment could take a call, and if only time can tell, when."""
        deployment = self._deployments[index]
        breaker = deployment.breaker
        if deployment.in_flight < deployment.limit.limit and breaker.allows(now):
            self._free[index] = None
        else:
            self._free.pop(index, None)
        at = breaker.opens_at(now)
        if at is not None and at > now:
            self._held[index] = at
            self._opens_at = min(self._held.values())
        elif index in self._held:
            del self._held[index]
            self._opens_at = min(self._held.values(), default=math.inf)

    def _release(self) -> None:
        """Free the deployments whose time has come."""
        now = self._clock()
        if now >= self._opens_at:
            for index in [index for index, at in self._held.items() if at <= now]:
                self._refresh(index, now)

    def _serve(self) -> None:
        """Hand out what room there is, first come, first served."""
        while self._queue and self._has_room():
            future, waiter = self._queue.popitem(last=False)
            if future.done():
                continue
            try:
                future.set_result(self._take(self._down_s() - waiter.since))
            except Exception as error:
                future.set_exception(error)
        if self._queue:
            self._set_timer()

    def _set_timer(self) -> None:
        """Wake the queue at the next moment at which time alone changes something for it."""
        at = self._opens_at
        if self._down_since is not None:
            gives_up_at = self._down_since + self._gives_up_at - self._down_before
            at = min(at, max(gives_up_at, self._looked_at + _LOOK_S))
        if at == math.inf or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay = max(_SOONEST_S, at - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay, self._time_came)

    def _time_came(self) -> None:
        self._timer = None
        if self._queue and self._down_s() >= self._gives_up_at:
            self._give_up()
        self._serve()

    def _give_up(self) -> None:
        """End the waits of those whose patience is over."""
        down_s = self._down_s()
        self._looked_at = self._clock()
        for future, waiter in list(self._queue.items()):
            if waiter.until <= down_s:
                del self._queue[future]
                if not future.done():
                    future.set_exception(self._unavailable(waiter))
        self._gives_up_at = min((waiter.until for waiter in self._queue.values()), default=math.inf)

    def _unavailable(self, waiter: _Waiter) -> AgentUnavailable:
        said = [f"{d.name}: {d.last_error}" if d.last_error else d.name for d in self._deployments]
        error = AgentUnavailable(
            f"no deployment is up, and none came back within {waiter.until - waiter.since:.0f} s ({'; '.join(said)}); "
            "is the provider up? `give_up_after_s` sets how long to wait",
            is_outage=True,
        )
        error.certainly_unpaid = True
        return error

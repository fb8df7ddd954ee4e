"""The queue in front of one agent's deployments: who may send next, and to which of them (design §5).

``enter`` waits for a deployment that is up and has room, first come, first served; ``Slot.leave`` says how it went and
hands the room to whoever waits longest. What may be tried is kept up to date by what ends, so a hand-over costs the
same however many wait; where only time can change something, one timer of the event loop does.

Where every deployment is down, callers wait for the first probe to succeed, and give up after their patience. They do
so as well where the provider answers nothing but 429 for as long, or asks for a pause that is longer. The wait for
room, and for the agent's own requests and tokens per minute, tries nobody's patience.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from star_agents.agents.breaker import Breaker, State
from star_agents.agents.deployment import Deployment, Room, are_given_up, last_errors, paused_until, reject_everybody
from star_agents.agents.limit import AdaptiveLimit
from star_agents.agents.rate_limit import RateLimit
from star_agents.agents.slot import Ended, Outcome, Slot
from star_agents.agents.throttle import LONGEST_REST_S, Rejected, Rejection, ThrottleChange, ThrottleWatch
from star_agents.agents.waiters import Waiter, Waiters, is_as_good_as_down, too_large, why_rejected
from star_agents.observe.status import DeploymentState, ThrottleState

__all__ = ["Gate", "Outcome", "Slot"]

_TOLD = {"closed": "closed", "open": "opened", "half_open": "half-opened"}
_SOONEST_S = 0.001
"""Shortest timer: clocks may differ by a rounding, and nobody should spin for it."""


class Gate:
    """One agent's queue. It belongs to one event loop.

    Args:
        names: The deployments, one or more; each is known by its index.
        ceiling: Most calls in flight over all deployments together.
        choose: Says which deployment takes the next call, where two or more could; ``idlest`` where it is left out.
            What it raises, the caller of ``enter`` gets.
        clock: Monotonic seconds.
        on_change: Hears a deployment's name and ``opened``, ``half-opened``, ``closed`` or ``paused``. It must not
            raise.
        rate: The agent's requests and tokens per minute, over all deployments.
        on_throttle: Hears when the provider's 429s or ``rate`` begin to slow the agent down, and when that is over. It
            must not raise.
        breaker: Makes the circuit breaker of each deployment.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        ceiling: int,
        choose: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[str, str], None] | None = None,
        rate: RateLimit | None = None,
        on_throttle: Callable[[ThrottleChange], None] | None = None,
        breaker: Callable[[], Breaker] = Breaker,
    ) -> None:
        self._deployments = [Deployment(name, breaker(), AdaptiveLimit(ceiling)) for name in names]
        self._ceiling = ceiling
        self._choose = choose or self.idlest
        self._clock = clock
        self._on_change = on_change
        self.rate = rate or RateLimit()
        self._on_throttle = on_throttle
        self._throttle = ThrottleWatch(clock, self._look_at_throttle, self._tell_of_throttle)
        self._rejected = Rejected()
        self.in_flight = 0
        """Calls that have a slot."""
        self._room = Room(self._deployments)
        self._queue = Waiters(lambda: last_errors(self._deployments))
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._up = len(names)
        self._down_since: float | None = None
        self._down_before = 0.0
        self._rate_opens_at = math.inf
        """When time lets the first in the queue through, where the agent's own limits are all that is in its way."""
        self._is_rate_full = False
        """Whether those are in its way."""

    @property
    def queued(self) -> int:
        """Calls that wait for a slot."""
        return len(self._queue)

    @property
    def is_down(self) -> bool:
        """Whether no deployment is up. One that is merely paused is up."""
        return self._down_since is not None

    @property
    def is_rejecting(self) -> bool:
        """Whether a call was given up because all were answered 429, and it is too early to ask again."""
        return self._rejected.out_for_s(self._clock()) > 0

    def is_at_rest(self, when_down_s: float, give_up_after_s: float) -> bool:
        """Whether the provider asks for a rest that is as good as down to calls of that patience (``Waiter``)."""
        now, may_rest = self._clock(), self._room.opens_at != math.inf  # asked of each agent, for each seed
        rest_s = paused_until(self._deployments, now) - now if may_rest else 0.0
        return is_as_good_as_down(rest_s, when_down_s, give_up_after_s)

    @property
    def rejects_everybody(self) -> bool:
        """Whether 429 is all that is answered, and not to one call alone."""
        if self._rejected.since is None:
            return False
        return self._rejected.is_everybody or reject_everybody(self._deployments)

    @property
    def rejection(self) -> Rejection | None:
        """Since when it is that a call was given up for 429s; ``None`` where none was, or one was answered since."""
        return self._rejected.rejection(self._clock())

    def throttled(self) -> tuple[ThrottleState, ...]:
        """What slows the agent down now, and since when."""
        return self._throttle.states()

    def describe(self) -> list[DeploymentState]:
        """Every deployment as it is now."""
        now = self._clock()
        return [deployment.describe(now) for deployment in self._deployments]

    def idlest(self) -> int:
        """The deployment with the fewest calls in flight of those that could take one; LookupError where none could."""
        return self._room.free.first()

    def set_ceiling(self, ceiling: int) -> None:
        """Change how many may be in flight. Those who wait profit at once; those in flight are left alone."""
        self._ceiling = ceiling
        now = self._clock()
        for index, deployment in enumerate(self._deployments):
            deployment.limit.set_ceiling(ceiling)
            self._room.refresh(index, now)
        self._serve()

    def set_rate(self, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        """Change the agent's own limits. Those who wait profit at once; what was sent in the last minute counts."""
        self.rate.requests_per_minute, self.rate.tokens_per_minute = requests_per_minute, tokens_per_minute
        self._serve()

    def hold(self, index: int, why: str, *, for_good: bool = False) -> None:
        """Let no call pass to a deployment until it is released: there is nobody to ask. Those who wait do so as for
        one that is down; where that is ``for_good`` and no other deployment is left, they wait no longer."""
        deployment, now = self._deployments[index], self._clock()
        before = deployment.breaker.state
        deployment.breaker.hold()
        deployment.last_error, deployment.is_given_up = why, for_good
        self._count_up(deployment.breaker.state, before, now)
        self._room.refresh(index, now)
        if are_given_up(self._deployments):
            self._queue.give_up()
        elif self._queue:
            self._set_timer()

    def release(self, index: int) -> None:
        """End a hold: calls pass again, as to a deployment that is new."""
        deployment, now = self._deployments[index], self._clock()
        if not deployment.breaker.is_held:
            return
        deployment.breaker.release()
        deployment.last_error, deployment.is_given_up = None, False
        self._count_up("closed", "open", now)
        self._room.refresh(index, now)
        self._serve()

    async def enter(self, give_up_after_s: float, *, when_down_s: float | None = None, tokens: int = 0) -> Slot:
        """Wait for a deployment that is up and has room, and for the agent's own limits.

        Args:
            give_up_after_s: Seconds of this wait during which the provider may answer nothing but 429.
            when_down_s: Seconds of it during which every deployment may be down; the same where it is left out.
            tokens: Tokens that the call may take.

        Raises:
            AgentUnavailable: They were down for longer, or the provider asks for a rest so long that it is as good as
                down; nothing was sent. So for the others.
            AgentRateLimited: There was nothing but 429 for longer, or the provider asks for a longer pause.
            AgentRefused: The call is larger than ``tokens_per_minute``.
        """
        if not self.rate.can_ever_send(tokens):
            raise too_large(self._deployments[0].name, tokens, self.rate.tokens_per_minute)
        if are_given_up(self._deployments):
            raise self._queue.given_up()
        if not self._queue and self._has_room(tokens):
            return self._take(0.0, tokens)
        when_down_s = give_up_after_s if when_down_s is None else when_down_s
        if self.is_at_rest(when_down_s, give_up_after_s):
            raise self._queue.at_rest(when_down_s)
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        down_s, now = self._down_s(), self._clock()
        self._queue.add(future, Waiter(down_s, down_s + when_down_s, now, give_up_after_s, tokens))
        self._set_timer()
        try:
            return await future
        except asyncio.CancelledError:
            self._queue.remove(future)
            if future.done() and not future.cancelled() and future.exception() is None:
                # Cancelled in the moment between the hand-over and its arrival.
                future.result().leave("abandoned")
            raise

    def give_up(self) -> bool:
        """Note that a call ended because it was always answered 429; returns whether that is so for every call."""
        if not self.rejects_everybody:
            return False
        self._note_given_up(self._clock())
        if self._queue:
            self._set_timer()
        return True

    def _note_given_up(self, now: float) -> None:
        until, since = paused_until(self._deployments, now), self._rejected.since
        why = why_rejected(0.0 if since is None else now - since, until - now, last_errors(self._deployments))
        self._rejected.give_up(now, until, why)

    def _has_room(self, tokens: int) -> bool:
        if self._room.opens_at != math.inf:
            self._room.release(self._clock())
        self._rate_opens_at, self._is_rate_full = math.inf, False
        if not self._room.free or self.in_flight >= self._ceiling:
            return False
        now = self._clock()
        opens_at = self.rate.opens_at(tokens, now)
        if opens_at > now:
            self._rate_opens_at, self._is_rate_full = opens_at, True
            self._feel_own_limit(tokens, now)
        return opens_at <= now

    def _take(self, waited_down_s: float, tokens: int) -> Slot:
        """Make a slot; only while there is room."""
        free = self._room.free
        index = self._choose() if len(free) > 1 else free.first()
        if index not in free:
            raise LookupError(f"the deployment chosen is none of the free ones: {index}")
        deployment = self._deployments[index]
        deployment.in_flight += 1
        self.in_flight += 1
        is_probe = deployment.breaker.state != "closed" and deployment.breaker.began()
        if is_probe:
            self._tell(deployment, "half-opened")
        if is_probe or deployment.in_flight >= deployment.limit.limit:
            free.remove(index)
        else:
            free.put(index, deployment.in_flight)
        return Slot(
            index=index,
            permit=self.rate.hold(tokens),
            sent=self._sent,
            ended=self._ended,
            falls=deployment.limit.falls,
            is_probe=is_probe,
            waited_down_s=waited_down_s,
        )

    def _sent(self, slot: Slot) -> None:
        slot.permit.sent(self._clock())
        if self._queue and self._is_rate_full:
            self._serve()  # Only now is known when the next one may be sent.

    def _ended(self, slot: Slot, how: Ended) -> None:
        deployment, now = self._deployments[slot.index], self._clock()
        limit, breaker = deployment.limit, deployment.breaker
        before = breaker.state
        deployment.in_flight -= 1
        self.in_flight -= 1
        self._count(slot, how, now)
        if how.outcome == "ok":
            deployment.note(None)
            limit.succeeded()
            breaker.succeeded()
            self._rejected.answered()
        elif how.outcome == "rate_limited":
            deployment.note(how.error)
            limit.rate_limited(slot.falls)
            breaker.succeeded()
            self._feel_429(deployment, how, now)
        elif how.outcome == "failed":
            deployment.note(how.error)
            breaker.failed(now, probe=slot.is_probe)
        else:
            breaker.abandoned(probe=slot.is_probe)
        if breaker.state != before:
            self._changed(deployment, before, now)
        self._room.refresh(slot.index, now)
        if self._queue:
            self._serve()

    def _count(self, slot: Slot, how: Ended, now: float) -> None:
        """Settle what the call took of the agent's own limits."""
        if how.outcome == "abandoned":
            slot.permit.cancel()
            return
        slot.permit.sent(now)
        if how.tokens is not None:
            slot.permit.settle(how.tokens)

    def _feel_429(self, deployment: Deployment, how: Ended, now: float) -> None:
        """Once a 429 is no longer the exception, say so, and let everybody pause; the call itself waits as told."""
        self._rejected.rejected(now, self.in_flight)
        if deployment.limit.is_exhausted and how.retry_after is not None:
            if deployment.breaker.opens_at(now) is None and not deployment.is_pause_told:
                deployment.is_pause_told = True
                self._tell(deployment, "paused")
            deployment.breaker.pause(now + min(how.retry_after, LONGEST_REST_S))
            self._queue.give_up_on_rest(paused_until(self._deployments, now) - now)
        if deployment.limit.is_exhausted or how.is_stubborn:
            asked = "" if how.retry_after is None else f"it asks to wait {how.retry_after:.0f} s; "
            self._throttle.slowed("429", now, f"{asked}{how.error or ''}")

    def _feel_own_limit(self, tokens: int, now: float) -> None:
        cause = self.rate.blocked_by(tokens, now)
        if cause is not None:
            self._throttle.slowed(cause, now, f"{getattr(self.rate, cause):,}")

    def _look_at_throttle(self, now: float) -> None:
        """A wait that goes on is a sign that the throttling does."""
        if paused_until(self._deployments, now) > now:
            self._throttle.slowed("429", now, "")
        if self._queue and self._is_rate_full:
            self._feel_own_limit(self._queue.first()[1].tokens, now)

    def _tell_of_throttle(self, change: ThrottleChange) -> None:
        if change.cause == "429" and not change.began:
            for deployment in self._deployments:
                deployment.is_pause_told = False
        if self._on_throttle is not None:
            self._on_throttle(change)

    def _changed(self, deployment: Deployment, before: State, now: float) -> None:
        state = deployment.breaker.state
        self._count_up(state, before, now)
        self._tell(deployment, _TOLD[state])

    def _count_up(self, state: State, before: State, now: float) -> None:
        """Keep count of who is up and for how long nobody was."""
        self._up += (state == "closed") - (before == "closed")
        if not self._up and self._down_since is None:
            self._down_since = now
        elif self._up and self._down_since is not None:
            self._down_before += now - self._down_since
            self._down_since = None

    def _tell(self, deployment: Deployment, what: str) -> None:
        if self._on_change is not None:
            self._on_change(deployment.name, what)

    def _down_s(self) -> float:
        """Seconds, since the gate was made, for which every deployment was down."""
        return self._down_before + (0.0 if self._down_since is None else self._clock() - self._down_since)

    def _serve(self) -> None:
        """Hand out what room there is, first come, first served."""
        while self._queue:
            future, waiter = self._queue.first()
            can_ever_send = self.rate.can_ever_send(waiter.tokens)
            if can_ever_send and not future.done() and not self._has_room(waiter.tokens):
                break
            self._queue.remove(future)
            if future.done():
                continue
            try:
                if not can_ever_send:
                    raise too_large(self._deployments[0].name, waiter.tokens, self.rate.tokens_per_minute)
                future.set_result(self._take(self._down_s() - waiter.down_since, waiter.tokens))
            except Exception as error:
                future.set_exception(error)
        if self._queue:
            self._set_timer()

    def _set_timer(self) -> None:
        """Wake the queue at the next moment at which time alone changes something for it."""
        at = min(self._room.opens_at, self._rate_opens_at)
        if self._down_since is not None:
            at = min(at, self._queue.outage_ends_at(self._down_since, self._down_before))
        if self._rejected.since is not None:
            now = self._clock()
            until = paused_until(self._deployments, now)
            at = min(at, self._queue.rejection_ends_at(self._rejected, until, now))
        if at == math.inf or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay = max(_SOONEST_S, at - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay, self._time_came)

    def _time_came(self) -> None:
        self._timer, now = None, self._clock()
        self._queue.give_up_on_outage(self._down_s(), now)
        if self._rejected.since is not None:
            until = paused_until(self._deployments, now)
            if self._queue.give_up_on_429(self._rejected, until, now):
                self._note_given_up(now)
        self._serve()

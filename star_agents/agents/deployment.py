"""The deployments of one agent as the gate sees them: how each is doing, and what they have in common. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.agents.breaker import Breaker
from star_agents.agents.idle_first import IdleFirst
from star_agents.agents.limit import AdaptiveLimit
from star_agents.observe.status import DeploymentState


@dataclass(slots=True)
class Deployment:
    """One deployment at work."""

    name: str
    breaker: Breaker
    limit: AdaptiveLimit
    in_flight: int = 0
    last_error: str | None = None
    is_pause_told: bool = False
    """Told once for as long as the provider's 429s last, not once for each pause."""
    is_given_up: bool = False
    """Nobody starts its server again: who would wait for it does not."""

    def note(self, error: str | None) -> None:
        """Note what a call came to; why it is held counts more."""
        if not self.breaker.is_held:
            self.last_error = error

    def describe(self, now: float) -> DeploymentState:
        """How it is doing."""
        at = self.breaker.opens_at(now)
        return DeploymentState(
            name=self.name,
            breaker=self.breaker.state,
            limit=self.limit.limit,
            in_flight=self.in_flight,
            opens_in_s=at - now if at is not None and at > now else None,
            last_error=self.last_error,
            is_held=self.breaker.is_held,
        )


def paused_until(deployments: Sequence[Deployment], now: float) -> float:
    """Until when the provider has asked everybody to wait; ``now`` where a deployment that is up may be tried."""
    until = [one.breaker.opens_at(now) or now for one in deployments if one.breaker.state == "closed"]
    return max(now, min(until, default=now))


def reject_everybody(deployments: Sequence[Deployment]) -> bool:
    """Whether each of those that are up has answered so much with 429 that it was not chance."""
    up = [one.limit.is_exhausted for one in deployments if one.breaker.state == "closed"]
    return bool(up) and all(up)


def are_given_up(deployments: Sequence[Deployment]) -> bool:
    """Whether there is no sense in waiting for any of them."""
    return all(one.is_given_up for one in deployments)


def last_errors(deployments: Sequence[Deployment]) -> str:
    """What each failed with, for messages."""
    return "; ".join(f"{one.name}: {one.last_error}" if one.last_error else one.name for one in deployments)


class Room:
    """Which deployments are up and have room, and from when on time lets others take a call; kept by what ends."""

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        self._deployments = deployments
        self.free = IdleFirst(len(deployments))
        self.opens_at = math.inf
        """The first moment at which nothing but time frees one."""
        self._held: dict[int, float] = {}

    def refresh(self, index: int, now: float) -> None:
        """Note whether a deployment could take a call, and if only time can tell, when."""
        deployment = self._deployments[index]
        breaker = deployment.breaker
        if deployment.in_flight < deployment.limit.limit and breaker.allows(now):
            self.free.put(index, deployment.in_flight)
        else:
            self.free.remove(index)
        at = breaker.opens_at(now)
        if at is not None and at > now:
            self._held[index] = at
            self.opens_at = min(self._held.values())
        elif index in self._held:
            del self._held[index]
            self.opens_at = min(self._held.values(), default=math.inf)

    def release(self, now: float) -> None:
        """Free the deployments whose time has come."""
        if now >= self.opens_at:
            for index in [index for index, at in self._held.items() if at <= now]:
                self.refresh(index, now)

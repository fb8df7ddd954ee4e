"""The deployments of one agent as the gate sees them: how each is doing, and what they have in common. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.agents.breaker import Breaker
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
        )


def paused_until(deployments: Sequence[Deployment], now: float) -> float:
    """Until when the provider has asked everybody to wait; ``now`` where a deployment that is up may be tried."""
    until = [one.breaker.opens_at(now) or now for one in deployments if one.breaker.state == "closed"]
    return max(now, min(until, default=now))


def reject_everybody(deployments: Sequence[Deployment]) -> bool:
    """Whether each of those that are up has answered so much with 429 that it was not chance."""
    up = [one.limit.is_exhausted for one in deployments if one.breaker.state == "closed"]
    return bool(up) and all(up)


def last_errors(deployments: Sequence[Deployment]) -> str:
    """What each failed with, for messages."""
    return "; ".join(f"{one.name}: {one.last_error}" if one.last_error else one.name for one in deployments)

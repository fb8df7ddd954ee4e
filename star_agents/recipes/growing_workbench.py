"""What the bench of a recipe whose pools gain arms while it works offers beside every workbench."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from star_agents.recipes.protocol import Plain, Workbench
from star_agents.records import Earner, Standing


@runtime_checkable
class GrowingWorkbench(Workbench, Protocol):
    """The bench of one seed whose outcome may add arms to pools, or retire such."""

    async def once_by(self, step: str, pool: str, decide: Callable[[Mapping[str, Standing]], Plain]) -> Plain:
        """As ``once``, for a decision that goes by what the arms of a pool did so far. The decision is recorded.

        Args:
            step: Its name.
            pool: Whose arms ``decide`` is told of: by name, those that were drawn or earned.
            decide: Decides.
        """
        ...

    async def take_turn(self, due: Mapping[str, int]) -> str:
        """Which of some things this seed is to do, where each is to be done once each time that it is due; empty where
        others see to them. The turn is the seed's until it is done, however often it is worked.

        Args:
            due: By name, how many times that was due so far, from 1.
        """
        ...

    async def earners(self, pool: str, arms: Sequence[str], *, count: int, longest: int) -> list[Earner]:
        """The newest seeds that were worth something to arms which were drawn on their way; recorded.

        Args:
            pool: Its name.
            arms: Of it.
            count: The most seeds.
            longest: Characters that are told of what one asks.
        """
        ...

    def refused_arm(self, pool: str, arm: str, reason: str) -> None:
        """Count an arm that was proposed for a pool and is not added, by why; told where other failures are."""
        ...

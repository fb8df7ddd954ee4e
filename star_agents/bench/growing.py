"""The bench of a recipe whose pools gain arms while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from star_agents.bench.bench import Bench
from star_agents.bench.steps import own_step
from star_agents.recipes.protocol import Plain
from star_agents.records import Earner, Standing
from star_agents.text.redaction import redactor


class GrowingBench(Bench):
    """The workbench of one seed; see ``recipes.growing_workbench.GrowingWorkbench``."""

    async def once_by(self, step: str, pool: str, decide: Callable[[Mapping[str, Standing]], Plain]) -> Plain:
        """A decision by what the arms of a pool did so far, which a second run of the seed finds made."""

        async def made() -> Plain:
            return decide(await self._rooms.store.standings(self._named(pool)))

        return await self._recorded(self._own(step), made)

    async def take_turn(self, due: Mapping[str, int]) -> str:
        """Which of some things this seed is to do; empty for none."""
        names = {f"{self.stage.recipe.name}:{redactor.known(name)}": name for name in due}
        taken = await self._rooms.store.take_turn(self.seed.id, {named: due[name] for named, name in names.items()})
        return names.get(taken, "")

    async def earners(self, pool: str, arms: Sequence[str], *, count: int, longest: int) -> list[Earner]:
        """The newest seeds that were worth something to arms, as they were found the first time."""

        async def found() -> Plain:
            found = await self._rooms.store.earners(self._named(pool), arms, count=count, longest=longest)
            return [list(one) for one in found]

        recorded = await self._recorded(self._own(f"earners:{pool}"), found)
        return [Earner(*one) for one in recorded] if isinstance(recorded, list) else []

    def refused_arm(self, pool: str, arm: str, reason: str) -> None:
        """Count an arm that is not added."""
        self.tries.failed("pool", self._named(pool), arm, reason, f"{arm}: {reason}")

    def _named(self, pool: str) -> str:
        return f"{self.stage.recipe.name}.{pool}"

    def _own(self, step: str) -> str:
        return own_step(redactor.known(step), self.stage.recipe.pools)

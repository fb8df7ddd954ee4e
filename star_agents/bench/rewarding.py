"""The bench of a recipe whose judges may be reward models: they sit the same exam, and their rewards get a scale."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.agents.judging.exam import ExamResult, exam_result, general_exam
from star_agents.agents.judging.point_tests import with_appeals
from star_agents.arena.quantile_map import Measured, QuantileMap
from star_agents.bench.bench import Bench
from star_agents.bench.examining import EXAM, ExaminingBench, one_at_a_time
from star_agents.bench.measuring import note_measured
from star_agents.bench.steps import own_step
from star_agents.errors import Postponed
from star_agents.events import JudgeScaled
from star_agents.process.crash_points import crash_point
from star_agents.recipes.examining_workbench import Examined
from star_agents.records import REWARD_MODEL, Sample, is_reward_model
from star_agents.storage.scales import scale_key, scale_of
from star_agents.text.content_hash import digest


class RewardingBench(ExaminingBench):
    """The workbench of one seed; see ``recipes.examining_workbench.RewardingWorkbench``."""

    async def rewards(self, judge: str, samples: Sequence[Sample]) -> list[float | str]:
        """Of each sample what a reward model says, or why it says nothing; measured once for the seed."""
        name = f"rewards:{judge}:{digest([one.to_dict() for one in samples])[:32]}"
        kept = await self._rooms.store.find_step(self.seed.id, own_step(name, self.stage.recipe.pools))
        if kept is not None:
            note_measured(self.tries, judge, samples, kept["value"])
            return list(kept["value"])
        measured = await self._measured(samples, judge)
        rewards = [one if isinstance(one, str) else float(one["reward"]) for one in measured]
        return list(await self.once(name, lambda: rewards))  # type: ignore[arg-type]  # what was just recorded

    async def reward_examined(self, judge: str) -> Examined:
        """How a reward model does at the planted pairs; from the store, or after measuring them now."""
        exam = with_appeals(general_exam())

        async def sit() -> ExamResult:
            answers = [answer for pair in exam.pairs for answer in pair.samples()]
            said = iter(await Bench(EXAM, self.stage, self._rooms).measure(answers, by=judge))
            orders = [(value, value) for value in (_better(next(said), next(said)) for _ in exam.pairs)]
            model = judge.removeprefix(REWARD_MODEL)
            return exam_result(orders, judge, model, exam, prompt="", has_position=False)

        return await self._examined(f"point_exam:{digest([judge, exam.version])[:32]}", sit)

    async def scales(
        self, measured: Mapping[str, Sequence[Measured]], *, target: str | None, jury: Sequence[str], battles: int
    ) -> Mapping[str, QuantileMap]:
        """The map of each reward model of the jury; nothing before they are made, and for a seed that they are made of
        where others judge it as well. Raises Postponed."""
        models = [] if target is None else list(self._rooms.client.parameters(target)["models"])
        named = {"target": target or "", "models": models, "jury": list(jury), "battles": battles}
        key, store = scale_key(named), self._rooms.store
        is_alone = all(map(is_reward_model, jury))
        async with one_at_a_time(store, key):
            kept = await store.meta_get(key)
            record: dict[str, Any] = {**named, "seeds": {}, "maps": None} if kept is None else json.loads(kept)
            is_made_now = self._add(record, measured, is_alone=is_alone)
            if (changed := json.dumps(record)) != kept:
                await store.meta_set(key, changed)
                crash_point("battles_measured")
            if is_made_now:
                await self._tell_scales(record)
            if record["maps"] is None and is_alone:
                await store.put_off(self.seed.id)
                raise Postponed(f"seed {self.seed.id} waits until {battles} battles are measured")
            if record["maps"] is None or (self.seed.id in record["seeds"] and not is_alone):
                return {}
            return {judge: QuantileMap.from_dict(one) for judge, one in record["maps"].items()}

    def _add(self, record: dict[str, Any], measured: Mapping[str, Sequence[Measured]], *, is_alone: bool) -> bool:
        """Add the seed's battles unless they are there, or the maps are made; whether they can be made now, and are."""
        record["revision"] = self.revision  # Of those that are kept, the newest are in force.
        if record["maps"] is not None:
            return False
        seeds = record["seeds"]
        found = {judge: [list(one) for one in some] for judge, some in measured.items()}
        seeds.setdefault(self.seed.id, found)
        is_enough = _battles_in(seeds) >= record["battles"] or (is_alone and self._rooms.is_last_call)
        if is_enough:
            record["maps"] = {
                judge: _map_of(judge, seeds).to_dict() for judge in filter(is_reward_model, record["jury"])
            }
        return is_enough

    async def _tell_scales(self, record: Mapping[str, Any]) -> None:
        await self._rooms.store.call_back()
        for judge in record["maps"]:
            self._rooms.bus.publish(JudgeScaled(judge=judge, message=scale_of(record, judge).sentence))


def _better(better: Mapping[str, float | None], worse: Mapping[str, float | None]) -> float | None:
    """1: the better answer gets more; ``None``: one of them could not be measured."""
    one, other = better.get("reward"), worse.get("reward")
    return None if one is None or other is None else ((one > other) - (one < other) + 1) / 2


def _battles_in(seeds: Mapping[str, Mapping[str, Sequence[Any]]]) -> int:
    return sum(max(map(len, found.values()), default=0) for found in seeds.values())


def _map_of(judge: str, seeds: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]]) -> QuantileMap:
    return QuantileMap.of([Measured(*one) for found in seeds.values() for one in found.get(judge, ())])

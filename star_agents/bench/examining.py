"""The bench of a recipe whose judges give points: each sits an exam of that form first, once for all seeds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import anyio

from star_agents.agents.judging.exam import Exam, ExamPair, ExamResult, exam_result
from star_agents.agents.judging.point_tests import with_appeals
from star_agents.bench.bench import Bench
from star_agents.bench.exam_pairs import exam_pairs
from star_agents.errors import ReplyUnreadable
from star_agents.recipes.examining_workbench import Examined, GivePoints
from star_agents.records import Sample, Seed
from star_agents.storage.exams import point_exam_key
from star_agents.storage.store import Store
from star_agents.text.content_hash import digest

EXAM = Seed(id="exam", content=Sample(instruction="exam"))
"""Stands in the journal where calls of a seed have its id, as in the referees' exam."""
_locks: WeakKeyDictionary[Store, defaultdict[str, anyio.Lock]] = WeakKeyDictionary()
_noted: WeakKeyDictionary[Store, set[str]] = WeakKeyDictionary()


def one_at_a_time(store: Store, key: str) -> anyio.Lock:
    """Held by whoever makes a fact about a store, such as the result of an exam, however many seeds wait for it."""
    return _locks.setdefault(store, defaultdict(anyio.Lock))[key]


class ExaminingBench(Bench):
    """The workbench of one seed; see ``recipes.examining_workbench.ExaminingWorkbench``."""

    async def examined(
        self, judge: str, give_points: GivePoints, *, prompt: str, sampling: Mapping[str, Any]
    ) -> Examined:
        """How a judge did at its exam, from the store, or after sitting it now."""
        self._check_agents(judge)
        exam = with_appeals(exam_pairs(self._rooms.config, judge))
        parameters = self._rooms.client.parameters(judge, **sampling)
        key = f"point_exam:{digest([judge, parameters, prompt, exam.version])[:32]}"
        return await self._examined(key, lambda: self._sit(judge, parameters["models"][0], exam, give_points, prompt))

    async def _examined(self, key: str, sit: Callable[[], Awaitable[ExamResult]]) -> Examined:
        """From the store, or after sitting it."""
        async with one_at_a_time(self._rooms.store, key):
            kept = await self._rooms.store.meta_get(key)
            if kept is None:
                result = await sit()
                await self._rooms.store.meta_set(key, json.dumps(result.to_dict()))
                self._tell(result)
            else:
                result = ExamResult.from_dict(json.loads(kept))
        await self._note(result)
        needs = "" if result.passed else f"; {result.needs}"
        return Examined(passed=result.passed, told=f"{result}{needs}")

    async def _note(self, result: ExamResult) -> None:
        """Keep which result is in force under this config, for status and page; once in the life of a process."""
        key = point_exam_key(self.revision, self.stage.recipe.name, result.judge)
        noted = _noted.setdefault(self._rooms.store, set())
        if key not in noted:
            mode = getattr(self.stage.settings, "exam", "refuse")
            await self._rooms.store.meta_set(key, json.dumps({**result.described(), "mode": mode}))
            noted.add(key)

    async def _sit(self, judge: str, model: str, exam: Exam, give_points: GivePoints, prompt: str) -> ExamResult:
        """Every pair in both orders, side by side; raises AgentError once all have ended, if the judge fails."""
        bench = Bench(EXAM, self.stage, self._rooms)

        async def order(number: int, pair: ExamPair, *, is_ahead: bool) -> float | None:
            better, worse = pair.samples()
            shown = (better, worse) if is_ahead else (worse, better)
            # By the exam's bench: by that of a seed, another one that comes first after a kill would pay for it again.
            code = bench._nonce(f"point_exam:{exam.version}:{judge}:{number}:{is_ahead}")
            try:
                first, second = await give_points(bench, judge, *shown, code)
            except ReplyUnreadable:
                return None
            ahead = first - second if is_ahead else second - first
            return 1.0 if ahead > 0 else 0.0 if ahead < 0 else 0.5

        said: dict[int, dict[bool, float | None]] = defaultdict(dict)
        errors: list[Exception] = []

        async def sit(number: int, pair: ExamPair, is_ahead: bool) -> None:
            try:
                said[number][is_ahead] = await order(number, pair, is_ahead=is_ahead)
            except Exception as error:
                # Raised below, by itself. The others go on: their calls are in flight and will be paid for.
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for number, pair in enumerate(exam.pairs):
                for is_ahead in (True, False):
                    tasks.start_soon(sit, number, pair, is_ahead)
        if errors:
            raise errors[0]
        orders = [(said[number][True], said[number][False]) for number in range(len(exam.pairs))]
        return exam_result(orders, judge, model, exam, prompt)

    def _tell(self, result: ExamResult) -> None:
        message = f"{result}" if result.passed else f"{result}; {result.needs}"
        self._rooms.bus.publish(result.event(judges=result.passed, from_store=False, message=message))

"""The scorer as the rest of star_agents knows it: an async client whose callers share one process, or one per GPU.

Callers from many seeds come at once and take turns in requests of bounded size (``backlog.py``); an answer leaves with
its request and waits for nothing else. A caller that is cancelled leaves the request as it is and its answer is
dropped: nothing but a pump reads or writes a pipe.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
import numpy as np
import numpy.typing as npt
from anyio.abc import TaskGroup

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.observe.status import ScorerPlace, ScorerState
from star_agents.records import Sample, Score
from star_agents.scoring.backlog import CPU, GPU, MEASURE, SHARD, Backlog, Call, Item, Portion, Run, Work
from star_agents.scoring.facts import ScorerFacts
from star_agents.scoring.hangs import USUAL, Limits
from star_agents.scoring.places import Place, PlaceLost, Places, ThisMachine
from star_agents.scoring.process import WORKER, Sleep
from star_agents.scoring.scorers import check_names
from star_agents.scoring.supervisor import Poison, Supervisor

CALLS = 256
"""Calls that may wait for answers at once, to protect memory: beyond this, callers wait before samples are taken in."""
GPU_WINDOW = 0.01
"""Seconds that a GPU waits for more calls before it runs a request that is not full."""
TROUBLES = 20
"""Reasons for missing processes that are kept to be shown."""
NO_PLACE_S = 900.0
"""Seconds that calls wait for a machine once all are lost; then they fail."""
DIED_ON_THIS = "scorer process died on this sample"


class Scorer:
    """``async with Scorer(config) as scorer: scores = await scorer.score(samples)``.

    Args:
        config: The ``scoring`` section of agents.yaml.
        small, large: Which models the selection needs.
        embedder: ``small``, ``sentence-transformers:NAME``, or ``None``.
        scorers: Which of ``scoring.scorers`` are needed.
        resolve: Turns a model's name into a folder or Hugging Face name (``offline/small`` into where it lies).
        command: What to start as the worker process.
        workers: How many processes share the calls; ``None``: one per GPU, or one on the CPU.
        limits: How long a process is waited for before it counts as hung.
        tell: Hears, in a sentence each, of processes that died, hung or were stopped.
        sleep: Passes the time between two looks at a process.
        places: Where processes run, if not by ``command`` on this machine.

    Entering starts a process and loads the models; it raises ScorerError where that fails. Further processes load
    while the first one works already. A place that is lost costs nothing but time: what it was asked is asked
    elsewhere, and where no place is left, once there is one. A process that dies later, or hangs (``hangs``), is
    started again and its request sent again; a sample that kills it every time gets a reason, and the others lose
    nothing.
    """

    def __init__(
        self,
        config: ScoringConfig,
        *,
        small: bool = True,
        large: bool = True,
        embedder: str | None = None,
        scorers: Sequence[str] = (),
        resolve: Callable[[str], str] = lambda name: name,
        command: Sequence[str] = WORKER,
        workers: int | None = None,
        limits: Limits = USUAL,
        tell: Callable[[str], None] = lambda trouble: None,
        sleep: Sleep = anyio.sleep,
        places: Places | None = None,
    ) -> None:
        self._config = config
        self._small = small
        self._large = large
        self._embedder = embedder
        self._scorers = tuple(scorers)
        self._resolve = resolve
        self._places: Places = places or ThisMachine(command, workers)
        self._limits = limits
        self._tell = tell
        self._sleep = sleep
        self._tasks: TaskGroup | None = None
        self._supervisors: list[Supervisor] = []
        self._at: dict[Place, Supervisor] = {}
        self._facts: ScorerFacts | None = None
        self._open: bool | None = None
        self._unanswered: set[Call] = set()
        self._backlog = Backlog()
        self._room = anyio.Semaphore(CALLS)
        self._arrived = anyio.Event()
        self._answered = 0
        self._busy = 0.0
        self._moved = 0
        self._troubles: list[str] = []

    async def __aenter__(self) -> Self:
        load = self._load()  # Before anything is open: a name that means no model is a mistake of whoever wrote it.
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        try:
            places = list(await self._places.first())
            first = await self._first_of(places, load, self._tasks)
        except BaseException:
            await self._leave()
            raise
        self._open = True
        self._tasks.start_soon(self._pump, first)
        for place in (*places, *self._places.others(self._at[first].devices)):
            self._add(place, load, self._tasks)
        self._tasks.start_soon(self._join, load, self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        for call in self._unanswered:
            call.fail("the scorer was closed before it answered")
        await self._leave()

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """One score per sample, in order; where there is none, its reason. Raises ScorerError without models."""
        answers = await self._ask("score", [sample.to_dict() for sample in samples])
        poisoned = Score(reason=DIED_ON_THIS, formula=self._config.mode)
        return [poisoned if isinstance(answer, Poison) else Score.from_dict(answer) for answer in answers]

    async def measure(self, by: str, samples: Sequence[Sample]) -> list[dict[str, float] | str]:
        """By a scorer beside IFD: measures of each sample, in order, or why there are none. Raises ScorerError."""
        answers = await self._ask(f"{MEASURE}{by}", [sample.to_dict() for sample in samples])
        return [DIED_ON_THIS if isinstance(answer, Poison) else answer for answer in answers]

    async def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 [n, d], rows of length 1; a text that kills the process gets the zero vector, near to nothing."""
        answers = await self._ask("embed", list(texts))
        found = [None if isinstance(answer, Poison) else _vector(answer) for answer in answers]
        width = next((len(vector) for vector in found if vector is not None), 1)
        blank = np.zeros(width, dtype=np.float32)
        rows = [blank if vector is None else vector for vector in found]
        return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    async def shard(self, shard: dict[str, Any]) -> dict[str, Any] | str:
        """What became of a whole file that a process at one of the places reads and writes by itself; a text says why
        nothing did. Raises ScorerError without models."""
        (answer,) = await self._ask(SHARD, [shard])
        return f"the scorer process died on it each time: {answer}" if isinstance(answer, Poison) else answer

    def describe(self) -> ScorerFacts:
        """What a process has loaded. Raises ScorerError before the scorer is entered."""
        if self._facts is None:
            raise ScorerError("the scorer is not running: enter it first (`async with Scorer(...)`)")
        return self._facts

    def stats(self) -> ScorerState:
        """How it is doing, now and since it was entered."""
        usages = [supervisor.usage for supervisor in self._supervisors]
        tokens, rows = sum(usage.tokens for usage in usages), sum(usage.rows for usage in usages)
        oldest = self._backlog.oldest
        workers = len(self.pids)
        each = workers / self._busy if self._busy else 0.0
        return ScorerState(
            workers=workers,
            waiting=self._backlog.items,
            oldest_seconds=0.0 if oldest is None else time.monotonic() - oldest,
            answered=self._answered,
            tokens=tokens,
            busy_seconds=self._busy,
            pack_fill=tokens / rows if rows else 0.0,
            memory=sum(usage.memory for usage in usages),
            gpu_memory=sum(usage.gpu_memory for usage in usages),
            deaths=sum(supervisor.deaths for supervisor in self._supervisors),
            moved=self._moved,
            places=tuple(
                ScorerPlace(name=place.name, works=supervisor.pid is not None, tokens=supervisor.usage.tokens)
                for place, supervisor in self._at.items()
                if place.name
            ),
            troubles=tuple(self._troubles),
            answered_per_second=self._answered * each,
            tokens_per_second=tokens * each,
        )

    @property
    def pid(self) -> int | None:
        """Of the first worker process; ``None`` while there is none."""
        return self._supervisors[0].pid if self._supervisors else None

    @property
    def pids(self) -> list[int]:
        """Of all worker processes that run."""
        return [supervisor.pid for supervisor in self._supervisors if supervisor.pid is not None]

    async def _ask(self, work: Work, items: list[Item]) -> list[Any]:
        if not items:
            return []
        if self._open is None:
            raise ScorerError("the scorer is not running: enter it first (`async with Scorer(...)`)")
        async with self._room:
            if not self._open:
                raise ScorerError("the scorer is closed")
            call = Call(work, items, since=time.monotonic())
            self._unanswered.add(call)
            self._backlog.add(call)
            self._wake()
            try:
                return await call.wait()
            finally:
                self._unanswered.discard(call)
                self._backlog.drop(call)

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = anyio.Event()

    def _load(self) -> dict[str, Any]:
        """What every process is told to load. Raises what ``resolve`` raises for a name that it does not know."""
        small = [self._config.small] if self._small or self._embedder == "small" else []
        large = [self._config.large] if self._large else []
        check_names({name: self._config.scorers.get(name, "") for name in self._scorers})
        more = [self._config.scorers[name] for name in self._scorers]
        return {
            # Only what was set: what was left out is for the process to choose, which knows its device.
            "config": self._config.model_dump_json(exclude_unset=True),
            "paths": {name: self._resolve(name) for name in (*small, *large, *more)},
            "small": self._small,
            "large": self._large,
            "embedder": self._embedder,
            "scorers": list(self._scorers),
        }

    def _supervisor(self, place: Place, load: dict[str, Any], tasks: TaskGroup) -> Supervisor:
        supervisor = Supervisor(
            place.start,
            {**load, "worker": place.number},
            tasks,
            limits=self._limits,
            tell=self._tell,
            sleep=self._sleep,
        )
        self._supervisors.append(supervisor)
        self._at[place] = supervisor
        return supervisor

    async def _first_of(self, places: list[Place], load: dict[str, Any], tasks: TaskGroup) -> Place:
        """The first place where the models load, which is taken out of ``places`` with those before it, where they do
        not. Raises ScorerError where they load nowhere."""
        errors: list[str] = []
        while places:
            place = places.pop(0)
            supervisor = self._supervisor(place, load, tasks)
            try:
                await supervisor.start()
            except (ScorerError, PlaceLost) as error:
                errors.append(str(error))
                self._at.pop(place)
                continue
            self._facts = supervisor.facts
            self._note(*errors)
            return place
        raise ScorerError("; ".join(dict.fromkeys(errors)) or "there is no place for the scorer")

    def _add(self, place: Place, load: dict[str, Any], tasks: TaskGroup) -> None:
        self._supervisor(place, load, tasks)
        tasks.start_soon(self._pump, place)

    async def _join(self, load: dict[str, Any], tasks: TaskGroup) -> None:
        """Places that come later, as long as the scorer is open."""
        while True:
            for place in await self._places.more():
                self._add(place, load, tasks)

    def _note(self, *troubles: str) -> None:
        """Why a process is missing; the newest stay."""
        self._troubles = [*self._troubles, *troubles][-TROUBLES:]
        for trouble in troubles:
            self._tell(trouble)

    async def _pump(self, place: Place) -> None:
        """Serve the backlog at one place, as long as it is there."""
        supervisor = self._at[place]
        async with anyio.create_task_group() as tasks:

            async def until_gone() -> None:
                await place.gone.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_gone)
            try:
                await self._work(supervisor)
            except PlaceLost:
                place.gone.set()
            except ScorerError as error:  # another one is up already, or nobody would be here
                self._note(str(error))
            tasks.cancel_scope.cancel()
        await supervisor.stop()
        self._at.pop(place, None)
        if not self._at and self._tasks is not None:
            self._note(f"no place is left for the scorer: {self._backlog.items:,} items wait until there is one")
            self._tasks.start_soon(self._wait_for_a_place)

    async def _wait_for_a_place(self) -> None:
        """What waits for longer than anybody needs to start a machine is told so."""
        while not self._at:
            await self._sleep(NO_PLACE_S)
            for call in tuple(self._unanswered) if not self._at else ():
                call.fail(f"the scorer had no place to run at for {NO_PLACE_S:,.0f} s: all its nodes are lost")
                self._backlog.drop(call)

    async def _work(self, supervisor: Supervisor) -> None:
        """Raises ScorerError where the models cannot be loaded or do not fit to the others, PlaceLost."""
        await supervisor.start()
        facts = supervisor.facts
        assert facts is not None, "loaded"
        assert self._facts is not None, "the first one was"
        if differences := self._facts.differences(facts):
            raise ScorerError(f"a scorer process has other models than the first one: {'; '.join(differences)}")
        while True:
            while not self._backlog:
                await self._arrived.wait()
            if facts.is_on_gpu and not self._backlog.is_full(GPU) and not self._backlog.next_is(SHARD):
                await anyio.sleep(GPU_WINDOW)
            await self._serve(supervisor, GPU if facts.is_on_gpu else CPU)

    def _may_go_elsewhere(self, supervisor: Supervisor) -> bool:
        """Whether it failed to load its models again on a machine that is not this one, and there are others."""
        is_away = any(place.name for place, one in self._at.items() if one is supervisor)
        return is_away and supervisor.pid is None and len(self._at) > 1

    async def _serve(self, supervisor: Supervisor, portion: Portion) -> None:
        runs = self._backlog.take(portion)
        if not runs:
            return
        begin = time.monotonic()
        try:
            answers = await _answers(supervisor, runs)
        except ScorerError as error:
            if self._may_go_elsewhere(supervisor):
                self._give_back(runs)
                raise
            for run in runs:
                run.call.fail(str(error))
                self._backlog.drop(run.call)
            return
        except BaseException:  # The place is lost, or everything ends.
            self._give_back(runs)
            raise
        self._busy += time.monotonic() - begin
        self._answered += len(answers)
        done = 0
        for run in runs:
            run.call.answer(run.begin, answers[done : done + len(run.items)])
            done += len(run.items)

    def _give_back(self, runs: list[Run]) -> None:
        waited = [run for run in runs if run.call in self._unanswered]
        if waited and self._open:
            self._moved += sum(len(run.items) for run in waited)
            self._backlog.give_back(waited)
            self._wake()

    async def _leave(self) -> None:
        """End pumps and processes. What happened inside the ``async with`` passes by, not wrapped into a group."""
        assert self._tasks is not None, "entered"
        self._tasks.cancel_scope.cancel()
        for supervisor in self._supervisors:
            await supervisor.stop()
        await self._tasks.__aexit__(None, None, None)


def _vector(text: str) -> npt.NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


async def _answers(supervisor: Supervisor, runs: Sequence[Run]) -> list[Any]:
    items = [item for run in runs for item in run.items]
    work = runs[0].call.work
    what = "texts" if work == "embed" else "samples"
    return await supervisor.answers(items, lambda some: {"do": work, what: list(some)}, is_long=work == SHARD)

"""The scorer as the rest of star_agents knows it: an async client whose callers share one process.

Callers from many seeds come at once; whatever waits is drained into one batch, without a waiting window. A caller
that is cancelled leaves the batch as it is and its answer is dropped: nothing but the pump reads or writes the pipe.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import anyio
import numpy as np
import numpy.typing as npt
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from star_agents.config import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample, Score
from star_agents.scoring.facts import ScorerFacts
from star_agents.scoring.process import WORKER
from star_agents.scoring.supervisor import Item, Poison, Supervisor

WAITING_CALLS = 256
"""Calls in the queue. It protects memory: beyond this, callers wait instead of piling up their samples here."""
BATCH = 256
"""Items per request. It bounds what is computed again when the process dies, and how long a newcomer waits."""
DIED_ON_THIS = "scorer process died on this sample"

Work = Literal["score", "embed"]


@dataclass(eq=False, slots=True)
class _Call:
    """What one caller waits for."""

    work: Work
    items: list[Item]
    done: anyio.Event = field(default_factory=anyio.Event)
    answers: list[Any] = field(default_factory=list[Any])
    error: str = ""
    abandoned: bool = False

    async def wait(self) -> list[Any]:
        """The answers. Raises ScorerError."""
        try:
            await self.done.wait()
        except BaseException:
            self.abandoned = True
            raise
        if self.error:
            raise ScorerError(self.error)
        return self.answers

    def finish(self, answers: list[Any], error: str = "") -> None:
        """Wake the caller."""
        self.answers, self.error = answers, error
        self.done.set()


class Scorer:
    """``async with Scorer(config) as scorer: scores = await scorer.score(samples)``.

    Args:
        config: The ``scoring`` section of agents.yaml.
        small, large: Which models the selection needs.
        embedder: ``small``, ``sentence-transformers:NAME``, or ``None``.
        resolve: Turns a model's name into a folder or Hugging Face name (``offline/small`` into where it lies).
        command: What to start as the worker process.

    Entering starts the process and loads the models; it raises ScorerError where that fails. A process that dies
    later is started again and the batch sent again; a sample that kills it every time gets a reason, and the others
    lose nothing.
    """

    def __init__(
        self,
        config: ScoringConfig,
        *,
        small: bool = True,
        large: bool = True,
        embedder: str | None = None,
        resolve: Callable[[str], str] = lambda name: name,
        command: Sequence[str] = WORKER,
    ) -> None:
        self._config = config
        self._small = small
        self._large = large
        self._embedder = embedder
        self._resolve = resolve
        self._command = command
        self._tasks: TaskGroup | None = None
        self._supervisor: Supervisor | None = None
        self._calls: MemoryObjectSendStream[_Call] | None = None
        self._unanswered: set[_Call] = set()

    async def __aenter__(self) -> Self:
        load = self._load_request()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._supervisor = Supervisor(self._command, load, self._tasks)
        try:
            await self._supervisor.start()
        except BaseException:
            await self._leave()
            raise
        self._calls, queue = anyio.create_memory_object_stream[_Call](WAITING_CALLS)
        self._tasks.start_soon(self._pump, self._supervisor, queue)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for call in self._unanswered:
            call.finish([], "the scorer was closed before it answered")
        await self._leave()

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """One score per sample, in order; where there is none, its reason. Raises ScorerError without models."""
        answers = await self._ask("score", [sample.to_dict() for sample in samples])
        poisoned = Score(reason=DIED_ON_THIS, formula=self._config.mode)
        return [poisoned if isinstance(answer, Poison) else Score.from_dict(answer) for answer in answers]

    async def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 [n, d], rows of length 1; a text that kills the process gets the zero vector, near to nothing."""
        answers = await self._ask("embed", list(texts))
        found = [None if isinstance(answer, Poison) else _vector(answer) for answer in answers]
        width = next((len(vector) for vector in found if vector is not None), 1)
        blank = np.zeros(width, dtype=np.float32)
        rows = [blank if vector is None else vector for vector in found]
        return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    def describe(self) -> ScorerFacts:
        """What the process has loaded. Raises ScorerError before the scorer is entered."""
        if self._supervisor is None or self._supervisor.facts is None:
            raise ScorerError("the scorer is not running: enter it first (`async with Scorer(...)`)")
        return self._supervisor.facts

    @property
    def pid(self) -> int | None:
        """Of the worker process; ``None`` while there is none."""
        return self._supervisor.pid if self._supervisor else None

    async def _ask(self, work: Work, items: list[Item]) -> list[Any]:
        if not items:
            return []
        if self._calls is None:
            raise ScorerError("the scorer is not running: enter it first (`async with Scorer(...)`)")
        call = _Call(work, items)
        self._unanswered.add(call)
        try:
            await self._calls.send(call)
            return await call.wait()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise ScorerError("the scorer is closed") from error
        finally:
            self._unanswered.discard(call)

    def _load_request(self) -> dict[str, Any]:
        small = [self._config.small] if self._small or self._embedder == "small" else []
        large = [self._config.large] if self._large else []
        return {
            "config": self._config.model_dump_json(),
            "paths": {name: self._resolve(name) for name in (*small, *large)},
            "small": self._small,
            "large": self._large,
            "embedder": self._embedder,
        }

    async def _pump(self, supervisor: Supervisor, queue: MemoryObjectReceiveStream[_Call]) -> None:
        with queue:
            async for first in queue:
                calls = _drain(first, queue)
                for work in ("score", "embed"):
                    chosen = [call for call in calls if call.work == work and not call.abandoned]
                    if chosen:
                        await self._serve(supervisor, work, chosen)

    async def _serve(self, supervisor: Supervisor, work: Work, calls: Sequence[_Call]) -> None:
        items = [item for call in calls for item in call.items]
        try:
            answers: list[Any] = []
            for start in range(0, len(items), BATCH):
                answers += await _answers(supervisor, work, items[start : start + BATCH])
        except ScorerError as error:
            for call in calls:
                call.finish([], str(error))
            return
        remaining = iter(answers)
        for call in calls:
            call.finish([next(remaining) for _ in call.items])

    async def _leave(self) -> None:
        """End pump and process. What happened inside the ``async with`` passes by, not wrapped into a group."""
        assert self._tasks is not None, "entered"
        self._tasks.cancel_scope.cancel()
        if self._supervisor:
            await self._supervisor.stop()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            if self._calls is not None:
                self._calls.close()


def _drain(first: _Call, queue: MemoryObjectReceiveStream[_Call]) -> list[_Call]:
    """The call that arrived, and those that wait behind it, up to about one batch of items."""
    calls = [first]
    while sum(len(call.items) for call in calls) < BATCH:
        try:
            calls.append(queue.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            break
    return calls


def _vector(text: str) -> npt.NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


async def _answers(supervisor: Supervisor, work: Work, items: Sequence[Item]) -> list[Any]:
    if work == "score":
        return await supervisor.answers(items, lambda some: {"do": "score", "samples": list(some)})
    return await supervisor.answers(items, lambda some: {"do": "embed", "texts": list(some)})

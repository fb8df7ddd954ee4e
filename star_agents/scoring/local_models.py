"""Local models that answer, each in a process of its own, as the rest of star_agents knows them.

    async with LocalModels(config.scoring) as models:
        await models.load("./my-model")                       # or else at the first question
        (answer,) = await models.complete("./my-model", [Asked(messages=({"role": "user", "content": "Hi."},))])

What waits for a model while it answers is its next batch. A process that dies or hangs is started again and its batch
sent again; a conversation that kills it every time gets a reason, and the others lose nothing. A caller that is
cancelled leaves the batch as it is, and its answers are dropped.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.facts import ScorerFacts
from star_agents.scoring.hangs import USUAL, Limits
from star_agents.scoring.places import ThisMachine
from star_agents.scoring.process import Sleep
from star_agents.scoring.supervisor import Poison, Supervisor
from star_agents.text.model_names import names_a_folder

COMMAND = (sys.executable, "-m", "star_agents.scoring.generation_worker")
PROCESS = "local model's process"
TOGETHER = 32
"""Conversations in one request: what is computed again when the process dies."""
TRY_AGAIN_S = 60.0
"""A model that could not be loaded is not tried again for so long; what asks for it meanwhile is told the same."""


@dataclass(eq=False, slots=True)
class _Call:
    """What one caller waits for."""

    asked: Sequence[Asked]
    answers: list[Completed | str] = field(default_factory=list[Completed | str])
    error: str = ""
    is_over: anyio.Event = field(default_factory=anyio.Event)


class LocalModels:
    """Local models by name, each loaded once.

    Args:
        config: The ``scoring`` section of agents.yaml, whose ``device``, ``dtype``, ``threads`` and
            ``trust_remote_code`` hold for these models, too.
        resolve: Turns a model's name into a folder or Hugging Face name.
        tell: Hears, in a sentence each, of processes that died, hung or were stopped.
        command: What to start as a model's process.
        limits: How long a process is waited for before it counts as hung.
        sleep: Passes the time between two looks at a process.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        config: ScoringConfig,
        *,
        resolve: Callable[[str], str] = lambda name: name,
        tell: Callable[[str], None] = lambda trouble: None,
        command: Sequence[str] = COMMAND,
        limits: Limits = USUAL,
        sleep: Sleep = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._resolve = resolve
        self._tell = tell
        self._command = command
        self._limits = limits
        self._sleep = sleep
        self._clock = clock
        self._tasks: TaskGroup | None = None
        self._models: dict[str, _LocalModel] = {}

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._tasks is not None, "entered"
        with anyio.CancelScope(shield=True):
            for model in list(self._models):
                await self.close(model)
        tasks, self._tasks = self._tasks, None
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)

    async def load(self, model: str) -> ScorerFacts:
        """Load a model, unless it is. Raises ScorerError where it cannot be loaded."""
        found = self._of(model)
        await found.complete([])
        assert found.supervisor.facts is not None, "loaded"
        return found.supervisor.facts

    async def complete(self, model: str, asked: Sequence[Asked]) -> list[Completed | str]:
        """An answer to each, in order; a text says why there is none. Raises ScorerError where the model cannot be
        loaded."""
        return await self._of(model).complete(asked)

    async def close(self, model: str) -> None:
        """End a model's process and give its memory back; whoever waits for it gets a ScorerError. Asked again, it is
        loaded again. Nothing happens for one that is not loaded."""
        if (found := self._models.pop(model, None)) is not None:
            await found.end("the local model was closed before it answered")

    @property
    def pids(self) -> dict[str, int]:
        """Model to the id of its process, of those that run."""
        return {name: pid for name, one in self._models.items() if (pid := one.supervisor.pid) is not None}

    def _of(self, model: str) -> _LocalModel:
        if self._tasks is None:
            raise ScorerError("local models are not running: enter them first (`async with LocalModels(...)`)")
        if model not in self._models:
            path = self._resolve(model)
            if names_a_folder(path) and not Path(path).is_dir():
                raise ScorerError(f"local model {model}: there is no such folder: {Path(path).absolute()}")
            load = {
                # Only what was set: what was left out is for the process to choose, which knows its device.
                "config": self._config.model_dump_json(exclude_unset=True),
                "name": model,
                "path": path,
            }
            place = ThisMachine(self._command, 1).place(0)
            supervisor = Supervisor(
                place.start,
                load,
                self._tasks,
                limits=self._limits,
                tell=lambda trouble: self._tell(f"{model}: {trouble}"),
                sleep=self._sleep,
                what=PROCESS,
                weigh=_weight,
            )
            self._models[model] = _LocalModel(supervisor, self._clock)
            self._tasks.start_soon(self._models[model].serve)
        return self._models[model]


class _LocalModel:
    """One model: what waits for it, and who serves that."""

    def __init__(self, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self.supervisor = supervisor
        self._clock = clock
        self._scope = anyio.CancelScope()
        self._waiting: deque[_Call] = deque()
        self._in_hand: list[_Call] = []
        self._arrived = anyio.Event()
        self._failed = ""
        self._failed_at = 0.0

    async def complete(self, asked: Sequence[Asked]) -> list[Completed | str]:
        call = _Call(asked)
        self._waiting.append(call)
        self._arrived.set()
        try:
            await call.is_over.wait()
        finally:
            if call in self._waiting:
                self._waiting.remove(call)
        if call.error:
            raise ScorerError(call.error)
        return call.answers

    async def end(self, why: str) -> None:
        """Tell everybody who waits that no answer will come, and end the process."""
        self._scope.cancel()
        for call in (*self._in_hand, *self._waiting):
            call.error = why
            call.is_over.set()
        await self.supervisor.stop()

    async def serve(self) -> None:
        """Answer what comes, a batch after another, until the end."""
        with self._scope:
            await self._serve()

    async def _serve(self) -> None:
        while True:
            while not self._waiting:
                await self._arrived.wait()
                self._arrived = anyio.Event()
            self._in_hand = [self._waiting.popleft()]
            while self._waiting and sum(len(one.asked) for one in self._in_hand) < TOGETHER:
                self._in_hand.append(self._waiting.popleft())
            try:
                await self._answer(self._in_hand)
            except ScorerError as error:
                for call in self._in_hand:
                    call.error = str(error)
            for call in self._in_hand:
                call.is_over.set()
            self._in_hand = []

    async def _answer(self, calls: Sequence[_Call]) -> None:
        """Raises ScorerError where the model cannot be loaded."""
        if self._failed and self._clock() - self._failed_at < TRY_AGAIN_S:
            raise ScorerError(self._failed)
        try:
            await self.supervisor.start()
            asked = [one for call in calls for one in call.asked]
            found: list[Completed | str] = []
            for start in range(0, len(asked), TOGETHER):
                some = asked[start : start + TOGETHER]
                found += map(_read, await self.supervisor.answers(some, _request))
        except ScorerError as error:
            self._failed, self._failed_at = str(error), self._clock()
            raise
        self._failed = ""
        for call in calls:
            call.answers, found = found[: len(call.asked)], found[len(call.asked) :]


def _request(asked: Sequence[Any]) -> dict[str, Any]:
    return {"do": "complete", "asked": [one.to_dict() for one in asked]}


def _weight(asked: Any) -> int:
    found: int = asked.weight
    return found


def _read(answer: Any) -> Completed | str:
    if isinstance(answer, Poison):
        return f"the process of the model died on this conversation each time: {str(answer).splitlines()[0]}"
    return answer if isinstance(answer, str) else Completed.from_dict(answer)

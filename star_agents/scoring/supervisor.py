"""Keeps one scorer process alive and every batch answered, whatever dies on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from anyio.abc import TaskGroup

from star_agents.errors import ScorerError
from star_agents.scoring.backlog import Item
from star_agents.scoring.facts import ScorerFacts, Usage
from star_agents.scoring.process import WorkerDied, WorkerProcess

DEATHS = 3
"""Times that a process may die on one batch before the batch is split to find the sample that kills it."""


class Poison(Exception):
    """The process died on this one item whenever it was sent. Never leaves this room."""


class Supervisor:
    """Starts a scorer process, loads its models, and starts another one when it dies."""

    def __init__(self, command: Sequence[str], load: Mapping[str, Any], tasks: TaskGroup) -> None:
        self._command = command
        self._load = {**load, "do": "load"}
        self._tasks = tasks
        self._process: WorkerProcess | None = None
        self._past = Usage()
        self.facts: ScorerFacts | None = None
        """What the process has loaded; ``None`` before the first start."""
        self.devices = 1
        """How many processes like this one the machine has devices for."""

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process else None

    @property
    def usage(self) -> Usage:
        """Of the running process, and the tokens and rows of those before it."""
        now = self._process.usage if self._process else Usage()
        return replace(now, tokens=now.tokens + self._past.tokens, rows=now.rows + self._past.rows)

    async def start(self) -> WorkerProcess:
        """The running process with its models loaded. Raises ScorerError where they cannot be loaded."""
        if self._process is None:
            self._process = await WorkerProcess.start(self._command, self._tasks)
            try:
                loaded = await self._process.ask(self._load)
            except ScorerError:
                await self.stop()
                raise
            except WorkerDied as error:
                raise ScorerError(f"the scorer process died while loading its models: {await self.stop()}") from error
            self.facts, self.devices = ScorerFacts.from_dict(loaded), loaded["devices"]
        return self._process

    async def stop(self) -> str:
        """End the process and return how it ended; without one, nothing happens."""
        process, self._process = self._process, None
        if process:
            done = process.usage
            tokens, rows = self._past.tokens + done.tokens, self._past.rows + done.rows
            self._past = Usage(tokens=tokens, rows=rows)
        return await process.end() if process else ""

    async def ask(self, request: Mapping[str, Any], *, deaths: int) -> Any:
        """The answer to a request; the process may die ``deaths`` times over it. Raises ScorerError, WorkerDied."""
        for _ in range(deaths):
            process = await self.start()
            try:
                return await process.ask(request)
            except WorkerDied:
                last_words = await self.stop()
        raise WorkerDied(last_words)

    async def answers(
        self, items: Sequence[Item], request: Callable[[Sequence[Item]], Mapping[str, Any]], *, deaths: int = DEATHS
    ) -> list[Any]:
        """One answer per item, in order; a ``Poison`` in place of the answer to an item that kills the process.

        Raises ScorerError where the models cannot be loaded again.
        """
        try:
            found: list[Any] = await self.ask(request(items), deaths=deaths)
            return found
        except WorkerDied as death:
            if len(items) == 1:
                return [Poison(str(death))]
        middle = len(items) // 2
        halves = (items[:middle], items[middle:])
        found = []
        for half in halves:
            # One death is enough to split again; a single item gets a second try, as the first death may be chance.
            found += await self.answers(half, request, deaths=2 if len(half) == 1 else 1)
        return found

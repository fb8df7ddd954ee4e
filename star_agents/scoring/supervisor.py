"""Keeps one scorer process alive and every batch answered, whatever dies or hangs on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from star_agents.errors import ScorerError
from star_agents.scoring.backlog import estimate
from star_agents.scoring.facts import ScorerFacts, Usage
from star_agents.scoring.hangs import Limits, Pace, Watch
from star_agents.scoring.places import PlaceLost, Running, Start
from star_agents.scoring.process import SCORER, Sleep, WorkerDied

DEATHS = 3
"""Times that a process may die or hang on one batch before the batch is split to find the sample that kills it."""
LOADINGS = 2
"""Times that loading the models is tried where the process dies or hangs over it: one death may be chance."""


class Poison(Exception):
    """The process died on this one item whenever it was sent. Never leaves this room."""


class Supervisor:
    """Starts a scorer process, loads its models, and starts another one when it dies.

    Args:
        begin: Starts one.
        load: The request that loads its models.
        tasks: Hosts what listens to the process.
        limits: How long it is waited for.
        tell: Hears of its troubles, in a sentence each.
        sleep: Passes the time between two looks at it.
        clock: Monotonic seconds.
        what: Names the process in messages.
        weigh: About how many tokens an item takes.
    """

    def __init__(
        self,
        begin: Start,
        load: Mapping[str, Any],
        tasks: TaskGroup,
        *,
        limits: Limits,
        tell: Callable[[str], None],
        sleep: Sleep = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        what: str = SCORER,
        weigh: Callable[[Any], int] = estimate,
    ) -> None:
        self._begin = begin
        self._load = {**load, "do": "load"}
        self._tasks = tasks
        self._limits = limits
        self._tell = tell
        self._sleep = sleep
        self._clock = clock
        self._what = what
        self._weigh = weigh
        self._pace = Pace(limits)
        self._process: Running | None = None
        self._past = Usage()
        self.deaths = 0
        """Processes that died or hung so far, and were started again or given up."""
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

    async def start(self) -> Running:
        """The running process with its models loaded. Raises ScorerError where they cannot be loaded, PlaceLost."""
        if self._process is not None:
            return self._process
        for _ in range(LOADINGS):
            process = self._process = await self._begin(self._tasks, self._what)
            try:
                loaded = await self._ask(process, self._load, Watch.over_loading(self._limits))
            except (ScorerError, PlaceLost):
                await self.stop()
                raise
            except WorkerDied as death:
                told = await self._bury(death, "while it loaded its models")
                continue
            self.facts, self.devices = ScorerFacts.from_dict(loaded), loaded["devices"]
            return process
        raise ScorerError(f"the {self._what} died {LOADINGS} times while loading its models: {told}")

    async def stop(self) -> str:
        """End the process and return how it ended; without one, nothing happens."""
        process, self._process = self._process, None
        if process:
            done = process.usage
            tokens, rows = self._past.tokens + done.tokens, self._past.rows + done.rows
            self._past = Usage(tokens=tokens, rows=rows)
        return await process.end() if process else ""

    async def ask(self, request: Mapping[str, Any], *, tokens: int | None, deaths: int) -> Any:
        """The answer to a request of about so many tokens; the process may die or hang ``deaths`` times over it. Of one
        whose length nobody knows (``None``) only a process that shows no sign of life counts as hung.

        Raises ScorerError, WorkerDied, PlaceLost.
        """
        for _ in range(deaths):
            process = await self.start()
            is_on_gpu = self.facts is not None and self.facts.is_on_gpu
            if tokens is None:
                watch = Watch(self._limits, allowed_s=math.inf, lifeless_s=self._limits.lifeless_s)
            else:
                watch = Watch(self._limits, allowed_s=self._pace.allowed_s(tokens, is_on_gpu=is_on_gpu))
            began = self._clock()
            try:
                answer = await self._ask(process, request, watch)
            except WorkerDied as death:
                told = await self._bury(death, "at work")
                continue
            if tokens is not None:
                self._pace.measured(tokens, self._clock() - began)
            return answer
        raise WorkerDied(told)

    async def _ask(self, process: Running, request: Mapping[str, Any], watch: Watch) -> Any:
        return await process.ask(request, watch, tell=self._tell, sleep=self._sleep)

    async def _bury(self, death: WorkerDied, when: str) -> str:
        """End what is left of the process, count and tell its death; returns how it ended with its last words."""
        pid = self.pid
        ending = await self.stop()
        self.deaths += 1
        # How a process that hung was ended is our own doing.
        how, _, last_words = ending.partition("\n")
        told = "\n".join(filter(None, (str(death) or how, last_words)))
        self._tell(f"{self._what} {pid} is lost {when}: {told.splitlines()[0]}")
        return told

    def _weight(self, items: Sequence[Any]) -> int:
        """About how many tokens go through the models; what is longer than they read is cut."""
        models = [model for model in (self.facts.small, self.facts.large) if model] if self.facts else []
        longest = 2 * max((model.max_length for model in models), default=1 << 20)
        return sum(min(self._weigh(item), longest) for item in items)

    async def answers(
        self,
        items: Sequence[Any],
        request: Callable[[Sequence[Any]], Mapping[str, Any]],
        *,
        deaths: int = DEATHS,
        is_long: bool = False,
    ) -> list[Any]:
        """One answer per item, in order; a ``Poison`` in place of the answer to an item that kills the process.

        Raises ScorerError where the models cannot be loaded again, PlaceLost.
        """
        try:
            tokens = None if is_long else self._weight(items)
            found: list[Any] = await self.ask(request(items), tokens=tokens, deaths=deaths)
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

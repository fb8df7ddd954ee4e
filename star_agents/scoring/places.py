"""Where scorer processes run: on this machine, or wherever somebody lends a place.

A place is one device's worth of room. What runs there is started, watched, ended and started again from here
(``supervisor``); a place that is gone takes nothing with it: what it was asked is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup

from star_agents.scoring.facts import Usage
from star_agents.scoring.hangs import Watch
from star_agents.scoring.process import Sleep, WorkerProcess


class PlaceLost(Exception):
    """The place is gone, with whatever ran there. Never leaves the scorer."""


class Running(Protocol):
    """A scorer process, wherever it runs. One request at a time."""

    usage: Usage
    """As of the last answer."""

    @property
    def pid(self) -> int:
        """Process id, where it runs."""

    async def ask(
        self, request: Mapping[str, Any], watch: Watch, *, tell: Callable[[str], None], sleep: Sleep = anyio.sleep
    ) -> Any:
        """The result of a request. Raises ScorerError, ``WorkerDied`` where it died or hangs, and ``PlaceLost``."""

    async def end(self) -> str:
        """End the process, whatever it does; how it ended, with the last that it said."""


class Start(Protocol):
    """Starts a process."""

    async def __call__(self, tasks: TaskGroup, what: str, /) -> Running:
        """Start one; ``tasks`` hosts what listens to it, ``what`` names it in messages. Raises ScorerError, or
        ``PlaceLost``."""


@dataclass(eq=False, slots=True)
class Place:
    """Room for one process."""

    start: Start
    name: str = ""
    """For people, as of the machine; empty for this one."""
    number: int = 0
    """Among the places of this machine: which of its GPUs."""
    gone: anyio.Event = field(default_factory=anyio.Event)
    """Set once it is known to be gone."""


class Places(Protocol):
    """All the room there is."""

    async def first(self) -> Sequence[Place]:
        """What there is at the beginning. Raises ScorerError where there is nothing."""

    def others(self, devices: int) -> Sequence[Place]:
        """What shows only when the first process has loaded its models and tells how many ``devices`` it sees."""

    async def more(self) -> Sequence[Place]:
        """Wait until there is more, and say what; never returns where nothing will come."""


class ThisMachine:
    """A process for each GPU, or one on the CPU.

    Args:
        command: What to start.
        workers: How many processes; ``None``: as many as devices.
    """

    def __init__(self, command: Sequence[str], workers: int | None) -> None:
        self._command = command
        self._workers = workers

    async def first(self) -> Sequence[Place]:
        """The one that tells of the others."""
        return [self.place(0)]

    def others(self, devices: int) -> Sequence[Place]:
        """One for each further GPU."""
        return [self.place(number) for number in range(1, self._workers or devices)]

    async def more(self) -> Sequence[Place]:
        """Never."""
        await anyio.sleep_forever()
        return []

    def place(self, number: int) -> Place:
        """That of a process by its number."""

        async def start(tasks: TaskGroup, what: str, /) -> Running:
            return await WorkerProcess.start(self._command, tasks, what)

        return Place(start, number=number)

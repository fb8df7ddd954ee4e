"""A place of the scorer's whose process is the test's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup

from star_agents.engine.hosted_scorer import HostedScorer
from star_agents.errors import ScorerError
from star_agents.scoring.facts import Usage
from star_agents.scoring.hangs import Watch
from star_agents.scoring.places import Place, Running


class InThisProcess:
    """A place whose process is this one."""

    def __init__(self, hosted: HostedScorer) -> None:
        self.usage = Usage()
        self.pid = 0
        self._hosted = hosted

    async def ask(
        self, request: Mapping[str, Any], watch: Watch, *, tell: Callable[[str], None], sleep: Any = anyio.sleep
    ) -> Any:
        del watch, tell, sleep
        answer = json.loads(self._hosted.answer(json.dumps({"id": 1, **request}).encode()))
        if "error" in answer:
            raise ScorerError(answer["error"])
        return answer["result"]

    async def end(self) -> str:
        return ""


class OnePlace:
    """What a scorer takes for places: this process is the only one.

    Args:
        hosted: What is in it.
    """

    def __init__(self, hosted: HostedScorer) -> None:
        self._hosted = hosted

    async def first(self) -> Sequence[Place]:
        async def start(tasks: TaskGroup, what: str, /) -> Running:
            del tasks, what
            return InThisProcess(self._hosted)

        return [Place(start, name="here")]

    def others(self, devices: int) -> Sequence[Place]:
        del devices
        return []

    async def more(self) -> Sequence[Place]:
        await anyio.sleep_forever()
        return []


def real_models() -> OnePlace:
    """Models are loaded, with as many threads as this process was given. Torch is here already, which is what a process
    of the scorer's costs most: four seconds of CPU."""
    return OnePlace(HostedScorer(os.environ.get("OMP_NUM_THREADS")))

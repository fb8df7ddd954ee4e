"""A place of the scorer's whose process is the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from star_agents.engine.hosted_scorer import HostedScorer
from star_agents.errors import ScorerError
from star_agents.scoring.facts import Usage
from star_agents.scoring.hangs import Watch


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

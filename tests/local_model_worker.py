"""The process of a local model that needs no torch: ``python local_model_worker.py BOOK``, with the real protocol.

It answers with what it was asked, as JSON; it dies of the word POISON, and of the word ONCE the first time. Each
request is a line in BOOK: how many conversations it held.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.facts import ScorerFacts, Usage
from star_agents.scoring.generation_worker import work
from star_agents.scoring.worker import Worker, serve_pipes


class Echo:
    """Says what it was asked."""

    def __init__(self, book: Path) -> None:
        self._book = book

    def complete(self, asked: Sequence[Asked]) -> list[Completed | str]:
        text = json.dumps([one.to_dict() for one in asked])
        has_died = self._book.exists() and "ONCE" in self._book.read_text()
        with self._book.open("a") as book:
            book.write(f"{len(asked)}{' ONCE' if 'ONCE' in text else ''}\n")
        if "POISON" in text or ("ONCE" in text and not has_died):
            os.kill(os.getpid(), signal.SIGKILL)
        return [_answer(one) for one in asked]

    def facts(self) -> ScorerFacts:
        return ScorerFacts(mode="")

    def usage(self) -> Usage:
        return Usage()

    def devices(self) -> int:
        return 1


def _answer(asked: Asked) -> Completed | str:
    if asked.messages[-1]["content"] == "refuse":
        return "it reads no such thing"
    said = json.dumps(asked.to_dict())
    return Completed(text=said, finish_reason="length", prompt_tokens=3, completion_tokens=5)


if __name__ == "__main__":
    serve_pipes(Worker(lambda request: Echo(Path(sys.argv[1])), work))

"""The process of a local model: ``python -m star_agents.scoring.generation_worker``, with the worker's protocol.

{"do": "load", "config": {...}, "name": str, "path": str}   {"do": "complete", "asked": [...]}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from star_agents.config.sections import ScoringConfig
from star_agents.process.garbage_collection import no_garbage_collection
from star_agents.scoring.completions import Answers, Asked
from star_agents.scoring.worker import Request, Served, Worker, serve_pipes


class Answering(Served, Protocol):
    """What this worker serves: in earnest a ``Generation``."""

    def complete(self, asked: Sequence[Asked]) -> Answers:
        """An answer to each, in order, or why there is none."""


def load(request: Request) -> Answering:
    """Load the model of a ``load`` request. Raises ScorerError."""
    # Torch takes seconds to load, and the watch over stdin has to stand before that.
    with no_garbage_collection():
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        from star_agents.scoring import generation  # noqa: PLC0415

    quiet: Callable[[], None] = disable_progress_bar
    quiet()
    config = ScoringConfig.model_validate_json(request["config"])
    return generation.load(request["name"], request["path"], config)


def work(model: Answering, request: Request) -> list[Any]:
    """The result of a request, as plain data: of each conversation an answer, or why there is none."""
    found = model.complete([Asked.from_dict(one) for one in request["asked"]])
    return [one if isinstance(one, str) else one.to_dict() for one in found]


if __name__ == "__main__":
    serve_pipes(Worker(load, work))

"""What a person should know of a batch: rows left out and agents that are samples; at its end what was tolerated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from star_agents.config.models import Config
from star_agents.observe.status import FailureTold
from star_agents.storage.exams import ExamsInForce
from star_agents.storage.incoming.seed_files import SeedFile

SKIPPED_SHOWN = 10


def skipped_rows(file: SeedFile) -> Iterator[str]:
    """Rows that cannot be seeds, and what of the others no agent sees, a sentence each."""
    if len(file.problems) > SKIPPED_SHOWN:
        yield f"skipped: {len(file.problems):,} rows or instances, the first {SKIPPED_SHOWN}:"
    for problem in file.problems[:SKIPPED_SHOWN]:
        yield f"skipped: {problem}"
    for sentence in file.not_read:
        yield f"note: {sentence}"


def sample_agents(config: Config) -> str:
    """That the agents are those of the embedded default; empty where none is."""
    samples = [
        name for name, agent in config.agents.items() if any(d.model.startswith("offline/") for d in agent.endpoints)
    ]
    if not samples:
        return ""
    return (
        f"note: {len(samples)} of {len(config.agents)} agents are offline samples: small programs that show how "
        "the line works, not LLMs. Put your models into agents.yaml."
    )


def tolerated(failures: Iterable[FailureTold]) -> Iterator[str]:
    """What was tolerated, a sentence each, the most frequent first."""
    for one in sorted(failures, key=lambda one: -one.failures):
        yield f"tolerated: {one.sentence}"


def failed_judges(summary: Mapping[str, Any]) -> str:
    """That judges failed their exam and judged all the same; empty where none did."""
    exam = summary["referee"]["exam"]
    if not exam or not (stamp := ExamsInForce.from_dict(exam).stamp).startswith("warn"):
        return ""
    return f"what was judged better is the word of a judge that failed its exam ({stamp})"

"""Rows out of documents, made by the product's own line: agents, queue, store, feedback. Method.

Writer, referee and answerer are sample agents; the target of the arena is the very model that is trained, asked as an
agent on this machine (``transformers/PATH``).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import yaml

from star_agents.engine.batch import run_batch
from star_agents.engine.configuration import read_config
from star_agents.records import Document, Sample, Seed
from star_agents.storage.reader import StoreReader

SKILL = Path(__file__).with_name("facts_skill.yaml")
LONGEST = 64
"""Tokens of an answer; the longest right one with two demands has about 50."""
_TYPES, _EACH, _AT_ONCE = 2, 2, 8
"""Types of each document, instructions of each, and documents at once."""
ANSWERS = "tutor"
"""Who answers in every way: the target's only opponent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How rows are made."""

    name: str
    recipe: str
    feedback: bool = True


AGENT = Way(name="agent_instruct", recipe="agent_instruct")
ARENA = Way(name="arena_instruct", recipe="arena_instruct")
ARENA_OFF = Way(name="arena_instruct, feedback off", recipe="arena_instruct", feedback=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What came of a run."""

    rows: tuple[Sample, ...]
    """In the order in which their documents, or their instructions, were queued."""
    target_said: tuple[str, ...]
    """What the target answered in the place of each row's answer; empty where nobody fought."""
    asked: tuple[str, ...]
    """Every instruction that came to an answer, in that order."""
    calls: int
    """Answered calls, those of the judge's exam included."""


def make(way: Way, texts: Sequence[str], target: str, seed: int, folder: Path) -> Made:
    """Work documents in a folder; one that was worked whole is only read.

    Args:
        way: How.
        texts: Of the documents.
        target: Folder of the model that fights; without battles nobody asks it.
        seed: Of every draw.
        folder: Of agents.yaml and of the run; its name has to tell all of this.
    """
    if not (folder / "whole").is_file():
        shutil.rmtree(folder, ignore_errors=True)  # Half a run would have learned from another order.
        folder.mkdir(parents=True)
        anyio.run(_run, folder, way, [Seed.of(Document(text=one)) for one in texts], target, seed)
        (folder / "whole").touch()
    return _read(folder / "out")


async def _run(folder: Path, way: Way, seeds: Sequence[Seed], target: str, seed: int) -> None:
    path = folder / "agents.yaml"
    path.write_text(yaml.safe_dump(_config(way, target, seed)), encoding="utf-8")
    await run_batch(read_config(path), seeds, "documents", folder / "out", retry_dropped=False, console=None)


def _config(way: Way, target: str, seed: int) -> Mapping[str, Any]:
    agents: dict[str, Any] = {name: {"model": f"offline/{name}"} for name in ("coach", ANSWERS, "referee")}
    fights: dict[str, Any] = {}
    if way.recipe == "arena_instruct":
        agents["target"] = {"model": f"transformers/{Path(target).resolve()}", "temperature": 0, "max_tokens": LONGEST}
        fights = {"arena": {"target": "target", "opponents": [ANSWERS], "judges": ["referee"]}}
    return {
        "agents": agents,
        "recipe": way.recipe,
        "agent_instruct": {
            "writer": "coach",
            "answerer": ANSWERS,
            "skills": [str(SKILL)],
            "types_per_document": _TYPES,
            "instructions_per_document": _TYPES * _EACH,
            "refine": {"rounds": "auto"},
        },
        **fights,
        # The closed world has few words, so that most of its questions nearly repeat another one.
        "admission": {"duplicates": "off"},
        "documents": {"duplicates": "off"},
        "feedback": way.feedback,
        "concurrency": _AT_ONCE,
        "random_seed": seed,
    }


def _read(out: Path) -> Made:
    rows: list[Sample] = []
    said: list[str] = []
    asked: list[str] = []
    with StoreReader(out) as reader:
        for one in reader.results():
            rows += [Sample.from_dict(row.data["sample"]) for row in one.outcome.rows if row.shape == "sft"]
            if one.outcome.recipe == "arena":
                asked.append(one.seed.sample.instruction)
                target = next((trial.sample.response for trial in one.outcome.trials if trial.role == "target"), None)
                said += [target or "" for row in one.outcome.rows if row.shape == "sft"]
        calls = sum(agent.answered for agent in reader.agent_usage())
    asked = asked or [one.instruction for one in rows]
    return Made(rows=tuple(rows), target_said=tuple(said), asked=tuple(asked), calls=calls)

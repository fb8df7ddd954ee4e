"""The planted pool of the second world, the table of candidates that it writes, and the checker's word on each. World.

The numbers were written down before any candidate was scored, and were not changed after the first result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from proof.candidates import Candidates
from proof.second import tasks
from proof.second.families import FAMILIES
from proof.second.tasks import Kind, Task
from star_agents.records import KEEP, AgentPair, Sample

COACH = "coach"
"""Instruction agent that adds operations to a question."""
_ALL = frozenset(FAMILIES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """A response agent."""

    skill: float
    """Share of sound responses to questions of two operations, in ``strong``; to one of n it is skill to the power of
    n / 2, since each operation is one more that can go wrong."""
    strong: frozenset[str] = _ALL
    elsewhere: float = 0.0
    """The same in every other family."""
    sound: Kind = "shown"
    flaw: Kind = "slipped"


AGENTS: Mapping[str, Agent] = {
    "tracer": Agent(skill=0.85),
    "stacker": Agent(skill=0.95, strong=frozenset({"pile", "queue"}), elsewhere=0.4),
    "mover": Agent(skill=0.95, strong=frozenset({"row", "walk"}), elsewhere=0.4, flaw="skipped"),
    "clerk": Agent(skill=0.95, strong=frozenset({"line", "slots"}), elsewhere=0.4),
    "curt": Agent(skill=0.85, sound="bare", flaw="guessed"),
    "careful": Agent(skill=0.85, sound="checked", flaw="skipped"),
    "hurried": Agent(skill=0.45, flaw="skipped"),
    "muddled": Agent(skill=0.5, flaw="mismatched"),
    "parrot": Agent(skill=0.2, flaw="echoed"),
    "stuck": Agent(skill=0.35, flaw="stalled"),
    "stray": Agent(skill=0.3, flaw="strayed"),
    "hedger": Agent(skill=0.5, flaw="hedged"),
}
PAIRS: tuple[AgentPair, ...] = (
    *(AgentPair(instruction=KEEP, response=name) for name in AGENTS),
    *(AgentPair(instruction=COACH, response=name) for name in ("tracer", "stacker", "clerk")),
)
SEED_KINDS: Mapping[str, Mapping[Kind, int]] = {
    "plain": {"shown": 65, "slipped": 15, "skipped": 10, "mismatched": 5, "stalled": 5},
    "mixed": {"shown": 30, "bare": 20, "checked": 15, "slipped": 15, "skipped": 10, "mismatched": 5, "stalled": 5},
}
"""Percent of each kind of response that the seeds come with, 65 % sound in both."""


def generate(count: int, seed: int, style: str) -> Candidates:
    """Draw ``count`` different questions of the ``seed`` part, in turn from all families, and let every pair answer.

    One rewrite per seed serves every pair that shares it. ``style`` concerns the seeds' own responses alone.
    """
    rng, own = Random(f"second:{seed}"), Random(f"second:{seed}:seeds")
    names, kinds = tuple(FAMILIES), SEED_KINDS[style]
    rows: dict[str, tuple[Sample, ...]] = {}
    while len(rows) < count:
        task = tasks.draw(rng, names[len(rows) % len(names)], rng.choice(tasks.ORDINARY), "seed")
        if task.question not in rows:
            base = tasks.write(task, own.choices(tuple(kinds), tuple(kinds.values()))[0], own)
            rows[task.question] = (_sample(task, base), *_written(task, rng))
    shuffled = list(rows.values())
    rng.shuffle(shuffled)
    return Candidates(pairs=PAIRS, rows=tuple(shuffled))


def _written(task: Task, rng: Random) -> list[Sample]:
    asked = {KEEP: task, COACH: tasks.stretch(task, rng)}
    return [
        _sample(question := asked[pair.instruction], answer(AGENTS[pair.response], question, rng)) for pair in PAIRS
    ]


def answer(agent: Agent, task: Task, rng: Random) -> str:
    """What an agent writes."""
    skill = agent.skill if task.family in agent.strong else agent.elsewhere
    share = skill ** (len(task.operations) / 2)
    return tasks.write(task, agent.sound if rng.random() < share else agent.flaw, rng)


def _sample(task: Task, response: str) -> Sample:
    return Sample(instruction=task.question, response=response)


def usable(candidates: Candidates) -> NDArray[np.bool_]:
    """[seeds, 1 + pairs]: whether the response is right and complete for the question that it stands with."""
    return np.array([[tasks.check(one.instruction, one.response or "") for one in row] for row in candidates.rows])


def well_put(candidates: Candidates, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[seeds, 1 + pairs]: usable, with every step and nothing twice."""
    shown: NDArray[np.bool_] = np.array([[_is_shown(one.response or "") for one in row] for row in candidates.rows])
    return usable & shown


def _is_shown(response: str) -> bool:
    return tasks.STEP in response and " again " not in response


def operations(candidates: Candidates) -> NDArray[np.int64]:
    """[seeds, 1 + pairs]: operations of the question of each candidate."""
    found = [[tasks.read(one.instruction) for one in row] for row in candidates.rows]
    return np.array([[len(task.operations) if task else 0 for task in row] for row in found])

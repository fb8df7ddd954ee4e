"""Every candidate of every seed: what each pair of the pool wrote, and the seed's own response in front.

World writes them; from here on the method sees the texts alone. Column 0 is the base sample, column k pair k of ``pairs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from proof.pool import AGENTS, COACH, PAIRS, answer, seed_answer
from star_agents.offline import world
from star_agents.offline.families import FAMILIES
from star_agents.records import AgentPair, Sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The table that every arm chooses from."""

    pairs: tuple[AgentPair, ...]
    rows: tuple[tuple[Sample, ...], ...]
    """[seeds][1 + pairs]: base sample first."""


def generate(count: int, seed: int) -> Candidates:
    """Draw ``count`` different questions of the ``seed`` part, in turn from all families, and let every pair answer.

    One rewrite per (seed, instruction agent) serves every pair that shares it (design §4, Eq. 2).
    """
    rng, names = Random(f"proof:{seed}"), tuple(FAMILIES)
    rows: dict[str, tuple[Sample, ...]] = {}
    while len(rows) < count:
        task = world.draw(rng, names[len(rows) % len(names)], "seed")
        if task.question not in rows:
            rows[task.question] = _row(task, PAIRS, rng)
    shuffled = list(rows.values())
    rng.shuffle(shuffled)
    return Candidates(pairs=PAIRS, rows=tuple(shuffled))


def _row(task: world.Task, pairs: Sequence[AgentPair], rng: Random) -> tuple[Sample, ...]:
    tasks = {pair.instruction: task for pair in pairs} | {COACH: world.stretch(task, rng)}
    written = [_sample(tasks[pair.instruction], answer(AGENTS[pair.response], tasks[pair.instruction], rng)) for pair in pairs]
    return (_sample(task, seed_answer(task, rng)), *written)


def _sample(task: world.Task, response: str) -> Sample:
    return Sample(instruction=task.instruction, input=task.input, response=response)

"""Every candidate of every seed: what each pair of the pool wrote, and the seed's own response in front.

World writes them; from here on the method sees the texts alone. Column 0 is the base sample, column k the k-th pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from proof.pool import AGENTS, COACH, PAIRS, answer, seed_answer
from star_agents.offline import world
from star_agents.offline.families import FAMILIES
from star_agents.records import KEEP, AgentPair, Sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The table that every arm chooses from."""

    pairs: tuple[AgentPair, ...]
    rows: tuple[tuple[Sample, ...], ...]
    """[seeds][1 + pairs]: base sample first."""


def generate(count: int, seed: int, style: str = "plain") -> Candidates:
    """Draw ``count`` different questions of the ``seed`` part, in turn from all families, and let every pair answer.

    One rewrite per (seed, instruction agent) serves every pair that shares it (design §4, Eq. 2). ``style`` concerns
    the seeds' own responses alone: the candidates are the same for both.
    """
    rng, own, names = Random(f"proof:{seed}"), Random(f"proof:{seed}:seeds"), tuple(FAMILIES)
    rows: dict[str, tuple[Sample, ...]] = {}
    while len(rows) < count:
        task = world.draw(rng, names[len(rows) % len(names)], "seed")
        if task.question not in rows:
            rows[task.question] = (_sample(task, seed_answer(task, style, own)), *_written(task, rng))
    shuffled = list(rows.values())
    rng.shuffle(shuffled)
    return Candidates(pairs=PAIRS, rows=tuple(shuffled))


def _written(task: world.Task, rng: Random) -> list[Sample]:
    tasks = {KEEP: task, COACH: world.stretch(task, rng)}
    asked = [(AGENTS[pair.response], tasks[pair.instruction]) for pair in PAIRS]
    return [_sample(question, answer(agent, question, rng)) for agent, question in asked]


def _sample(task: world.Task, response: str) -> Sample:
    return Sample(instruction=task.instruction, input=task.input, response=response)

"""Data of an experiment in the closed world: plain seeds, the same kind of seeds evolved, and held-out questions.

Seeds come from the world's ``seed`` part and questions from its ``test`` part, so that nobody learns what is examined.
*Evolved* is said in the sense of Evol-Instruct: of each two tasks one is evolved in breadth, another task of any
family, and one in depth, a more demanding task of a family that has such (longer lists, more steps).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Literal

from star_agents.offline import world
from star_agents.offline.families import FAMILIES
from star_agents.offline.seeds import KINDS

Mix = Literal["plain", "half", "hard"]
"""Of a benchmark: plain questions, plain and more demanding ones in turn, or more demanding ones alone."""
_IS_HARD: Mapping[Mix, Callable[[int], bool]] = {
    "plain": lambda place: False,
    "half": lambda place: place % 2 == 1,
    "hard": lambda place: True,
}
_HARDER = tuple(name for name, family in FAMILIES.items() if family.stretch is not None)
"""Families that have more demanding tasks."""


def plain_rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Alpaca rows in turn from all families, no question twice, answered as well as the sample seeds."""
    rng = Random(f"plain {seed}")
    for task in _tasks(rng, count, "seed", "plain"):
        yield _row(task, rng)


def evolved_rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """The same, evolved in breadth and in depth in turn."""
    rng = Random(f"evolved {seed}")
    for task in _tasks(rng, count, "seed", "half"):
        yield _row(task, rng)


def questions(mix: Mix, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Held-out questions in FastChat's form; the category is the family."""
    for place, task in enumerate(_tasks(Random(f"questions {mix} {seed}"), count, "test", mix), start=1):
        yield {"question_id": place, "category": task.family, "turns": [task.question]}


def _tasks(rng: Random, count: int, part: world.Part, mix: Mix) -> Iterator[world.Task]:
    """So many different tasks of a part."""
    seen: set[str] = set()
    while len(seen) < count:
        place, is_hard = len(seen), _IS_HARD[mix](len(seen))
        families = _HARDER if is_hard else tuple(FAMILIES)
        task = world.draw(rng, families[(place // 2 if mix == "half" else place) % len(families)])
        task = world.stretch(task, rng) if is_hard else task
        if world.part_of(task.question) == part and task.question not in seen:
            seen.add(task.question)
            yield task


def _row(task: world.Task, rng: Random) -> dict[str, str]:
    kind = rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    return {"instruction": task.instruction, "input": task.input, "output": world.write(task, kind, rng)}

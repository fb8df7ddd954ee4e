"""The exam of sample agents, which see only the closed world: pairs made of it, as the general one is of plain English.

The sample referee errs 15 times in 100 by design, so that both orders are right for 72 pairs in 100, and it passes an
exam like this one about every second time; the others, right 65 times in 100, hardly ever do. It passes this one, the
first that was drawn, with 17 of 24. A program answers the same way each time, so it will always pass or fail.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from star_agents.offline import world
from star_agents.offline.families import FAMILIES
from star_agents.offline.world import Kind

VERSION = "world@1"
PAIRS = 24
_RANDOM_SEED = "exam:1:0"
_FLAWS: tuple[Kind, ...] = ("wrong", "off", "cut", "unanswered", "wrong_terse")


class WorldPair(NamedTuple):
    """A question of the world with a sound and an unsound response."""

    question: str
    better: str
    worse: str
    flaw: str


@cache
def pairs() -> tuple[WorldPair, ...]:
    """The pairs, the same ones each time, with each family and each way to fail in turn."""
    rng = Random(_RANDOM_SEED)
    families = tuple(FAMILIES)
    return tuple(
        _pair(world.draw(rng, families[number % len(families)]), _FLAWS[number % len(_FLAWS)], rng)
        for number in range(PAIRS)
    )


def _pair(task: world.Task, flaw: Kind, rng: Random) -> WorldPair:
    sound: Kind = rng.choice(("good", "terse"))
    return WorldPair(task.question, world.write(task, sound, rng), world.write(task, flaw, rng), flaw)

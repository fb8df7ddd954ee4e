"""The sample seeds: 300 rows of the closed world's ``seed`` part, with responses of ordinary quality.

About 70 % are good, 20 % wrong, 5 % cut short and 5 % off topic: the flaws that the line is there to mend.
``python -m star_agents.offline.seeds`` writes the file that ships, always the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from star_agents.offline import SEEDS_PATH, world
from star_agents.offline.families import FAMILIES

COUNT = 300
KINDS: dict[world.Kind, int] = {"good": 70, "wrong": 20, "cut": 5, "off": 5}
"""Percent of each kind of response."""


def rows(count: int = COUNT, seed: int = 0) -> list[dict[str, str]]:
    """Alpaca rows (``instruction``, ``input``, ``output``) in turn from all families, no question twice."""
    rng = Random(seed)
    names = tuple(FAMILIES)
    found: dict[str, dict[str, str]] = {}
    while len(found) < count:
        task = world.draw(rng, names[len(found) % len(names)], "seed")
        kind = rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
        row = {"instruction": task.instruction, "input": task.input, "output": world.write(task, kind, rng)}
        found.setdefault(task.question, row)
    shuffled = list(found.values())
    rng.shuffle(shuffled)
    return shuffled


def write(path: Path = SEEDS_PATH) -> None:
    """Write the rows as JSON Lines."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    write()

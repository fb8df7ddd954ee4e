"""Pairs of the closed world with the better answer planted: what `judge-health offline` holds a judge against.

A program has checked them, and no person: they show the command at work, and tell how the sample judge errs.
``python -m star_agents.offline.pairs`` writes the file that ships, always the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from star_agents.offline import PAIRS_PATH, world
from star_agents.offline.families import FAMILIES
from star_agents.offline.scoring import merit

COUNT = 120
KINDS: tuple[world.Kind, ...] = ("good", "padded", "terse", "cut", "wrong", "off")


def rows(count: int = COUNT, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as PandaLM has them, with one annotator: two ways to respond, the better one first as often as not; a pair
    in ten is a tie."""
    rng = Random(f"pairs:{seed}")
    names = tuple(FAMILIES)
    found = []
    for number in range(count):
        task = world.draw(rng, names[number % len(names)], "test")
        kinds: list[world.Kind] = rng.sample(KINDS, 2) if number % 10 else ["wrong", "wrong"]
        first, second = (world.write(task, kind, rng) for kind in kinds)
        ahead = merit(task.question, first) - merit(task.question, second)
        label = 0 if ahead == 0 else 1 if ahead > 0 else 2
        row = {"instruction": task.instruction, "input": task.input, "response1": first, "response2": second}
        found.append({**row, "annotator1": label})
    return found


def write(path: Path = PAIRS_PATH) -> None:
    """Write the rows as JSON Lines."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    write()

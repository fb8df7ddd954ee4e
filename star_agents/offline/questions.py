"""The sample benchmark: 40 questions of two turns of the closed world, which none of the sample seeds holds.

``python -m star_agents.offline.questions`` writes the file that ships, always the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from star_agents.offline import QUESTIONS_PATH, world
from star_agents.offline.families import FAMILIES

COUNT = 40
TURNS = 2


def rows(count: int = COUNT, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as FastChat has them, in turn from all families, each of whose turns asks something of one family."""
    rng = Random(f"questions:{seed}")
    names = tuple(FAMILIES)
    found: list[dict[str, Any]] = []
    asked: set[str] = set()
    while len(found) < count:
        family = names[len(found) % len(names)]
        turns = [world.draw(rng, family, "test").question for _ in range(TURNS)]
        if asked.isdisjoint(turns) and len(set(turns)) == TURNS:
            asked.update(turns)
            found.append({"question_id": len(found) + 1, "category": family, "turns": turns})
    return found


def write(path: Path = QUESTIONS_PATH) -> None:
    """Write the rows as JSON Lines."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    write()

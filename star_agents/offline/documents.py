"""The sample documents: 60 short texts of the closed world that state some facts, between sentences that state none.

``python -m star_agents.offline.documents`` writes the file that ships, always the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from star_agents.offline import DOCUMENTS_PATH
from star_agents.offline.facts import draw_facts
from star_agents.offline.words import FILLERS

COUNT = 60


def rows(count: int = COUNT, seed: int = 0) -> list[dict[str, str]]:
    """Rows with ``title`` and ``document``."""
    rng = Random(seed)
    return [_row(number, rng) for number in range(1, count + 1)]


def _row(number: int, rng: Random) -> dict[str, str]:
    told = draw_facts(rng)
    for filler in rng.sample(FILLERS, 2):
        told.insert(rng.randrange(len(told) + 1), filler)
    return {"title": f"note {number}", "document": " ".join(told)}


def write(path: Path = DOCUMENTS_PATH) -> None:
    """Write the rows as JSON Lines."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows()), encoding="utf-8")


if __name__ == "__main__":
    write()

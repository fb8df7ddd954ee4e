"""Kills take minutes, and a machine that others use ends them early: portions of them are kept in a file and add up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path


def added_up(file: Path | None, part: str, found: Mapping[str, int]) -> Mapping[str, int]:
    """What was counted, with what earlier portions of the same part counted; ``None``: this one is all there is.

    Each line of the file is a portion. Every count is a number of times, so that sums mean something.
    """
    if file is None:
        return found
    with file.open("a") as handle:
        handle.write(json.dumps({"part": part, **found}) + "\n")
    total: Counter[str] = Counter()
    for line in file.read_text().splitlines():
        portion = json.loads(line)
        if portion.pop("part") == part:
            total.update(portion)
    return dict(total)

"""Which part of a split a seed belongs to: by its id alone, so that the rows of one seed never stand in two parts, and
more seeds move none of the earlier ones."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from star_agents.errors import UsageError

REST = "test"
_PART = re.compile(r"([A-Za-z0-9_]{1,32})=([0-9.eE+-]{1,16})")
_HOW = "write name=share, such as train=0.95, or several that add up to 1, such as train=0.9,valid=0.05,test=0.05"


@dataclass(frozen=True)
class Split:
    """Parts by name, with their shares."""

    shares: Mapping[str, float]
    seed: int = 0
    """Another number divides otherwise."""
    what: str = ""
    """Splits of different things are independent: a part of the one holds its share of each part of the other."""

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Self:
        """Read ``train=0.95`` (what is left is called ``test``) or ``train=0.9,test=0.1``. Raises UsageError."""
        shares: dict[str, float] = {}
        for part in text.split(","):
            name, share = _read_part(part.strip(), text)
            if name in shares:
                raise UsageError(f"--split {text}: {name} stands there twice; {_HOW}")
            shares[name] = share
        total = math.fsum(shares.values())
        if len(shares) == 1 and total < 1 and REST not in shares:
            shares[REST] = 1 - total
        elif abs(total - 1) > 1e-9:
            raise UsageError(f"--split {text}: the shares add up to {total:g}; {_HOW}")
        return cls(shares, seed)

    def part_of(self, seed_id: str) -> str:
        """The name of a seed's part."""
        digest = hashlib.sha256(f"{self.what}{self.seed}:{seed_id}".encode()).digest()
        place, reached = int.from_bytes(digest[:8]) / 2**64, 0.0
        for name, share in self.shares.items():
            reached += share
            if place < reached:
                return name
        return next(reversed([*self.shares]))

    def path_of(self, name: str, path: Path) -> Path:
        """``rows.jsonl`` is ``rows-train.jsonl`` for ``train``: `datasets` reads a part's name out of such a name."""
        return path.with_name(f"{path.stem}-{name}{path.suffix}")


def _read_part(part: str, text: str) -> tuple[str, float]:
    found = _PART.fullmatch(part)
    try:
        share = float(found[2]) if found else math.nan
    except ValueError:
        share = math.nan
    if not found or not 0 < share <= 1:
        raise UsageError(f"--split {text}: {part!r} is no part; {_HOW}")
    return found[1], share

"""What a benchmark asks, and what of it stands in a row of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

PartKind = Literal["question", "follow-up", "answer"]
"""``follow-up``: a later turn of the user, which says less by itself than a question does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkItem:
    """One item of a benchmark: what is asked, and the answer to it where the file has one."""

    benchmark: str
    """Name of the file, for people."""
    id: str
    """As the file names it."""
    where: str
    """``question.jsonl:12``."""
    parts: tuple[tuple[PartKind, str], ...]
    """Each is looked for by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contamination:
    """That one row holds one part of an item, and the evidence of it."""

    benchmark: str
    item: str
    """Id of the item."""
    where: str
    """File and line of the item."""
    part: PartKind
    coverage: float
    """Share of the part's own words that stand in the row, 0 to 1."""
    matched: str
    """The longest run of them as it stands in the row, normalised and cut."""

    @property
    def told(self) -> str:
        """In words, for people."""
        return (
            f'{self.coverage:.0%} of the {self.part} of {self.benchmark} {self.item} ({self.where}): "{self.matched}"'
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**data)

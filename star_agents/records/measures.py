"""What a recipe says of itself that a store keeps: what it takes, and what it measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from star_agents.limits.numbers import MOST_MEASURED
from star_agents.records.seeds import SeedKind

Better = Literal["high", "low", ""]


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that a recipe measures of its trials; page, metrics, status and report show it by this.

    Raises:
        ValueError: the range is none.
    """

    name: str
    low: float = 0.0
    """Where the distribution that is shown begins; what lies below counts in its first bin."""
    high: float = 1.0
    """Where it ends; what lies above counts in its last bin."""
    better: Better = "high"
    """Which way is better; empty where neither is."""
    what: str = ""
    """In a few words, for people."""
    by_label: bool = False
    """Whether it is counted by the seeds' labels, too: by the arms that were drawn for their parents, and by what
    stands in their columns."""

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if not all(math.isfinite(end) and abs(end) <= MOST_MEASURED for end in ends) or self.low >= self.high:
            raise ValueError(f"measure {self.name!r} ranges from {self.low} to {self.high}; give it low < high")
        if self.better not in ("high", "low", ""):
            raise ValueError(f"measure {self.name!r}: better is {self.better!r}; there are: 'high', 'low', ''")


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """One recipe of a chain, as far as a reader of numbers has to know it."""

    recipe: str
    takes: tuple[SeedKind, ...] = ()
    measures: tuple[Measure, ...] = ()

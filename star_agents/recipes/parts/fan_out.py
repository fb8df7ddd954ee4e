"""How many instructions one document is asked for, so that refined ones come within the bound, too. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Keep = Literal["add", "replace"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FanOut:
    """What one document is asked for."""

    types: int
    """Types that are drawn."""
    written: int
    """Instructions that are written before any is refined."""
    most: int
    """Instructions in the end."""
    suggestions: int
    """Ways in which each is refined in each round."""

    def shares(self, types: int) -> list[int]:
        """How many each of so many types is asked for, the first ones one more."""
        return [self.written // types + (place < self.written % types) for place in range(types)]


def fan_out(*, most: int, types: int, rounds: int, suggestions: int, keep: Keep) -> FanOut:
    """The fan-out of one document.

    Args:
        most: Instructions in the end.
        types: Types, as far as each has an instruction to write.
        rounds: Of refinement; 0: none.
        suggestions: In each round, of each instruction that the round before it made.
        keep: Whether refined ones are added to those that they were made of, or replace them.
    """
    suggestions = min(suggestions, most if keep == "replace" else max(1, most - 1))
    grown = [suggestions**number for number in range(rounds + 1)]
    of_each = sum(grown) if keep == "add" else grown[-1]
    written = math.ceil(most / of_each)
    return FanOut(types=min(types, written), written=written, most=most, suggestions=suggestions)

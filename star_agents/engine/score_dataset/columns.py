"""The columns that scoring adds to a row."""

from __future__ import annotations

from typing import TypedDict

from star_agents.records import Score

COLUMNS = ("ifd_small", "ifd_large", "gap", "reason", "ifd_formula")
"""What is added to every row."""


class ScoreColumns(TypedDict):
    """Their values in one row."""

    ifd_small: float | None
    """IFD by the small model; ``None`` together with ``reason``."""
    ifd_large: float | None
    gap: float | None
    """``ifd_small - ifd_large``."""
    reason: str
    """Why there is no score; empty where there is one."""
    ifd_formula: str
    """Which IFD it is, such as ``score_eos``."""


def columns_of(score: Score) -> ScoreColumns:
    """The columns of one score."""
    return {
        "ifd_small": score.ifd_small,
        "ifd_large": score.ifd_large,
        "gap": score.gap,
        "reason": score.reason,
        "ifd_formula": score.formula,
    }

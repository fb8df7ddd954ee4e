"""Money and time as people read them, the same on every screen. What nobody knows is "unknown", and never 0. Pure."""

from __future__ import annotations


def usd(value: float | None) -> str:
    """US dollars; ``None``: nobody knows."""
    return "unknown" if value is None else f"${value:,.4f}"


def usd_sum(value: float | None, unknown: int, of: str = "call") -> str:
    """A sum of what is known, and how many ``unknown`` prices belong to it."""
    if value is None or not unknown:
        return usd(value)
    return f"{usd(value)} and {unknown:,} {of}{'' if unknown == 1 else 's'} of unknown price"


def usd_each(value: float | None, unknown: int = 0) -> str:
    """US dollars for one of something, with the digits that a small price needs; ``-`` where there is none yet.

    Args:
        value: ``None``: there is none of them yet, or nothing is known.
        unknown: How many unknown prices belong to it.
    """
    if value is None:
        return "unknown" if unknown else "-"
    if value >= 100:
        return f"${value:,.2f}"
    return f"${value:,.4f}" if value >= 0.01 or not value else f"${value:.2g}"


def size(count: int) -> str:
    """So many bytes, in the unit that a person would say."""
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """A time in the unit that a person would say."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""Which half an instruction belongs to: fixed by its text, before anything was looked at. Pure."""

from __future__ import annotations

from typing import Literal

from star_agents.text.content_hash import digest

Half = Literal["exploration", "confirmation"]
HALVES: tuple[Half, Half] = ("exploration", "confirmation")


def half_of(instruction: str, salt: str = "") -> Half:
    """By a bit of the hash; ``salt`` gives another split of the same texts."""
    return HALVES[int(digest(f"realtext:{salt}:{instruction}")[:8], 16) % 2]

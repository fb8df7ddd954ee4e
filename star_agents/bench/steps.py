"""What decisions of a bench are recorded under: draws of pools and a recipe's own decisions never share a name. Pure.

Older releases did not tell them apart, so a draw keeps the name that it had, and so does whatever a
recipe decides under a name that no draw of its pools can have.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_DRAW = re.compile(r"draw:(.*):\d+", re.DOTALL)


def draw_step(pool: str, number: int) -> str:
    """The name of a draw, the first one being 0."""
    return f"once:draw:{pool}:{number}"


def own_step(step: str, pools: Collection[str]) -> str:
    """The name of a decision that a recipe with these pools calls ``step``."""
    found = _DRAW.fullmatch(step)
    return f"own:{step}" if found is not None and found[1] in pools else f"once:{step}"

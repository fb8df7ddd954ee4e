"""The arithmetic at the end of Eq. 4: from mean losses to IFD. Pure, no torch. (Eq. 5 is the recipe's.)"""

from __future__ import annotations

import math

from star_agents.config.sections import ScoreMode
from star_agents.scoring.encoding import Reason


def ifd(mode: ScoreMode, conditional: float, alone: float) -> float | Reason:
    """IFD of one response from its two mean NLLs, in nats per token (Eq. 4).

    A ratio of perplexities, computed as exp(conditional - alone): the ratio of the two exps would overflow where their
    quotient does not. ``cherry`` alone is a ratio of the losses themselves. What is not a finite number becomes a
    reason.
    """
    try:
        value = conditional / alone if mode == "cherry" else math.exp(conditional - alone)
    except (OverflowError, ZeroDivisionError):
        value = math.nan
    if all(map(math.isfinite, (conditional, alone, value))):  # exp(-inf) is a harmless-looking 0
        return value
    return Reason(f"not a finite number: mean NLL {conditional:.6g} given the instruction, {alone:.6g} alone")

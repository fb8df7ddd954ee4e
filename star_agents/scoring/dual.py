"""The arithmetic at the end of Eq. 4, and Eq. 5: from mean losses to IFD, from gaps to π_dual. Pure, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from star_agents.config import ScoreMode
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


def pi_dual(gaps: Sequence[float | None]) -> list[float]:
    """π_dual of the candidates of *one* seed from their gaps IFD_small - IFD_large (Eq. 5), each in [0, 1].

    The gap over the largest gap. A gap ≤ 0, or none at all (``None``), gets 0. The paper is silent on a seed without
    any positive gap: every π_dual is 0 then, because a division by a negative maximum would turn the ranking upside
    down.
    """
    best = max((gap for gap in gaps if gap is not None), default=0.0)
    if not best > 0:
        return [0.0] * len(gaps)
    return [gap / best if gap is not None and gap > 0 else 0.0 for gap in gaps]

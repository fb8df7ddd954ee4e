"""What may be said of a response from its losses under two models. Pure; larger is taken for better in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proof.realtext.losses import Losses
from star_agents.config.sections import ScoreMode

Values = NDArray[np.float64]
MODES: tuple[ScoreMode, ...] = ("perplexity_ratio", "score_eos")


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Losses of one model in one mode, [samples] each."""

    given: Values
    """Sum over tokens, in nats."""
    alone: Values
    tokens: Values

    @property
    def ifd(self) -> Values:
        """Eq. 4."""
        found: Values = np.exp((self.given - self.alone) / self.tokens)
        return found


def view(losses: Losses, mode: ScoreMode) -> View:
    """With the end of the response or without it."""
    if mode == "perplexity_ratio":
        return View(given=losses.given, alone=losses.alone, tokens=losses.tokens)
    return View(
        given=losses.given + losses.given_end,
        alone=losses.alone + losses.alone_end,
        tokens=losses.tokens + losses.ends,
    )


Measure = Callable[[View, View], Values]
"""Of the small model and the large one."""
GAP, LOG_RATIO, LENGTH = "gap", "total log-ratio", "length"
MEASURES: Mapping[str, Measure] = {
    GAP: lambda small, large: small.ifd - large.ifd,
    "gap, relative (π_dual)": lambda small, large: (small.ifd - large.ifd) / np.maximum(small.ifd, large.ifd),
    "IFD of the small model": lambda small, large: small.ifd,
    "IFD of the large model": lambda small, large: large.ifd,
    LENGTH: lambda small, large: large.tokens,
    "log-likelihood per token, large": lambda small, large: -large.given / large.tokens,
    "log-likelihood, large": lambda small, large: -large.given,
    LOG_RATIO: lambda small, large: small.given - large.given,
    "log-ratio per token": lambda small, large: (small.given - large.given) / large.tokens,
    "what the instruction tells, large": lambda small, large: large.alone - large.given,
    "what it tells large, not small": lambda small, large: (large.alone - large.given) - (small.alone - small.given),
}
"""*Total log-ratio* is log P_large(R | I) - log P_small(R | I). *What the instruction tells* is log P(R | I) less
log P(R), in nats of the whole response; what it tells the large model and not the small one is the gap's idea, as a
sum."""


def all_measures(small: Losses, large: Losses) -> dict[tuple[str, ScoreMode], Values]:
    """[samples] of every measure in either mode."""
    views = {mode: (view(small, mode), view(large, mode)) for mode in MODES}
    with np.errstate(over="ignore", invalid="ignore"):
        return {(name, mode): one(*views[mode]) for name, one in MEASURES.items() for mode in MODES}

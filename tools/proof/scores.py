"""IFD of every candidate by the product's own scorer. Method: sees texts and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from star_agents.config import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring.dual_model import DualModel

Rows = Sequence[Sequence[Sample]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """[seeds, 1 + pairs], float64; NaN where a candidate has no score."""

    small: NDArray[np.float64]
    large: NDArray[np.float64]

    @property
    def gap(self) -> NDArray[np.float64]:
        """IFD_small - IFD_large."""
        return self.small - self.large


def score(rows: Rows, config: ScoringConfig, resolve: Callable[[str], str]) -> Scores:
    """Score each different sample once."""
    dual = DualModel.load(config, resolve=resolve)
    samples = list(dict.fromkeys(sample for row in rows for sample in row))
    found = dict(zip(samples, dual.score(samples), strict=True))

    def table(role: str) -> NDArray[np.float64]:
        values = [[getattr(found[sample], f"ifd_{role}") for sample in row] for row in rows]
        return np.array(values, dtype=np.float64)  # None becomes NaN

    return Scores(small=table("small"), large=table("large"))

"""IFD of every candidate by the product's own scorer. Method: sees texts and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proof.kept import ask_once
from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring.dual_model import DualModel
from star_agents.text.content_hash import digest

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


def score(rows: Rows, config: ScoringConfig, resolve: Callable[[str], str], file: Path) -> Scores:
    """Score each different sample once, and keep the scores in ``file``."""
    dual = DualModel.load(config, resolve=resolve)

    def ask(samples: Sequence[Sample]) -> list[object]:
        return [[one.ifd_small, one.ifd_large] for one in dual.score(samples)]

    samples = [sample for row in rows for sample in row]
    pairs: Any = ask_once(file, samples, lambda sample: digest(sample.to_dict())[:32], ask)
    table = np.array(pairs, dtype=np.float64).reshape(len(rows), -1, 2)  # None becomes NaN
    return Scores(small=table[..., 0], large=table[..., 1])

"""The candidate table with scores, verdicts and, kept apart, the truth; worked out once and kept in the output folder."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proof import answers, planted, scores, truth
from proof.candidates import Candidates, generate
from proof.scores import Scores
from star_agents.config import ScoringConfig
from star_agents.offline import resolve_model

REFEREES = ("answers", "planted")
"""The large model's own answer, without truth; and 70 in 100 right in each order, blind to style."""
PLANTED_ACCURACY = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """All that is known of every candidate. Columns: the base, then the pairs."""

    candidates: Candidates
    scores: Scores
    verdicts: dict[str, NDArray[np.float64]]
    """Referee to π_llm."""
    same: NDArray[np.bool_]
    """Whether a candidate is the base sample again."""
    usable: NDArray[np.bool_]
    """The checker's word: for the figures, never for an arm."""


def build(rows: int, seed: int, out: Path, *, mode: str = "perplexity_ratio") -> Table:
    """Make the table, or take its arrays from ``out`` where the same table was made before."""
    candidates = generate(rows, seed)
    usable = truth.usable(candidates)
    same = np.array([[one == row[0] for one in row] for row in candidates.rows])
    kept = out / f"table-{rows}-{seed}-{mode}-{_digest(candidates)}.npz"
    if not kept.is_file():
        began = time.monotonic()
        config = ScoringConfig(mode=mode, device="cpu", threads=1)  # type: ignore[arg-type] # checked by the model
        found = scores.score(candidates.rows, config, resolve_model)
        own = answers.verdicts(candidates.rows, resolve_model("offline/large"))
        np.savez_compressed(kept, small=found.small, large=found.large, answers=own)
        print(f"table of {rows} seeds and {usable.size:,} candidates: {time.monotonic() - began:.0f} s", flush=True)
    arrays = np.load(kept)
    return Table(
        candidates=candidates,
        scores=Scores(small=arrays["small"], large=arrays["large"]),
        verdicts={"answers": arrays["answers"], "planted": planted.verdicts(usable, PLANTED_ACCURACY, seed)},
        same=same,
        usable=usable,
    )


def _digest(candidates: Candidates) -> str:
    return hashlib.sha256(repr(candidates).encode()).hexdigest()[:12]

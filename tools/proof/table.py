"""The candidate table with scores, verdicts and, kept apart, the truth; what models said is kept in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proof import answers, planted, scores, truth
from proof.candidates import Candidates, generate
from proof.scores import Scores
from proof.targets import SHIPPED, folder_of
from star_agents.config.sections import ScoreMode, ScoringConfig
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
    well_put: NDArray[np.bool_]
    """Usable and in the form that teaches most; likewise."""


def build(
    rows: int,
    seed: int,
    out: Path,
    *,
    style: str = "plain",
    mode: ScoreMode = "perplexity_ratio",
    own_up: float = 0.0,
    target: str = SHIPPED,
) -> Table:
    """Make the table; what the models said of it before is taken from ``out``.

    ``target`` names the small scorer. ``own_up``: share of the candidates broken off by ``keep/hasty`` whose
    ``finish_reason`` says so. Like any failed candidate they have no score here, which keeps them from being judged or
    chosen.
    """
    candidates = generate(rows, seed, style)
    usable = truth.usable(candidates)
    config = ScoringConfig(mode=mode, device="cpu", threads=1, small=folder_of(target, out))
    file = out / (f"scores-{mode}.jsonl" if target == SHIPPED else f"scores-{mode}-{target}.jsonl")
    found = scores.score(candidates.rows, config, resolve_model, file)
    own = answers.verdicts(candidates.rows, resolve_model("offline/large"), out / "answers.jsonl")
    cut = 1 + [pair.name for pair in candidates.pairs].index("keep/hasty")
    dropped = ~usable[:, cut] & (np.random.default_rng([seed, 75]).random(rows) < own_up)
    for one in (found.small, found.large):
        one[dropped, cut] = np.nan
    return Table(
        candidates=candidates,
        scores=found,
        verdicts={"answers": own, "planted": planted.verdicts(usable, PLANTED_ACCURACY, seed)},
        same=np.array([[one == row[0] for one in row] for row in candidates.rows]),
        usable=usable,
        well_put=truth.well_put(candidates, usable),
    )

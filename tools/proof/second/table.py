"""The candidate table of the second world, as ``proof.table`` builds that of the first. World."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from proof import answers, planted, scores
from proof.second import pool, tasks
from proof.second.targets import folder_of
from proof.table import PLANTED_ACCURACY, Table
from star_agents.config.sections import ScoreMode, ScoringConfig


def build(rows: int, seed: int, out: Path, *, style: str, mode: ScoreMode, share: float = 1.0) -> Table:
    """Make the table; what the models said of it before is taken from ``out``.

    ``share`` is the part of their steps that the models are trained for.
    """
    candidates = pool.generate(rows, seed, style)
    usable = pool.usable(candidates)
    small, large = (folder_of(name, out, share) for name in ("small", "large"))
    config = ScoringConfig(mode=mode, device="cpu", threads=1, small=small, large=large)
    found = scores.score(candidates.rows, config, str, out / f"second-scores-{share:g}-{mode}.jsonl")
    own = answers.verdicts(candidates.rows, large, out / f"second-answers-{share:g}.jsonl", tasks.said)
    return Table(
        candidates=candidates,
        scores=found,
        verdicts={"answers": own, "planted": planted.verdicts(usable, PLANTED_ACCURACY, seed)},
        same=np.array([[one == row[0] for one in row] for row in candidates.rows]),
        usable=usable,
        well_put=pool.well_put(candidates, usable),
    )

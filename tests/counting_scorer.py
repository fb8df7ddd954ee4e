"""What an actor hosts that counts letters in the place of models, and needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

from scoring_mortal_worker import Letters

from star_agents.engine.hosted_scorer import HostedScorer
from star_agents.scoring.facts import ScorerFacts
from star_agents.scoring.worker import Request


class CountingScorer(HostedScorer):
    """Its gate is where the name of the small model says."""

    def __init__(self, threads: str | None) -> None:
        super().__init__(threads, loader=f"{__name__}:load_letters")


def load_letters(request: Request) -> Letters:
    """Nothing is loaded."""
    gate = Path(json.loads(request["config"]).get("small", "gate"))
    return Letters(gate, ScorerFacts(mode="score_eos"))

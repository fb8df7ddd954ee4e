"""Scoring: dual-model IFD of instruction-response samples (design §4, Eq. 4), and embeddings for the memory bank.

    Scorer ─► Backlog
       └─► Supervisor ─► WorkerProcess ═ pipe ═► worker ─► DualModel ─► Encoder, CausalModel ─► Batcher, Forward

Local models that answer take the same way: LocalModels ─► Supervisor ─► WorkerProcess ═ pipe ═► generation_worker ─►
Generation.

The left side of the pipe runs in the daemon and loads no torch; the right side is a process of its own, and
``DualModel`` by itself is the same scorer for callers that may wait. Importing this package loads neither torch nor
transformers.
"""

from star_agents.scoring.facts import ModelFacts, ScorerFacts
from star_agents.scoring.scorer import Scorer

__all__ = ["ModelFacts", "Scorer", "ScorerFacts"]

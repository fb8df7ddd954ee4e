"""sentence-transformers as an embedder, for those who installed it (extra ``star-agents[embedders]``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError, first_line
from star_agents.scoring.loading import choose_device
from star_agents.scoring.model import unit_rows


class Embedder(Protocol):
    """Texts to vectors."""

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 [n, d], rows of length 1."""


class SentenceEmbedder:
    """A sentence-transformers model by name or path."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @classmethod
    def load(cls, name: str, config: ScoringConfig) -> SentenceEmbedder:
        """Load it onto the scorer's device. Raises ScorerError where the package or the model is missing."""
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - optional, and slow to load
        except ImportError as error:
            raise ScorerError(
                f"memory.embedder is sentence-transformers:{name}, and that package is not installed: "
                "pip install 'star-agents[embedders]', or use `embedder: small`"
            ) from error
        try:
            return cls(SentenceTransformer(name, device=str(choose_device(config))))
        except Exception as error:  # loading runs through several libraries, each with errors of its own
            raise ScorerError(f"embedder {name} cannot be loaded: {first_line(error)}") from error

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 [n, d], rows of length 1."""
        vectors = self._model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
        return unit_rows(np.asarray(vectors, dtype=np.float32))

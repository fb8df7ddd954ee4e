"""One loaded scorer model: pairs in, mean losses out; texts in, embeddings out."""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from star_agents.config.sections import ScoringConfig
from star_agents.scoring.batching import Batcher
from star_agents.scoring.encoding import Encoded, Passage, Reason, start_token, token_ids
from star_agents.scoring.facts import ModelFacts
from star_agents.scoring.forward import Forward, choose_forward
from star_agents.scoring.loading import Loaded, is_out_of_memory, load_model, release_memory

REMEMBERED = 10_000
"""Response-alone losses kept per model: about 2 MB, and more than the candidates in flight."""
PACK_CPU = 1024
"""Rows per pack: enough to keep the matrix products of a core at their best, few enough for its caches; where
``scoring.tokens_per_batch`` is left out."""
PACK_GPU = 16_384
"""The same on a GPU; halved where it does not fit."""
PACK_GPU_LITTLE = 32_768
"""The same for a model of less than ``LITTLE`` weights, whose kernels end sooner than their host launches others."""
LITTLE = 1_000_000_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean NLLs of one response in nats per token."""

    conditional: float
    alone: float


class AloneLosses:
    """Losses of response-alone passes by content: they depend on nothing but the tokens, so a response that comes again
    under another instruction costs half. The least recently used go first."""

    def __init__(self, capacity: int = REMEMBERED) -> None:
        self._capacity = capacity
        self._losses: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._losses)

    @staticmethod
    def key(passage: Passage) -> bytes:
        """128-bit hash of the tokens and of where scoring starts."""
        return hashlib.blake2b(array("q", (passage.start, *passage.ids)).tobytes(), digest_size=16).digest()

    def get(self, key: bytes) -> float | None:
        """The loss, which thereby counts as just used."""
        if key in self._losses:
            self._losses.move_to_end(key)
        return self._losses.get(key)

    def put(self, key: bytes, loss: float) -> None:
        """Remember a loss, and forget the one that was not asked for the longest where there are too many."""
        self._losses[key] = loss
        self._losses.move_to_end(key)
        if len(self._losses) > self._capacity:
            self._losses.popitem(last=False)


class CausalModel:
    """A causal language model that scores and embeds in batches of bounded size."""

    def __init__(self, loaded: Loaded, forward: Forward, *, tokens_per_batch: int, max_length: int) -> None:
        self.name = loaded.name
        self.tokenizer = loaded.tokenizer
        self.limit = loaded.limit
        """Longest sequence that the model was built for; ``None`` where it does not say."""
        self.device = loaded.device
        self.forward = forward
        self.tokens = 0
        """Tokens of passages that went through the model so far."""
        self.rows = 0
        """Rows that they took: more by padding, fewer where a prompt was shared."""
        self._loaded = loaded
        self._max_length = min(max_length, loaded.limit or max_length)
        self._batcher = Batcher(tokens_per_batch, is_out_of_memory=is_out_of_memory, release=release_memory)
        self._alone = AloneLosses()

    @classmethod
    def load(cls, name: str, path: str, config: ScoringConfig) -> CausalModel:
        """Load a model by folder or Hugging Face name. Raises ScorerError."""
        loaded = load_model(name, path, config)
        tokens = config.tokens_per_batch or usual_pack(loaded)
        return cls(loaded, choose_forward(loaded), tokens_per_batch=tokens, max_length=config.max_length)

    def losses(self, pairs: Sequence[Encoded]) -> list[Losses | Reason]:
        """Mean losses of both passes of each pair, in order; each distinct response alone runs once."""
        keys = [AloneLosses.key(pair.alone) for pair in pairs]
        known = {key: self._alone.get(key) for key in keys}
        fresh = {key: pair.alone for key, pair in zip(keys, pairs, strict=True) if known[key] is None}
        passages = [*(pair.conditional for pair in pairs), *fresh.values()]
        means = self._run(passages, self.forward.begin_mean_nll)
        alone: dict[bytes, float | Reason | None] = {**known, **dict(zip(fresh, means[len(pairs) :], strict=True))}
        for key in fresh:
            loss = alone[key]
            if isinstance(loss, float):
                self._alone.put(key, loss)
        return [_both(conditional, alone[key]) for conditional, key in zip(means[: len(pairs)], keys, strict=True)]

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Mean-pooled last hidden state over each text's tokens, L2-normalised: float32 [n, d].

        x goes in front and is not pooled: models park attention on their first token, whose state would drown the
        rest. An empty text is x alone. A text whose state is no finite number, or does not fit into memory, gets the
        zero vector, which is near to nothing.
        """
        passages = self._text_passages(texts)
        pooled = self._run(passages, self.forward.mean_hidden)
        width = next((vector.shape[0] for vector in pooled if not isinstance(vector, Reason)), 0)
        blank = np.zeros(width, dtype=np.float32)
        rows = [blank if isinstance(vector, Reason) else vector.numpy() for vector in pooled]
        return unit_rows(np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32))

    def facts(self, *, max_length: int) -> ModelFacts:
        """What ``check`` shows of this model, scoring with ``max_length``."""
        return ModelFacts(
            model=self._loaded.name,
            device=str(self._loaded.device),
            dtype=str(self._loaded.dtype).removeprefix("torch."),
            parameters=self._loaded.parameters,
            weights=self._loaded.weights,
            max_length=max_length,
            forward=self.forward.name,
            forward_because=self.forward.because,
        )

    def _run(
        self, passages: Sequence[Passage], work: Callable[[Sequence[Passage]], Iterable[Result]]
    ) -> list[Result | Reason]:
        def counted(batch: Sequence[Passage]) -> Iterable[Result]:
            found = work(batch)
            self.tokens += sum(len(passage.ids) for passage in batch)
            self.rows += self.forward.rows(batch)
            return found

        return self._batcher.run(passages, lambda passage: len(passage.ids), counted, self.forward.plan)

    def _text_passages(self, texts: Sequence[str]) -> list[Passage]:
        x = start_token(self.tokenizer)
        front = () if x is None else (x,)
        readable = [text.encode("utf-8", "replace").decode() for text in texts]
        passages = []
        for ids in token_ids(self.tokenizer, readable):
            row = (*front, *ids)[: self._max_length] or (0,)
            passages.append(Passage(row, min(len(front), len(row) - 1)))
        return passages


def usual_pack(loaded: Loaded) -> int:
    """Rows per pack where ``scoring.tokens_per_batch`` is left out: by the model's size, so that packs, and with them
    the last bits of a score, do not depend on what else lies in a GPU's memory."""
    if loaded.device.type == "cpu":
        return PACK_CPU
    return PACK_GPU_LITTLE if loaded.parameters < LITTLE else PACK_GPU


def unit_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows scaled to length 1; a row that is zero or not finite becomes zero."""
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0) if rows.size else rows
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    scaled: npt.NDArray[np.float64] = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
    return scaled.astype(np.float32)


def _both(conditional: float | Reason, alone: float | Reason | None) -> Losses | Reason:
    if isinstance(conditional, Reason):
        return conditional
    if isinstance(alone, Reason):
        return alone
    return Losses(conditional, float("nan") if alone is None else alone)

"""The two scorer models together, samples in, scores out. Synchronous, for the worker process and ``score``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from star_agents.config.sections import ScoreMode, ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample, Score
from star_agents.scoring.ahead import in_parts, one_ahead
from star_agents.scoring.compat import encoder_for
from star_agents.scoring.embedding import Embedder, SentenceEmbedder
from star_agents.scoring.encoding import Encoded, Encoder, Reason
from star_agents.scoring.facts import ScorerFacts, Usage
from star_agents.scoring.ifd import ifd
from star_agents.scoring.model import CausalModel
from star_agents.scoring.probe import Probe, probe
from star_agents.scoring.scorers import Measurer, module_of
from star_agents.scoring.scorers import load as load_measurer

Role = Literal["small", "large"]
PART = 1 << 18
"""Characters that a GPU's texts are tokenised by while it is busy with those before: four packs or so."""
FIRST_PART = 1 << 16
"""Of a request's first part, which the GPU waits for: one pack or so. They grow as tokenising gets ahead."""
SENTENCE_TRANSFORMERS = "sentence-transformers:"


def by_name(name: str) -> str:
    """The resolver that changes nothing: a model's name is its Hugging Face name or its folder."""
    return name


class DualModel:
    """The scorer: a small model, a large one, or both, and possibly an embedder.

    Both models cut at the same length, the lowest of ``max_length`` and the models' own limits, so that they read the
    same text. With one tokenizer between them a sample is tokenised once; what the small model cannot score, the
    large one does not try.
    """

    def __init__(
        self,
        *,
        mode: ScoreMode,
        max_length: int,
        small: CausalModel | None = None,
        large: CausalModel | None = None,
        embedder: Embedder | None = None,
        embedder_name: str | None = None,
        measurers: Mapping[str, Measurer] | None = None,
    ) -> None:
        self._mode: ScoreMode = mode
        roles: tuple[tuple[Role, CausalModel | None], ...] = (("small", small), ("large", large))
        self._models: dict[Role, CausalModel] = {role: model for role, model in roles if model is not None}
        self._max_length = min([max_length, *(model.limit for model in self._models.values() if model.limit)])
        self._encoders: dict[Role, Encoder] = {role: self._encoder(model) for role, model in self._models.items()}
        self._probes: dict[Role, Probe] = {role: self._probe(role) for role in self._models}
        self._same_tokenizer = same_tokenizer(small.tokenizer, large.tokenizer) if small and large else None
        self._embedder = embedder
        self._embedder_name = embedder_name
        self._measurers = dict(measurers or {})

    @classmethod
    def load(
        cls,
        config: ScoringConfig,
        *,
        small: bool = True,
        large: bool = True,
        embedder: str | None = None,
        scorers: Sequence[str] = (),
        resolve: Callable[[str], str] = by_name,
        worker: int = 0,
    ) -> DualModel:
        """Load what is asked for; ``resolve`` turns a name from agents.yaml into a folder or Hugging Face name.

        ``worker``: which of several processes this is; each takes a GPU of its own as long as there are enough.
        ``embedder`` is ``small``, ``sentence-transformers:NAME`` or ``None``. Raises ScorerError with the model's
        name and what to do.
        """
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        if worker and config.device != "cpu" and torch.cuda.is_available():
            torch.cuda.set_device(worker % torch.cuda.device_count())
        small_model = None
        if small or embedder == "small":
            small_model = CausalModel.load(config.small, resolve(config.small), config)
        large_model = CausalModel.load(config.large, resolve(config.large), config) if large else None
        chosen: Embedder | None = None
        if embedder == "small":
            chosen = small_model
        elif embedder is not None:
            chosen = SentenceEmbedder.load(_sentence_transformers_name(embedder), config)
        measurers: dict[str, Measurer] = {}
        loaded: dict[tuple[str, str], Measurer] = {}
        for name in scorers:
            # A model that goes by two names, as scorer and as judge, is one model in memory.
            key = module_of(name), config.scorers[name]
            if key not in loaded:
                loaded[key] = load_measurer(name, key[1], resolve(key[1]), config)
            measurers[name] = loaded[key]
        return cls(
            mode=config.mode,
            max_length=config.max_length,
            small=small_model if small else None,
            large=large_model,
            embedder=chosen,
            embedder_name=embedder,
            measurers=measurers,
        )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """One score per sample, in order: an IFD per loaded model, or the reason why there is none. Never NaN."""
        if not self._models:
            return [Score(formula=self._mode) for _ in samples]
        samples = [sample.in_text for sample in samples]
        first = self._encoders[next(iter(self._models))]
        if all(model.device.type == "cpu" for model in self._models.values()):
            return self._score(samples, first.encode(samples))
        weights = [_characters(sample) for sample in samples]
        parts = [[samples[index] for index in part] for part in in_parts(weights, PART, first=FIRST_PART)]
        return [score for part, encoded in one_ahead(first.encode, parts) for score in self._score(part, encoded)]

    def _score(self, samples: Sequence[Sample], first: Sequence[Encoded | Reason]) -> list[Score]:
        """Scores from the samples as the first model reads them."""
        fields: list[dict[str, Any]] = [{"formula": self._mode} for _ in samples]
        encoded = dict(enumerate(first))
        alive = list(range(len(samples)))
        for number, role in enumerate(self._models):
            if number and not self._same_tokenizer:
                fresh = self._encoders[role].encode([samples[index] for index in alive])
                encoded = dict(zip(alive, fresh, strict=True))
            measured = self._measure(role, [encoded[index] for index in alive])
            for index, value in zip(alive, measured, strict=True):
                fields[index].update(self._fields(role, encoded[index], value))
            alive = [index for index in alive if "reason" not in fields[index]]
        return [Score(**field) for field in fields]

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeddings of the texts: float32 [n, d], rows of length 1. Raises ScorerError without an embedder."""
        if self._embedder is None:
            raise ScorerError(
                "this scorer was loaded without an embedder: set memory.embedder to small or sentence-transformers:NAME"
            )
        return self._embedder.embed(texts)

    def measure(self, by: str, samples: Sequence[Sample]) -> Sequence[dict[str, float] | str]:
        """Measures of each sample by a scorer beside IFD, in order, or why there are none; ScorerError without it."""
        if by not in self._measurers:
            raise ScorerError(f"this scorer was loaded without {by}: set scoring.scorers.{by}")
        return self._measurers[by].measure([sample.in_text for sample in samples])

    def usage(self) -> Usage:
        """Tokens and rows so far; memory as far as it is the GPU's."""
        models = [*self._models.values()]
        if isinstance(self._embedder, CausalModel) and self._embedder not in models:
            models.append(self._embedder)
        gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
        counted: list[CausalModel | Measurer] = [*models, *{id(one): one for one in self._measurers.values()}.values()]
        tokens, rows = sum(model.tokens for model in counted), sum(model.rows for model in counted)
        return Usage(tokens=tokens, rows=rows, gpu_memory=gpu)

    def devices(self) -> int:
        """How many devices of the kind that it runs on are here; 1 on the CPU."""
        return torch.cuda.device_count() if self.facts().is_on_gpu else 1

    def facts(self) -> ScorerFacts:
        """What is loaded."""
        facts = {
            role: replace(
                model.facts(max_length=self._max_length),
                prompts=self._probes[role].prompts,
                tokens=self._probes[role].tokens,
            )
            for role, model in self._models.items()
        }
        return ScorerFacts(
            mode=self._mode,
            small=facts.get("small"),
            large=facts.get("large"),
            same_tokenizer=self._same_tokenizer,
            embedder=self._embedder_name,
            scorers={name: measurer.facts() for name, measurer in self._measurers.items()},
        )

    def _encoder(self, model: CausalModel) -> Encoder:
        try:
            return encoder_for(self._mode, model.tokenizer, max_length=self._max_length)
        except ScorerError as error:
            raise ScorerError(f"scorer model {model.name}: {error}") from error

    def _probe(self, role: Role) -> Probe:
        try:
            return probe(self._encoders[role])
        except ScorerError as error:
            raise ScorerError(f"scorer model {self._models[role].name}: {error}") from error

    def _measure(self, role: Role, encoded: Sequence[Encoded | Reason]) -> list[float | Reason]:
        """IFD under one model for each encoded sample."""
        pairs = [pair for pair in encoded if not isinstance(pair, Reason)]
        losses = iter(self._models[role].losses(pairs))
        values: list[float | Reason] = []
        for pair in encoded:
            found = pair if isinstance(pair, Reason) else next(losses)
            values.append(found if isinstance(found, Reason) else ifd(self._mode, found.conditional, found.alone))
        return values

    def _fields(self, role: Role, encoded: Encoded | Reason, value: float | Reason) -> dict[str, Any]:
        first = role == next(iter(self._models))
        tokens = {"response_tokens": encoded.conditional.scored} if first and isinstance(encoded, Encoded) else {}
        if isinstance(value, Reason):
            return {"reason": str(value) if first else f"large model: {value}", **tokens}
        return {f"ifd_{role}": value, **tokens}


def _characters(sample: Sample) -> int:
    """Of both passes."""
    history = sum(len(turn.content) for turn in sample.history)
    return history + len(sample.instruction) + len(sample.input) + 2 * len(sample.response or "")


def same_tokenizer(one: Any, other: Any) -> bool:
    """Whether two tokenizers turn every conversation into the same ids, by content and not by name."""
    return _fingerprint(one) == _fingerprint(other)


def _fingerprint(tokenizer: Any) -> tuple[object, ...]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    # A slow tokenizer has no description of itself, so it equals nothing but itself.
    content = backend.to_str() if backend is not None else id(tokenizer)
    return content, tokenizer.bos_token_id, tokenizer.eos_token_id, str(tokenizer.chat_template)


def _sentence_transformers_name(embedder: str) -> str:
    if not embedder.startswith(SENTENCE_TRANSFORMERS):
        raise ScorerError(f"the scorer knows no embedder {embedder!r}: use small or sentence-transformers:NAME")
    return embedder.removeprefix(SENTENCE_TRANSFORMERS)

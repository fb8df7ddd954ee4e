"""What is known of the loaded scorer models, for ``check`` and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """One loaded causal language model."""

    model: str
    """As it stands in agents.yaml."""
    device: str
    """``cpu``, ``cuda:0``."""
    dtype: str
    """Of the weights: ``float32``, ``bfloat16``, ``float16``."""
    parameters: int
    max_length: int
    """Tokens per sequence: ``scoring.max_length``, or the models' own limit where that is lower."""
    forward: str
    """``packed``: no padding; ``scored rows``: padded batches; ``own``: the model's own forward, one text at a time."""
    forward_because: str = ""
    """Why it is not packed; empty where it is."""
    prompts: str = ""
    """Digest of a few conversations as the model is shown them (``probe.py``)."""
    tokens: str = ""
    """Digest of the same as token ids."""
    weights: str = ""
    """Digest of the weights (``weights_digest.py``)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the pipe."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasurerFacts:
    """What a scorer beside IFD has loaded."""

    model: str
    """As it stands in agents.yaml."""
    device: str
    dtype: str
    max_length: int
    """Tokens of a conversation, at the most."""
    tokens: str = ""
    """Digest of a few conversations as token ids (``probe.py``); empty where nobody compares them."""
    weights: str = ""
    """Digest of the weights; empty where nobody compares them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the pipe."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerFacts:
    """Everything one scorer process has loaded."""

    mode: str
    small: ModelFacts | None = None
    large: ModelFacts | None = None
    same_tokenizer: bool | None = None
    """Whether one tokenisation serves both models; ``None`` unless both are loaded."""
    embedder: str | None = None
    scorers: Mapping[str, MeasurerFacts] = field(default_factory=dict[str, MeasurerFacts])
    """By name: those beside IFD."""

    @property
    def is_on_gpu(self) -> bool:
        """Whether any of the models is."""
        return any(
            model.device.startswith("cuda") for model in (self.small, self.large, *self.scorers.values()) if model
        )

    def differences(self, other: ScorerFacts) -> list[str]:
        """In what another process has loaded something else, so that their scores do not mix: models read otherwise,
        of other weights or size, in another dtype, or on another kind of device."""
        here, there = _decisive(self), _decisive(other)
        return [
            f"{what} is {there.get(what, 'none')} and not {here.get(what, 'none')}"
            for what in {**here, **there}
            if here.get(what) != there.get(what)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the pipe."""
        return {
            "mode": self.mode,
            "small": self.small.to_dict() if self.small else None,
            "large": self.large.to_dict() if self.large else None,
            "same_tokenizer": self.same_tokenizer,
            "embedder": self.embedder,
            "scorers": {name: facts.to_dict() for name, facts in self.scorers.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(
            mode=data["mode"],
            small=ModelFacts(**data["small"]) if data["small"] else None,
            large=ModelFacts(**data["large"]) if data["large"] else None,
            same_tokenizer=data["same_tokenizer"],
            embedder=data["embedder"],
            scorers={name: MeasurerFacts(**facts) for name, facts in data.get("scorers", {}).items()},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What one scorer process has done so far."""

    tokens: int = 0
    """Tokens of the passages that went through models."""
    rows: int = 0
    """Rows that they took: more by padding, fewer where a prompt was shared."""
    gpu_memory: int = 0
    """Bytes of GPU memory at the most."""
    memory: int = 0
    """Bytes of main memory at the most."""


_OF_MODELS = ("dtype", "parameters", "max_length", "prompts", "tokens", "weights")
_OF_SCORERS = ("dtype", "max_length", "tokens", "weights")


def _decisive(facts: ScorerFacts) -> dict[str, str]:
    """What decides about scores, each under its name for people."""
    found: dict[str, str] = {}
    for size, model in (("small", facts.small), ("large", facts.large)):
        if model is not None:
            found |= _facts_of(model, _OF_MODELS, f"the {size} model")
    for name, scorer in sorted(facts.scorers.items()):
        found |= _facts_of(scorer, _OF_SCORERS, f"scorer {name}")
    return found


def _facts_of(model: ModelFacts | MeasurerFacts, facts: tuple[str, ...], what: str) -> dict[str, str]:
    kind = model.device.partition(":")[0]
    return {**{f"{fact} of {what}": str(getattr(model, fact)) for fact in facts}, f"kind of device of {what}": kind}

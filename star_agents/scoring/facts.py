"""What is known of the loaded scorer models, for ``check`` and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

    @property
    def is_on_gpu(self) -> bool:
        """Whether any of the models is."""
        return any(model.device.startswith("cuda") for model in (self.small, self.large) if model)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the pipe."""
        return {
            "mode": self.mode,
            "small": self.small.to_dict() if self.small else None,
            "large": self.large.to_dict() if self.large else None,
            "same_tokenizer": self.same_tokenizer,
            "embedder": self.embedder,
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerStats:
    """How the scorer is doing, over all of its processes."""

    workers: int
    """Processes that run."""
    waiting: int
    """Items that are in no request yet."""
    oldest_seconds: float
    """Age of the call that waits the longest; 0 where none waits."""
    answered: int
    """Items answered so far: samples scored and texts embedded."""
    tokens: int
    """Tokens that went through models so far."""
    busy_seconds: float
    """Time in requests, summed over the processes."""
    pack_fill: float
    """Tokens per row of the packs: below 1 by padding, above 1 where prompts were shared; 0 before the first pack."""
    memory: int
    """Bytes of main memory at the most, summed over the processes."""
    gpu_memory: int
    """Likewise of GPU memory."""
    deaths: int = 0
    """Processes that died or hung so far; another one took the place of each."""
    troubles: tuple[str, ...] = ()
    """Why processes are missing that should be there."""

    @property
    def answered_per_second(self) -> float:
        """Throughput of all processes while they were busy."""
        return self.answered * self.workers / self.busy_seconds if self.busy_seconds else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Likewise in tokens."""
        return self.tokens * self.workers / self.busy_seconds if self.busy_seconds else 0.0

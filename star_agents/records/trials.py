"""What a recipe gathers and gives, whatever its method: trials, judgements, rows and rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast, get_args

from star_agents.records.flat import Flat
from star_agents.records.samples import Sample

FailureKind = Literal["call", "down", "budget", "length", "empty", "format"]
"""``call``: the provider refused or failed; ``down``: an agent took no calls at all; ``budget``: it is spent;
``length``, ``empty``, ``format``: a reply came that is no answer."""
FAILURE_KINDS: frozenset[str] = frozenset(get_args(FailureKind))
RowShape = Literal["sft", "preference", "reward", "instruction"]
REWARD_MODEL = "reward:"
"""What the name of a judge that is no agent begins with; the rest is a model of the scorer process."""


def is_reward_model(judge: str) -> bool:
    """Whether a judge is a reward model, and no agent."""
    return judge.startswith(REWARD_MODEL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure(Flat):
    """Why a trial came to nothing."""

    kind: FailureKind
    detail: str
    cost_usd: float | None = None
    """Of the replies that came and are no answer; ``None``: none came, or nobody knows."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without a cost that is not known, as older stores have it."""
        cost = {} if self.cost_usd is None else {"cost_usd": self.cost_usd}
        return {"kind": self.kind, "detail": self.detail, **cost}

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind

    @classmethod
    def read(cls, text: str) -> Failure | None:
        """Inverse of ``str``, as stores keep it; ``None`` of an empty text."""
        kind, _, detail = text.partition(": ")
        if kind in FAILURE_KINDS:
            return cls(kind=cast(FailureKind, kind), detail=detail)
        return cls(kind="call", detail=text) if text else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One attempt at a seed, with what was measured of it."""

    arm: str
    """What was drawn for it: an agent, an operator, a type."""
    sample: Sample
    role: str = ""
    """What it is to the recipe: ``target``, ``opponent``, ``parent``."""
    failure: Failure | None = None
    measures: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """By the names that the recipe declares; ``None`` where it could not be measured."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """Role to the model that wrote it."""
    prompts: tuple[str, ...] = ()
    """Versions of the prompt templates in use, such as ``respond@1:5f2c9a10``."""
    cost_usd: float | None = 0.0
    reasoning: str = ""
    """What the model thought before its answer; empty where nothing is known of it."""
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """What else is to be said of it, in words by name, such as why it could not be measured."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "arm": self.arm,
            "sample": self.sample.to_dict(),
            "role": self.role,
            "failure": self.failure.to_dict() if self.failure else None,
            "measures": dict(self.measures),
            "models": dict(self.models),
            "prompts": list(self.prompts),
            "cost_usd": self.cost_usd,
            "reasoning": self.reasoning,
            "notes": dict(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``; those of older releases lack reasoning and notes."""
        return cls(
            arm=data["arm"],
            sample=Sample.from_dict(data["sample"]),
            role=data["role"],
            failure=Failure.from_dict(data["failure"]) if data["failure"] else None,
            measures=data["measures"],
            models=data["models"],
            prompts=tuple(data["prompts"]),
            cost_usd=data["cost_usd"],
            reasoning=data.get("reasoning", ""),
            notes=data.get("notes") or {},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What one judge said of two trials, both orders joined, or in one order."""

    judge: str
    """Its agent, or ``reward:MODEL``; empty for what a jury came to together, where it is not one judge's word."""
    left: int
    """Place of the one trial among the outcome's."""
    right: int
    scores: tuple[float, ...] = ()
    """Of left and right, where the judge gives scores."""
    value: float | None = None
    """1 the left is better, 0 the right is, 0.5 a tie or two orders that disagree; ``None``: nothing could be read,
    which is no verdict: nothing wins by it and nothing is learned from it."""
    agreed: bool = True
    """Whether both orders said the same."""
    readable: bool = True
    reason: str = ""
    orders: int = 2
    """In how many orders the two were shown; with one, left is what was shown first, and ``agreed`` says nothing. 0:
    each was measured by itself, as reward models do, so that no place could matter."""
    cost_usd: float | None = 0.0
    """Of the reply that it was read from, where that is known of one judgement; ``None``: nobody knows the price."""
    rewards: tuple[float, ...] = ()
    """Of left and right, in units of a reward model."""
    gap: float | None = None
    """Left minus right in points, where its rewards stand for a distance and not for points of each."""
    scale: str = ""
    """Name of the map by which points were made of the rewards; empty: they count for nothing but the map."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "judge": self.judge,
            "left": self.left,
            "right": self.right,
            "scores": list(self.scores),
            "value": self.value,
            "agreed": self.agreed,
            "readable": self.readable,
            "reason": self.reason,
            "orders": self.orders,
            **({} if self.cost_usd == 0 else {"cost_usd": self.cost_usd}),
            **({"rewards": list(self.rewards), "gap": self.gap, "scale": self.scale} if self.rewards else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "scores": tuple(data["scores"]), "rewards": tuple(data.get("rewards", ()))})


def verdict_of(judgements: Sequence[Judgement]) -> float | None:
    """What judges came to on two trials: what is said to be their common verdict, or else what more than half of them
    say; a tie where no side has that, and ``None`` where half of them or more said nothing that can be read.

    Args:
        judgements: Of the same two trials, at least one.
    """
    for one in judgements:
        if not one.judge:
            return one.value
    values = [one.value for one in judgements if one.value is not None]
    if 2 * len(values) <= len(judgements):
        return None
    return next((side for side in (1.0, 0.0) if 2 * values.count(side) > len(judgements)), 0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the dataset."""

    shape: RowShape
    """``sft`` and ``instruction``: a sample; ``preference`` and ``reward``: two answers to one prompt."""
    data: Mapping[str, Any]
    """``sft``: ``{"sample": ...}``; ``instruction``: likewise, without a response; ``preference``: ``{"prompt": ...,
    "chosen": ..., "rejected": ...}``, and ``reward`` the same with ``margin``."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    from_trials: tuple[int, ...] = ()
    """Places of the trials behind it among the outcome's."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "shape": self.shape,
            "data": dict(self.data),
            "labels": dict(self.labels),
            "from_trials": list(self.from_trials),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "from_trials": tuple(data["from_trials"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward(Flat):
    """What an arm earned: the pool learns from it."""

    pool: str
    arm: str
    value: float
    """In [0, 1]."""

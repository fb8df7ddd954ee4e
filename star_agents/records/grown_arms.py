"""Arms that a recipe adds to its pools while a line runs: as an outcome brings them, and as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class NewArm:
    """An arm that an outcome adds to a pool of its recipe."""

    pool: str
    arm: str
    what: str = ""
    """In words, for people."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the recipe has to know to work by it; plain."""
    evidence: tuple[str, ...] = ()
    """Ids of the seeds that it was made from."""
    at_most: int | None = None
    """Not added where so many that were added to the pool are drawn from already."""

    def __post_init__(self) -> None:
        if self.at_most is not None and (type(self.at_most) is not int or self.at_most < 0):
            raise ValueError(f"at_most is {self.at_most!r:.40}; give a whole number, or None")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {**asdict(self), "evidence": list(self.evidence)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "evidence": tuple(data["evidence"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredArm:
    """An arm that was added to a pool, and that an outcome takes out of it."""

    pool: str
    arm: str
    reason: str
    """In words, for people."""

    def to_dict(self) -> dict[str, str]:
        """Plain data for the store."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**data)


@dataclass(frozen=True, kw_only=True, slots=True)
class GrownArm:
    """An arm that was added to a pool. It is kept for good: a seed under way that drew it has to know it, be it retired
    since."""

    pool: str
    arm: str
    number: int
    """Of all that were added to any pool, from 0: the order in which pools have them."""
    what: str
    data: Mapping[str, Any]
    evidence: tuple[str, ...]
    seed_id: str
    """Of the outcome that brought it."""
    seq: int = 0
    """Number of that outcome; 0 before it is committed."""
    retired: str = ""
    """Why it is drawn no more; empty while it is."""
    retired_seq: int = 0
    """Number of the outcome that took it out; 0 while it is drawn from."""

    @property
    def is_retired(self) -> bool:
        """Whether it is drawn no more."""
        return bool(self.retired)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {**asdict(self), "evidence": list(self.evidence)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "evidence": tuple(data["evidence"])})


class Standing(NamedTuple):
    """What an arm of a pool did so far."""

    draws: int
    rewards: int
    earned: float
    """The sum of its rewards, each from 0 to 1."""


class Earner(NamedTuple):
    """A seed that was worth something to an arm which was drawn on its way."""

    seed_id: str
    arm: str
    worth: float
    """Above 0, at most 1."""
    text: str
    """What it asks; cut where it is long."""

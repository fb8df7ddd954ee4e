"""What judges said of two answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from star_agents.records.flat import Flat


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote(Flat):
    """What one referee said of candidate against base, both orders joined."""

    referee: str
    value: float | None
    """1 the candidate is better, 0 the base is better, 0.5 a tie or two orders that disagree (Eq. 6); ``None`` where
    the vote is not readable; in older stores that is 0.5 too."""
    agreed: bool
    """Whether both orders said the same."""
    readable: bool = True
    """False where a reply held no verdict even when asked once more: the referee has then not voted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """π_llm of one candidate (Eq. 6) with the votes behind it."""

    value: float | None
    """``None``: nothing that can be read stands behind it; nothing wins by it, and nothing is learned from it."""
    votes: tuple[Vote, ...] = ()
    failure: str = ""
    """Why no referee answered, where it may have been for this candidate's text; then there is no vote and no value."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {"value": self.value, "votes": [vote.to_dict() for vote in self.votes], "failure": self.failure}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        votes = tuple(Vote.from_dict(vote) for vote in data["votes"])
        return cls(value=data["value"], votes=votes, failure=data.get("failure", ""))

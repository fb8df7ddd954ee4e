"""What a local model is asked, and what it answers: plain data on both sides of the pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

CHARACTERS = 4
"""Per token, about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One conversation to be continued, and how."""

    messages: tuple[Mapping[str, str], ...]
    """In the field's ``messages`` form; the last one is the user's."""
    max_tokens: int | None = None
    """Of the answer; ``None``: as far as the model reads."""
    temperature: float | None = None
    """0 takes the most probable token each time; ``None``, as for the two below: as the model's own
    generation_config.json has it, and the most probable one where that samples nothing."""
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    """The answer ends before the first of them."""
    seed: int | None = None
    """The same one gives the same answer, whatever else is answered beside it; ``None``: by chance."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the pipe."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "messages": tuple(data["messages"]), "stop": tuple(data["stop"])})

    @property
    def weight(self) -> int:
        """About how many tokens it takes, those of the longest answer included."""
        return 1 + sum(len(one["content"]) for one in self.messages) // CHARACTERS + (self.max_tokens or 2048)


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """An answer."""

    text: str
    finish_reason: Literal["stop", "length"]
    """``length``: cut at ``max_tokens``, or where the model reads no further."""
    prompt_tokens: int
    completion_tokens: int
    """The token that ends it included."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the pipe, which holds UTF-8."""
        return {**asdict(self), "text": self.text.encode("utf-8", "replace").decode()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(**data)


Answers = Sequence[Completed | str]
"""In the order of what was asked; a text says why there is no answer."""

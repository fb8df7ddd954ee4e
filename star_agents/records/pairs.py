"""Agent-pairs: who rewrites an instruction and who answers it, and what one seed draws of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

KEEP = "keep"
"""As instruction agent: leave the instruction as it is."""
SEED = "seed"
"""As response agent: take the seed's own response, at no cost."""

STAR = "star"
"""The recipe that draws agent-pairs."""
PAIRS = f"{STAR}.pairs"
"""Its pool of them."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class AgentPair:
    """An instruction agent and a response agent (Eq. 2); ``keep`` and ``seed`` stand for no agent at all."""

    instruction: str
    response: str

    @property
    def name(self) -> str:
        """``instruction/response``, as logs, tables and the store show it."""
        return f"{self.instruction}/{self.response}"

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Inverse of ``name``; agent names hold no slash."""
        instruction, _, response = name.partition("/")
        return cls(instruction=instruction, response=response)

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents that this pair really calls."""
        called = () if self.instruction == KEEP else (self.instruction,)
        return called if self.response == SEED else (*called, self.response)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Which pairs one seed asks; recorded, so that a second run of the same seed asks the same ones."""

    base: tuple[AgentPair, ...]
    sampled: tuple[AgentPair, ...]
    """In order of drawing: those from the memory bank first."""
    from_memory: int = 0
    """How many of ``sampled`` the memory bank proposed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "base": [pair.name for pair in self.base],
            "sampled": [pair.name for pair in self.sampled],
            "from_memory": self.from_memory,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(
            base=tuple(AgentPair.from_name(name) for name in data["base"]),
            sampled=tuple(AgentPair.from_name(name) for name in data["sampled"]),
            from_memory=data["from_memory"],
        )

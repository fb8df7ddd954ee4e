"""Records of the Star-Agents method: agent-pairs, candidates, scores and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from star_agents.records.flat import Flat
from star_agents.records.samples import Sample
from star_agents.records.trials import Failure

KEEP = "keep"
"""As instruction agent: leave the instruction as it is."""
SEED = "seed"
"""As response agent: take the seed's own response, at no cost."""


PAIRS = "star.pairs"
"""The pool of agent-pairs."""


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
class Candidate:
    """What one pair wrote for one seed (Eq. 2), or why it wrote nothing."""

    pair: AgentPair
    is_base: bool
    sample: Sample
    """Instruction and response as written; the seed's own where ``failure`` is set."""
    failure: Failure | None = None
    """Why it cannot be used; ``None`` for a usable candidate."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """Role (``instruction``, ``response``) to the model that wrote it."""
    prompts: tuple[str, ...] = ()
    """Versions of the prompt templates in use, such as ``respond@1:5f2c9a10``."""
    cost_usd: float | None = 0.0
    reasoning: str = ""
    """What the response agent thought before it answered; empty where nothing is known of it."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "pair": self.pair.name,
            "is_base": self.is_base,
            "sample": self.sample.to_dict(),
            "failure": str(self.failure or ""),
            "models": dict(self.models),
            "prompts": list(self.prompts),
            "cost_usd": self.cost_usd,
            "reasoning": self.reasoning,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        pair, sample = AgentPair.from_name(data["pair"]), Sample.from_dict(data["sample"])
        read = {
            "pair": pair,
            "sample": sample,
            "failure": Failure.read(data["failure"]),
            "prompts": tuple(data["prompts"]),
        }
        return cls(**{**data, **read})


@dataclass(frozen=True, kw_only=True, slots=True)
class Score(Flat):
    """Dual-model IFD of one sample (Eq. 4), or the reason why there is none."""

    ifd_small: float | None = None
    """``None`` together with ``reason``; never NaN."""
    ifd_large: float | None = None
    reason: str = ""
    formula: str = "perplexity_ratio"
    """Which IFD this is: two other definitions are about, so every stored score names its own."""
    response_tokens: int = 0
    """Tokens scored by the small model."""

    @property
    def gap(self) -> float | None:
        """IFD_small - IFD_large (the numerator of Eq. 5); ``None`` where either is missing."""
        if self.ifd_small is None or self.ifd_large is None:
            return None
        return self.ifd_small - self.ifd_large


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessed:
    """A candidate with everything that was found out about it."""

    candidate: Candidate
    score: Score | None = None
    pi_dual: float | None = None
    """Eq. 5 over the candidates of this seed; ``None`` where the selection does not score."""
    verdict: Verdict | None = None
    """``None`` where it was never judged (lazy judging, or a selection without a referee)."""
    pi: float | None = None
    """Eq. 7, or what the selection ranks by; ``None`` where judging was not needed to know that it loses, and where
    the verdict could not be read."""

    @property
    def is_without_verdict(self) -> bool:
        """Whether it was judged and nothing that was said could be read, or nobody answered."""
        return self.verdict is not None and self.verdict.value is None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            "candidate": self.candidate.to_dict(),
            "score": self.score.to_dict() if self.score else None,
            "pi_dual": self.pi_dual,
            "verdict": self.verdict.to_dict() if self.verdict else None,
            "pi": self.pi,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(
            candidate=Candidate.from_dict(data["candidate"]),
            score=Score.from_dict(data["score"]) if data["score"] else None,
            pi_dual=data["pi_dual"],
            verdict=Verdict.from_dict(data["verdict"]) if data["verdict"] else None,
            pi=data["pi"],
        )

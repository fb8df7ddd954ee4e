"""What the store hands out, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from star_agents.records import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryRow:
    """One instruction of the memory bank."""

    arm: str
    """Who won it, such as a pair's name."""
    value: float
    """What it earned by that, above 0."""
    embedder: str
    """What made the embedding; embeddings of different embedders cannot be compared."""
    embedding: bytes
    """Of the seed instruction: float32, little endian."""
    seq: int = 0
    """Sequence number of the outcome; the store gives it."""

    @property
    def dimension(self) -> int:
        """Number of components."""
        return len(self.embedding) // 4


class VectorKeys(NamedTuple):
    """Instructions of which vectors are kept, each without its own: a million of those are gigabytes."""

    numbers: list[int]
    """Under which each vector is kept, ascending."""
    arms: list[str]
    """Who won each, or where it stands."""
    dimensions: list[int]
    """Of each vector."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolRow:
    """A pool's state as of one outcome."""

    after_seq: int
    """The newest outcome that it has learned from; 0: none."""
    revision: int
    state: Mapping[str, Any]
    start: Mapping[str, Any]
    """The first state that this store ever saved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RevisionRow:
    """One config that was in force."""

    id: int
    digest: str
    config: str
    """JSON."""
    at: float
    """Seconds since 1970."""
    after_seq: int
    """The newest outcome when it came into force."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeRow:
    """An outcome as committed."""

    seq: int
    """Place in the order in which outcomes took effect."""
    revision: int
    """Config revision that it was made under."""
    at: float
    """Seconds since 1970."""
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentUsage:
    """Calls, tokens and dollars of one agent in the life of the store."""

    agent: str
    answered: int
    pending: int
    """Intents without an answer: in flight, or cut off when a daemon was killed."""
    maybe_paid: int
    """Sends that were repeated because no answer had been recorded; the provider may have charged for them."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """Sum of the known prices, as ``known`` tells it."""
    unknown_price: int
    """Answered calls whose price nobody knows."""
    at_risk_usd: float | None
    """Most that sends of unknown cost may have cost, as reserved: unanswered ones, repeated ones, and those whose
    answer has no price. A send for which nothing could be reserved counts 0; ``None`` where there are no others."""


class ModelUse(NamedTuple):
    """The answered calls of an agent to one model."""

    agent: str
    asked: str
    """As agents.yaml names the model."""
    answered: str
    """As the replies name it; empty where they do not, and for those of older releases."""
    calls: int
    usd: float | None
    """Sum of the known prices, as ``known`` tells it."""
    unknown: int
    """Calls of unknown price."""


class Taken(NamedTuple):
    """The most that calls took: sends of unknown cost or length count as reserved."""

    usd: float
    calls: int
    """Sends that were or may have been answered."""
    tokens: int


class SeedUsage(NamedTuple):
    """What a finished seed took, with all that came of it."""

    seed_id: str
    calls: int
    """Answered ones."""
    prompt_tokens: int
    completion_tokens: int
    usd: float
    """Sum of the known prices."""
    unknown: int
    """Calls of unknown price."""


class Spend(NamedTuple):
    """What one agent's answered calls cost."""

    usd: float | None
    """Sum of the known prices, as ``known`` tells it."""
    calls: int
    unknown_calls: int
    """Those of them whose price nobody knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairCost:
    """What one pair did for the finished seeds, and for how much."""

    pair: str
    candidates: int
    wins: int
    cost_usd: float | None
    """Sum of the known costs of its candidates, as ``known`` tells it; a rewrite that pairs share counts for each."""
    unknown_cost: int
    """Candidates of which nobody knows what they cost."""

    @property
    def usd_per_win(self) -> float | None:
        """US dollars, known ones, for each row that it won; ``None`` before the first."""
        return per(self.cost_usd, self.wins)


class OpenWork(NamedTuple):
    """What is in hand at this moment."""

    seeds: int
    """Seeds that are worked on."""
    calls_pending: int
    """Intents without an answer."""
    calls_maybe_paid: int
    """Sends that were repeated because no answer had been recorded."""
    quarantined: int = 0
    """Seeds that wait for a person."""
    stranded: int = 0
    """Seeds that nobody takes as things stand."""
    catching_up: int = 0
    """Of those that wait or are in hand: seeds that add to the outcome that they have, which stands until then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """The store in numbers. Every seed counts once: waiting, stranded, working, quarantined, kept, base or dropped."""

    waiting: int
    working: int
    kept: int
    base: int
    dropped: int
    calls_answered: int
    calls_pending: int
    calls_maybe_paid: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """Sum of the known prices, as ``known`` tells it."""
    calls_of_unknown_price: int
    quarantined: int = 0
    """Seeds whose work killed the process; a person may release them."""
    stranded: int = 0
    """Seeds that nobody takes as things stand."""
    catching_up: int = 0
    """Of those that wait or are in hand: seeds that add to the outcome that they have, which stands until then."""

    @property
    def seeds(self) -> int:
        """Every seed ever taken in."""
        return self.waiting + self.stranded + self.working + self.quarantined + self.done

    @property
    def done(self) -> int:
        """Seeds with an outcome."""
        return self.selected + self.dropped

    @property
    def selected(self) -> int:
        """Seeds that became a sample of the dataset."""
        return self.kept + self.base


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """A call that is about to be made."""

    key: str
    seed_id: str
    step: str
    agent: str
    revision: int
    parameters: Mapping[str, Any]
    reserved_usd: float | None
    """Most that one send may cost; ``None`` where nobody knows."""
    reserved_tokens: int | None = None
    """Most tokens of one send, prompt and answer; ``None`` where nobody knows."""


def usd_or_none(usd: float, unknown: int) -> float | None:
    """A sum to which so many ``unknown`` costs belong; ``None`` where nothing else does: that is unknown, and not 0."""
    return None if unknown and not usd else usd


def per(total: float | None, count: int) -> float | None:
    """The share of one; ``None`` of none, and where the total is not known."""
    return total / count if count and total is not None else None

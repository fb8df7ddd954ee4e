"""The section `star` of agents.yaml: what recipe `star` draws from, by whom it is judged, and what it ranks by."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from star_agents.config.base import MAX_TOKENS, Section
from star_agents.records import KEEP, SEED, AgentPair

MAX_PAIRS = 5000
"""Of the pool: 70 agents that both rewrite and answer. Each has its place in the state that every outcome keeps."""
Reward = Literal["chosen", "judged", "all"]
Selection = Literal["dual", "gap", "ifd", "referee", "random", "base"]
SCORED: frozenset[Selection] = frozenset({"dual", "gap", "ifd"})
"""Selections that rank by scores."""
JUDGED: frozenset[Selection] = frozenset({"dual", "referee"})
"""Selections that rank by verdicts."""


class PairConfig(Section):
    """An instruction agent and a response agent."""

    instruction: str
    """Agent that rewrites the instruction, or `keep`."""
    response: str
    """Agent that answers it, or `seed` for the seed's own response."""

    @model_validator(mode="after")
    def _seed_answers_its_own_instruction(self) -> Self:
        if self.response == SEED and self.instruction != KEEP:
            raise ValueError(
                "`response: seed` goes with `instruction: keep`: the seed's response answers the seed's instruction"
            )
        return self

    @property
    def pair(self) -> AgentPair:
        """The pair as a record."""
        return AgentPair(instruction=self.instruction, response=self.response)


class RefereeConfig(Section):
    """Who compares candidates with the base sample (Eq. 6)."""

    agents: tuple[str, ...] = Field(default=(), max_length=15)
    """Agents that judge; several make a jury, and the majority decides."""
    prompt: Literal["default", "paper"] = "default"
    """Our own rubric, or the paper's Table 5 verbatim."""
    orders: Literal["both", "one"] = "both"
    """Judge in both orders (disagreement is a tie), or candidate first only: cheaper, but place or text can win."""
    temperature: float | None = Field(default=0.0, ge=0, le=5)
    """Sampling temperature of judgements; `null` leaves it to the provider, for models that refuse any of their own."""
    max_tokens: int = Field(default=512, ge=16, le=MAX_TOKENS)
    """Longest judgement in tokens."""
    exam: Literal["refuse", "warn", "off"] = "refuse"
    """The exam that each judge sits first: two dozen planted pairs in both orders, paid once per judge and prompt.
    `refuse`: who fails leaves the jury, and with nobody left no seed is worked. `warn`: who fails judges all the same,
    and every row says so. `off`: no exam, for tests and replays; every row says that too."""


class StarConfig(Section):
    """The settings of recipe `star`."""

    pairs: tuple[PairConfig, ...] | None = Field(default=None, max_length=MAX_PAIRS)
    """The pool that pairs are drawn from. Left out: `keep` and every instruction agent with every response agent."""
    base_pairs: tuple[PairConfig, ...] = Field(
        default=(PairConfig(instruction=KEEP, response=SEED),), min_length=1, max_length=100
    )
    """Always called, outside the pool: the floor of quality. The first one is what the referee compares with."""
    referee: RefereeConfig = RefereeConfig()
    """Who judges; in the other recipes, too."""
    selection: Selection = "dual"
    """What the choice ranks by: `dual` (gap × referee: the method), `gap`, `ifd` (highest of the small model),
    `referee`, `random`, or `base` (base pairs only)."""
    candidates: int = Field(default=4, ge=1, le=1000)
    """M: pairs drawn per seed, besides the base pairs."""
    show_reference: bool = False
    """Show the seed's own response to the response agents as something to improve on."""
    reward: Reward = "judged"
    """Who is rewarded: the `chosen` pair; `judged`: every drawn pair whose π the choice came to know, and of the others
    nothing is learned; or `all`: every drawn pair with its own π, for which every candidate is judged."""

"""What recipes did and what they draw from, whatever their method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from star_agents.observe.status.model import view_model


@view_model
class Measured:
    """What came of something that a recipe measures of its trials."""

    name: str
    low: float
    """Where the histogram begins; what lies below counts in its first bin."""
    high: float
    """Where it ends; what lies above counts in its last bin."""
    better: Literal["high", "low", ""]
    """Which way is better; empty where neither is."""
    what: str
    """In words."""
    values: int
    """How many there are; a trial of which it could not be measured has none."""
    mean: float | None
    """Of the values; null before the first."""
    sum: float
    """Of the values."""
    histogram: Sequence[int]
    """Values by bins of equal width."""


@view_model
class RefusedArm:
    """What was refused of the instructions that an arm was drawn for."""

    recipe: str
    arm: str
    instructions: int
    """That came of it."""
    refused: int
    reasons: Mapping[str, int]
    """How many for each, the most frequent first."""


@view_model
class RecipeState:
    """What a recipe did over the life of the store."""

    takes: Sequence[str]
    """Kinds of seeds: ``sample``, ``instruction``, ``document``."""
    in_chain: bool
    """Whether agents.yaml has it; what is no longer there keeps its numbers."""
    outcomes: Mapping[str, int]
    """Seeds by what became of them: ``kept``, ``base``, ``dropped``."""
    rows: Mapping[str, int]
    """What it gave to the dataset, by shape: ``sft``, ``preference``, ``reward``, ``instruction``."""
    children: int
    """Seeds that it gave to the next recipe."""
    trials: int
    """Attempts at seeds, failed ones included."""
    failed_trials: Mapping[str, int]
    """By kind of failure."""
    measures: Mapping[str, Measured]
    """By name, in the order in which the recipe declares them."""


@view_model
class JudgeScale:
    """What the rewards of a judge that is a reward model stand for, in points."""

    judge: str
    """``reward:MODEL``."""
    target: str
    """Who learns; empty where nobody does."""
    jury: Sequence[str]
    """Who judges."""
    battles: int
    """That were measured for it so far."""
    wanted: int
    """That it is made of."""
    scale: str
    """Its name; empty before it is made."""
    same_winner: float | None
    """Share of its battles in which the other judges name the same winner, from 0 to 1; null where nobody knows."""
    seeds_waiting: int
    """Seeds that are decided once it is made."""
    sentence: str
    """All of it in words."""


@view_model
class Grown:
    """How an arm came into a pool to which its recipe added it while it worked."""

    what: str
    """In words."""
    seq: int
    """Number of the outcome that added it."""
    evidence: Sequence[str]
    """Ids of the seeds that it was made from."""
    retired: str
    """Why it is drawn no more; empty while it is."""
    retired_seq: int
    """Number of the outcome that took it out; 0 while it is drawn from."""


@view_model
class Arm:
    """What an arm of a pool was drawn for, and what it earned."""

    probability: float | None
    """With which it is drawn; null for one that is gone."""
    probability_at_start: float | None
    """Likewise when it came."""
    came_later: bool
    """Whether it came to the pool after the first ones."""
    mark: str
    """What else is said of it, in a few words; mostly nothing."""
    draws: int
    rewards: int
    mean_reward: float | None
    """From 0 to 1; null before the first."""
    grown: Grown | None = None
    """Null for one that its recipe declares."""


@view_model
class Pool:
    """What a recipe draws from."""

    arms: Mapping[str, Arm]
    """By name: those that it declares in its order, then those that are gone."""

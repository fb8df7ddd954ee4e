"""What became of one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from star_agents.records.failures import Tried
from star_agents.records.seeds import Seed
from star_agents.records.star import Assessed
from star_agents.records.trials import Judgement, Reward, Row, RowShape, Trial

OutcomeKind = Literal["kept", "base", "dropped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one seed. Every lease of a seed ends in exactly one of these."""

    seed_id: str
    kind: OutcomeKind
    """``kept``: a sampled pair's candidate, or what a recipe made; ``base``: a base pair's, or the seed as it was;
    ``dropped``: nothing usable, see ``reason``."""
    reason: str = ""
    candidates: tuple[Assessed, ...] = ()
    chosen: int | None = None
    """Index into ``candidates``; ``None`` exactly when dropped."""
    rewards: tuple[tuple[str, float], ...] = ()
    """Pair name and π for each pair that Eq. 8 rewards, in order of drawing."""
    cost_usd: float | None = 0.0
    """What this seed's calls cost; ``None`` where any price is unknown."""
    tried: tuple[Tried, ...] = ()
    """What was asked of each part, and what of it failed."""
    recipe: str = "star"
    """Which recipe made it."""
    rows: tuple[Row, ...] = ()
    """What it gives to the dataset."""
    children: tuple[Seed, ...] = ()
    """Seeds for the next recipe, queued in the transaction of this outcome."""
    trials: tuple[Trial, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    earned: tuple[Reward, ...] = ()
    """What the arms that were drawn for this seed earned."""
    worth: float | None = None
    """In [0, 1]: what it is worth to the arms in the seed's labels, which were drawn for its parents; ``None``: that is
    not known. Where it has children, they speak for it."""
    drawn: tuple[tuple[str, str], ...] = ()
    """Pool and arm of every draw for this seed, Star's pairs aside."""
    is_fault: bool = False
    """Dropped for a fault in the code of its recipe, which says nothing of what was drawn for it: that is learned from
    once it was tried again."""

    @property
    def winner(self) -> Assessed | None:
        """The chosen candidate."""
        return None if self.chosen is None else self.candidates[self.chosen]

    @property
    def shapes(self) -> tuple[RowShape, ...]:
        """Of every row that it gives to the dataset; a chosen candidate is one to fine-tune on."""
        return (*(row.shape for row in self.rows), *(() if self.winner is None else ("sft",)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store, where the children stand as seeds."""
        return {
            "seed_id": self.seed_id,
            "kind": self.kind,
            "reason": self.reason,
            "candidates": [assessed.to_dict() for assessed in self.candidates],
            "chosen": self.chosen,
            "rewards": [list(reward) for reward in self.rewards],
            "cost_usd": self.cost_usd,
            "tried": [tried.to_dict() for tried in self.tried],
            "recipe": self.recipe,
            "rows": [row.to_dict() for row in self.rows],
            "trials": [trial.to_dict() for trial in self.trials],
            "judgements": [judgement.to_dict() for judgement in self.judgements],
            "earned": [reward.to_dict() for reward in self.earned],
            "worth": self.worth,
            "drawn": [list(one) for one in self.drawn],
            **({"is_fault": True} if self.is_fault else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``; outcomes of older releases have no more than Star's parts."""
        return cls(
            seed_id=data["seed_id"],
            kind=data["kind"],
            reason=data["reason"],
            candidates=tuple(Assessed.from_dict(item) for item in data["candidates"]),
            chosen=data["chosen"],
            rewards=tuple((pair, value) for pair, value in data["rewards"]),
            cost_usd=data["cost_usd"],
            tried=tuple(Tried.from_dict(tried) for tried in data.get("tried", ())),
            recipe=data.get("recipe", "star"),
            rows=tuple(Row.from_dict(row) for row in data.get("rows", ())),
            trials=tuple(Trial.from_dict(trial) for trial in data.get("trials", ())),
            judgements=tuple(Judgement.from_dict(one) for one in data.get("judgements", ())),
            earned=tuple(Reward.from_dict(reward) for reward in data.get("earned", ())),
            worth=data.get("worth"),
            drawn=tuple((pool, arm) for pool, arm in data.get("drawn", ())),
            is_fault=data.get("is_fault", False),
        )

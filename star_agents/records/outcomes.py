"""What became of one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self, TypeVar

from star_agents.records.failures import Tried, all_tried
from star_agents.records.findings import Finding
from star_agents.records.grown_arms import NewArm, RetiredArm
from star_agents.records.replies import total_usd
from star_agents.records.seeds import Seed
from star_agents.records.trials import Judgement, Reward, Row, RowShape, Trial
from star_agents.records.wording import Claim

OutcomeKind = Literal["kept", "base", "dropped"]
T = TypeVar("T")


class Gather(Protocol):
    """Makes records of plain data, at once or when they are asked for."""

    def __call__(self, read: Callable[[Any], T], plain: Sequence[Any], /) -> Sequence[T]:
        """One record of each."""


def _at_once(read: Callable[[Any], T], plain: Sequence[Any], /) -> Sequence[T]:
    return tuple(map(read, plain))


def chosen_of(rows: Sequence[Row]) -> tuple[int, ...]:
    """Places of the trials that one of these rows is made of, each once."""
    if len(rows) == 1 and len(rows[0].from_trials) < 2:
        return rows[0].from_trials  # As it mostly is.
    return tuple(dict.fromkeys(place for row in rows for place in row.from_trials))


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one seed. Every lease of a seed ends in exactly one of these."""

    seed_id: str
    kind: OutcomeKind
    """``kept``: something new came of it; ``base``: nothing better than what was there before, which stays;
    ``dropped``: nothing usable, see ``reason``."""
    reason: str = ""
    cost_usd: float | None = 0.0
    """What this seed's calls cost; ``None`` where any price is unknown."""
    tried: Sequence[Tried] = ()
    """What was asked of each part, and what of it failed."""
    recipe: str = "star"
    """Which recipe made it."""
    rows: tuple[Row, ...] = ()
    """What it gives to the dataset."""
    children: tuple[Seed, ...] = ()
    """Seeds for the next recipe, queued in the transaction of this outcome."""
    trials: Sequence[Trial] = ()
    judgements: Sequence[Judgement] = ()
    earned: Sequence[Reward] = ()
    """What the arms that were drawn for this seed earned, in order of drawing."""
    worth: float | None = None
    """In [0, 1]: what it is worth to the arms in the seed's labels, which were drawn for its parents; ``None``: that is
    not known. Where it has children, they speak for it."""
    drawn: tuple[tuple[str, str], ...] = ()
    """Pool and arm of every draw for this seed."""
    is_fault: bool = False
    """Dropped for a fault in the code of its recipe, which says nothing of what was drawn for it: that is learned from
    once it was tried again."""
    claims: tuple[Claim, ...] = ()
    """Of its instructions those that are admitted only where no earlier one is nearly the same; not kept with it."""
    recalled: int | None = None
    """How many of the drawn arms a memory bank proposed; ``None`` where no pool with one was drawn from."""
    added: tuple[NewArm, ...] = ()
    """Arms that it adds to pools of its recipe."""
    retired: tuple[RetiredArm, ...] = ()
    """Arms that were added before and that it takes out of them."""
    findings: tuple[Finding, ...] = ()
    """What admission has against its rows and children, or its seed; what it refused stands here and not among them."""

    @property
    def chosen(self) -> tuple[int, ...]:
        """Places of the trials that a row is made of, each once."""
        return chosen_of(self.rows)

    @property
    def winner(self) -> Trial | None:
        """The first of the chosen trials."""
        places = self.chosen
        return self.trials[places[0]] if places else None

    @property
    def shapes(self) -> tuple[RowShape, ...]:
        """Of every row that it gives to the dataset."""
        return tuple(row.shape for row in self.rows)

    def judgements_of(self, place: int) -> tuple[Judgement, ...]:
        """What judges said of one trial against another."""
        return tuple(one for one in self.judgements if one.left == place)

    def added_to(self, so_far: Outcome) -> Outcome:
        """What stands of a seed that was worked once more to add to what came of it; where nothing came of that, what
        stood before. What was drawn, earned and heard of it stays: nothing is learned from one draw twice."""
        stands = so_far if self.kind == "dropped" else self
        return replace(
            stands,
            cost_usd=total_usd((so_far.cost_usd, self.cost_usd)),
            tried=all_tried((*so_far.tried, *self.tried)),
            earned=so_far.earned,
            worth=so_far.worth,
            drawn=so_far.drawn,
            recalled=so_far.recalled,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, where the children stand as seeds."""
        return {
            **self.summary(),
            "rows": [row.to_dict() for row in self.rows],
            "trials": [trial.to_dict() for trial in self.trials],
            "judgements": [judgement.to_dict() for judgement in self.judgements],
            **({"findings": [one.to_dict() for one in self.findings]} if self.findings else {}),
        }

    def summary(self) -> dict[str, Any]:
        """The same without the parts that a store keeps in tables of their own."""
        return {
            "seed_id": self.seed_id,
            "kind": self.kind,
            "reason": self.reason,
            "cost_usd": self.cost_usd,
            "tried": [tried.to_dict() for tried in self.tried],
            "recipe": self.recipe,
            "earned": [reward.to_dict() for reward in self.earned],
            "worth": self.worth,
            "drawn": [list(one) for one in self.drawn],
            **({"is_fault": True} if self.is_fault else {}),
            "recalled": self.recalled,
            **({"added": [one.to_dict() for one in self.added]} if self.added else {}),
            **({"retired": [one.to_dict() for one in self.retired]} if self.retired else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, gather: Gather = _at_once) -> Self:
        """Inverse of ``to_dict``; of older releases some parts may be missing. ``gather`` makes those parts of which
        most are seldom looked at."""
        return cls(
            seed_id=data["seed_id"],
            kind=data["kind"],
            reason=data["reason"],
            cost_usd=data["cost_usd"],
            tried=gather(Tried.from_dict, data.get("tried", ())),
            recipe=data.get("recipe", "star"),
            rows=tuple(Row.from_dict(row) for row in data.get("rows", ())),
            trials=gather(Trial.from_dict, data.get("trials", ())),
            judgements=gather(Judgement.from_dict, data.get("judgements", ())),
            earned=gather(Reward.from_dict, data.get("earned", ())),
            worth=data.get("worth"),
            drawn=tuple((pool, arm) for pool, arm in data.get("drawn", ())),
            is_fault=data.get("is_fault", False),
            recalled=data.get("recalled"),
            added=tuple(NewArm.from_dict(one) for one in data.get("added", ())),
            retired=tuple(RetiredArm.from_dict(one) for one in data.get("retired", ())),
            findings=tuple(Finding.from_dict(one) for one in data.get("findings", ())),
        )

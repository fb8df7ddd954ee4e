"""What admission has against rows, children and seeds: which filter, why, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from star_agents.records.failures import CountedFailure, Tried, joined, one_line
from star_agents.records.flat import Flat
from star_agents.records.trials import Row

Action = Literal["refused", "reported", "redacted", "spare"]
"""``refused``: it is not in the dataset, or was not worked; ``reported``: it is, and this is told; ``redacted``: it is,
without what was found; ``spare``: nothing is wrong with it, and there are rows enough (``target_rows``, ``quota``)."""
OfferedKind = Literal["row", "child", "seed", "trial"]
"""``row``: of the dataset; ``child``: a seed that an outcome makes for the next recipe; ``seed``: one from outside,
before anything is paid for it; ``trial``: an attempt that no row is made of, and preference pairs may be."""
ARM_OF = ": "
"""Between a recipe and its arm, in the name of what was tried."""
LONGEST_EVIDENCE = 300
"""Characters of what was found that are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection(Flat):
    """Why a filter would not admit something."""

    filter: str
    reason: str
    """In words of which there are few: it is counted by them."""
    evidence: str = ""
    """What was found, in one line, ``LONGEST_EVIDENCE`` at most."""
    points_at: str = ""
    """What it repeats or matches: ``SEED:row N`` or ``SEED:trial N``, counted from 0, ``SEED``, or ``FILE:LINE``."""

    @property
    def counted(self) -> CountedFailure:
        """As it is counted."""
        said = " ".join(filter(None, [self.evidence, f"({self.points_at})" if self.points_at else ""]))
        return CountedFailure(reason=f"{self.filter}: {self.reason}", example=one_line(said))


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """An objection, and what became of what it is about."""

    objection: Objection
    action: Action
    kind: OfferedKind
    place: int = 0
    """Among the rows, children or trials of the outcome as its recipe gave it."""
    row: Row | None = None
    """What was refused, a child as a row of an instruction; ``None`` where it stands elsewhere: among the rows, or as
    the seed itself."""
    arms: tuple[str, ...] = ()
    """Of the trials behind it."""

    @property
    def is_kept_out(self) -> bool:
        """Whether what it is about is not in the dataset."""
        return self.action in ("refused", "spare")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the store."""
        return {
            **self.objection.to_dict(),
            "action": self.action,
            "kind": self.kind,
            "place": self.place,
            "arms": list(self.arms),
            **({"row": self.row.to_dict()} if self.row else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``; the row may have been cleared."""
        names = ("filter", "reason", "evidence", "points_at")
        return cls(
            objection=Objection(**{name: data[name] for name in names}),
            action=data["action"],
            kind=data["kind"],
            place=data["place"],
            row=Row.from_dict(data["row"]) if data.get("row") else None,
            arms=tuple(data["arms"]),
        )


def tried_by_admission(
    findings: Iterable[Finding], recipe: str, arms: Mapping[str, int], *, offered: int
) -> list[Tried]:
    """What admission refused and reported of an outcome's rows and children, by recipe and by arm. Pure.

    Args:
        findings: Of one outcome.
        recipe: Who gave it.
        arms: How many rows and children each arm has a part in; none where they are counted elsewhere.
        offered: How many there are.
    """
    of_rows = [one for one in findings if one.kind in ("row", "child")]
    refused = [one for one in of_rows if one.action == "refused"]
    told = [one for one in of_rows if one.action != "refused"]
    tried = [Tried(part="rows", name=recipe, tries=offered, failures=joined(one.objection.counted for one in refused))]
    if told:
        failures = joined(one.objection.counted for one in told)
        tried.append(Tried(part="reported", name=recipe, tries=offered, failures=failures))
    for arm, n in sorted(arms.items()):
        failures = joined(one.objection.counted for one in refused if arm in one.arms)
        tried.append(Tried(part="arm", name=f"{recipe}{ARM_OF}{arm}", tries=n, failures=failures))
    return tried

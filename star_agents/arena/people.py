"""Pairs of answers that people judged, and how far these people agree among themselves. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from star_agents.arena.agreement import SIDES, Side, kappa
from star_agents.records import Flat


@dataclass(frozen=True, kw_only=True, slots=True)
class PeoplesPair(Flat):
    """Two answers to one prompt, and what people say of them."""

    id: str
    """Equal pairs have one."""
    prompt: str
    """Id of what both answer; pairs over one prompt are not independent."""
    votes: tuple[Side, ...]
    """Of each annotator, in one order over all pairs."""
    first_chars: int
    second_chars: int

    @property
    def label(self) -> Side | None:
        """What more of them say than anything else; ``None`` where two verdicts have as many."""
        (side, most), *others = Counter(self.votes).most_common()
        return None if others and others[0][1] == most else side

    @property
    def longer(self) -> Side:
        """Which answer has more characters."""
        if self.first_chars == self.second_chars:
            return "tie"
        return "first" if self.first_chars > self.second_chars else "second"


@dataclass(frozen=True, kw_only=True, slots=True)
class People(Flat):
    """Those who judged the pairs."""

    annotators: int
    unanimous: int
    """Pairs of which all say the same."""
    undecided: int
    """Pairs of which no verdict has the most votes: no judge can be held to them."""
    labels: dict[str, int]
    """Pairs by the verdict that has the most votes."""
    kappas: tuple[float | None, ...]
    """Cohen's kappa of each two annotators; none where the number of votes changes from pair to pair."""


def people(pairs: Sequence[PeoplesPair]) -> People:
    """How many people judged the pairs, what they said, and how far they agree with each other."""
    numbers = {len(one.votes) for one in pairs}
    labels = Counter(one.label for one in pairs)
    annotators = max(numbers, default=0)
    compared = combinations(range(annotators), 2) if len(numbers) == 1 else ()
    return People(
        annotators=annotators,
        unanimous=sum(len(set(one.votes)) == 1 for one in pairs),
        undecided=labels[None],
        labels={side: labels[side] for side in SIDES},
        kappas=tuple(kappa([(pair.votes[one], pair.votes[other]) for pair in pairs]) for one, other in compared),
    )

"""Sums over what judges said, by recipe; kept in the transaction that adds to them (``tallies``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from star_agents.records import Judgement, Outcome, verdict_of
from star_agents.storage.recipe_tallies import Key, items, key
from star_agents.storage.rows import per

_VERDICTS = "judges.verdicts"
_VOTES = "judges.votes"


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeTally:
    """What the judges of one recipe said; of a jury all judges together come to one verdict."""

    wins: int = 0
    """Verdicts that the left trial is the better."""
    losses: int = 0
    ties: int = 0
    without_verdict: int = 0
    """Comparisons without a verdict that can be read; they count in none of the three above."""
    won_by_tie: int = 0
    """Seeds of which something new was kept by no more than a tie: something else decided."""
    readable: int = 0
    """Votes."""
    unreadable: int = 0
    """Votes in which a reply held no verdict even when asked once more: no votes at all."""
    agreed: int = 0
    """Readable votes of judges that were asked in both orders, and said the same in both."""
    disagreed: int = 0

    @property
    def verdicts(self) -> int:
        """Comparisons that came to a verdict."""
        return self.wins + self.losses + self.ties

    @property
    def both_orders(self) -> int:
        """Readable votes of judges that were asked in both orders."""
        return self.agreed + self.disagreed

    @property
    def agreement(self) -> float | None:
        """Share of them in which both orders said the same."""
        return per(self.agreed, self.both_orders)


def count(outcome: Outcome) -> Counter[Key]:
    """What one outcome adds. Pure."""
    counted: Counter[Key] = Counter()
    if not outcome.judgements:
        return counted
    compared: dict[tuple[int, int], list[Judgement]] = {}
    for one in outcome.judgements:
        compared.setdefault((one.left, one.right), []).append(one)
    winner = next(iter(outcome.chosen), None)
    for (left, _), said in compared.items():
        votes = [one for one in said if one.judge]
        if not votes:
            continue  # Nobody answered.
        value = verdict_of(said)
        counted[key(_VERDICTS, outcome.recipe, _side(value))] += 1
        if value == 0.5 and outcome.kind == "kept" and left == winner:
            counted[key(_VERDICTS, outcome.recipe, "won_by_tie")] += 1
        for vote in votes:
            counted[key(_VOTES, outcome.recipe, "readable" if vote.readable else "unreadable")] += 1
            if vote.readable and vote.orders > 1:
                counted[key(_VOTES, outcome.recipe, "agreed" if vote.agreed else "disagreed")] += 1
    return counted


def judges(rows: Mapping[Key, int]) -> dict[str, JudgeTally]:
    """What was counted, by recipe."""
    found: dict[str, dict[str, int]] = {}
    for name in (_VERDICTS, _VOTES):
        for (recipe, item), n in items(rows, name):
            found.setdefault(str(recipe), {})[_FIELDS.get(str(item), str(item))] = n
    return {recipe: JudgeTally(**counts) for recipe, counts in sorted(found.items())}


_FIELDS = {"none": "without_verdict"}
"""Of ``JudgeTally``, where it is called otherwise in the table."""


def _side(value: float | None) -> str:
    if value is None:
        return "none"
    return "wins" if value > 0.5 else "losses" if value < 0.5 else "ties"

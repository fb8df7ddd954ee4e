"""How far a judge says what people say: accuracy, Cohen's kappa, and what its two orders do to them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from star_agents.records import Flat
from star_agents.scheduling.win_rates import WinRate, win_rate

Side = Literal["first", "second", "tie"]
"""Which of two answers is better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled(Flat):
    """A pair of answers that people judged, and what a judge said of it in each order."""

    label: Side
    """By people: the majority."""
    forward: Side | None
    """The judge's, with the first answer shown first; ``None``: it could not be read."""
    backward: Side | None = None
    """The judge's, with the second one shown first, told in terms of the pair as it stands in the data."""

    @property
    def verdict(self) -> Side | None:
        """Both orders together: what both say, else a tie; ``None`` where one cannot be read."""
        if self.forward is None or self.backward is None:
            return None
        return self.forward if self.forward == self.backward else "tie"


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement(Flat):
    """A judge against people."""

    pairs: int
    unreadable: int
    """Pairs of which an order could not be read: they are in none of what follows."""
    right: int
    kappa: float | None
    """Cohen's (1960), over first, second and tie; ``None`` where chance alone would agree always."""
    decided: int
    """Pairs that people decided, and the judge too."""
    decided_right: int
    consistent: int
    """Pairs of which both orders say the same."""
    for_first_shown: int
    """Pairs of which both orders name what was shown first."""
    for_second_shown: int

    @property
    def accuracy(self) -> WinRate:
        """Share of readable pairs on which judge and people say the same of first, second and tie."""
        return win_rate(self.right, self.pairs - self.unreadable)

    @property
    def decided_accuracy(self) -> WinRate:
        """Likewise where neither says tie."""
        return win_rate(self.decided_right, self.decided)


def agreement(pairs: Sequence[Labelled]) -> Agreement:
    """Count."""
    read = [(one, one.verdict) for one in pairs if one.verdict is not None]
    decided = [(one.label, verdict) for one, verdict in read if "tie" not in (one.label, verdict)]
    return Agreement(
        pairs=len(pairs),
        unreadable=len(pairs) - len(read),
        right=sum(one.label == verdict for one, verdict in read),
        kappa=kappa([(one.label, verdict) for one, verdict in read]),
        decided=len(decided),
        decided_right=sum(label == verdict for label, verdict in decided),
        consistent=sum(one.forward == one.backward for one, _ in read),
        for_first_shown=sum((one.forward, one.backward) == ("first", "second") for one, _ in read),
        for_second_shown=sum((one.forward, one.backward) == ("second", "first") for one, _ in read),
    )


def kappa(said: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two raters: their agreement beyond what their own shares would give by chance.

    Cohen, J.: A coefficient of agreement for nominal scales. Educational and Psychological Measurement 20 (1960).
    """
    if not said:
        return None
    observed = sum(one == other for one, other in said) / len(said)
    ones, others = Counter(one for one, _ in said), Counter(other for _, other in said)
    chance = sum(ones[name] * others[name] for name in ones) / len(said) ** 2
    return None if chance == 1 else (observed - chance) / (1 - chance)

"""Sums over all outcomes, kept in the transaction that adds to them: gaps, verdicts, draws, what each pair won,
and what recipes did (``recipe_tallies``).

A sum over a hundred thousand seeds is read as fast as one over ten. Every outcome counts, a dropped one that was
queued again included.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from star_agents.records import Outcome
from star_agents.records.failures import FailureCount
from star_agents.storage import recipe_tallies
from star_agents.storage.failure_tallies import add_tried, failure_counts
from star_agents.storage.recipe_tallies import ArmTally, RecipeTally
from star_agents.storage.rows import per
from star_agents.storage.sql import execute, queries
from star_agents.storage.stranded import Stranded, stranded
from star_agents.text.plain_data import from_json

GAP_LOW = -1.0
GAP_WIDTH = 0.05
GAP_BINS = 40
_EDGES = tuple((number - 20) / 20 for number in range(1, GAP_BINS))
"""Where one bin ends and the next begins, each the float nearest to its decimal."""

Key = tuple[str, str]
"""What is counted, and what of it: ``("gaps.chosen", "23")``, ``("pairs.won", "keep/gpt")``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tallies:
    """What was counted so far."""

    gaps_chosen: tuple[int, ...] = (0,) * GAP_BINS
    """Chosen candidates by gap: bins of ``GAP_WIDTH`` from ``GAP_LOW`` on; the first and last hold all beyond."""
    gaps_others: tuple[int, ...] = (0,) * GAP_BINS
    """Likewise the scored candidates that were not chosen."""
    drawn: Mapping[str, int] = field(default_factory=dict[str, int])
    """Candidates by pair, base pairs left out."""
    won: Mapping[str, int] = field(default_factory=dict[str, int])
    """Those of them that were chosen."""
    wins: int = 0
    """Candidates that referees found better than the base."""
    losses: int = 0
    ties: int = 0
    without_verdict: int = 0
    """Candidates that were judged without a verdict that can be read; they count in none of the three above."""
    won_by_tie: int = 0
    """Improved seeds whose winner was no more than a tie with the base: its gap decided (Eq. 7)."""
    both_orders: int = 0
    """Readable votes of referees that were asked in both orders; a jury gives several for one candidate."""
    agree: int = 0
    """Those of them in which both orders said the same."""
    unreadable: int = 0
    """Votes, in one order or both, in which a reply held no verdict even when asked once more: no votes at all."""
    hits: int = 0
    """Outcomes with a pair that the memory bank proposed."""
    misses: int = 0
    """Outcomes whose pairs were all drawn from the whole pool."""
    failures: tuple[FailureCount, ...] = ()
    """What was tolerated, by part and reason."""
    recipes: tuple[RecipeTally, ...] = ()
    """What each recipe did: those of the chain in its order, then others."""
    pools: Mapping[str, Mapping[str, ArmTally]] = field(default_factory=dict[str, Mapping[str, ArmTally]])
    """By pool and arm, Star's pairs aside."""
    stranded: tuple[Stranded, ...] = ()
    """Seeds that wait for a recipe which is not in the chain."""

    @property
    def draws(self) -> int:
        """Outcomes for which pairs were drawn."""
        return self.hits + self.misses

    @property
    def verdicts(self) -> int:
        """Candidates that referees compared with the base, and came to a verdict on."""
        return self.wins + self.losses + self.ties

    @property
    def agreement(self) -> float | None:
        """Share of the readable votes in which both orders said the same."""
        return per(self.agree, self.both_orders)


def add_outcome(connection: sqlite3.Connection, outcome: Outcome, *, revision: int, at: float) -> None:
    """Count one outcome that is being committed at a moment (seconds since 1970)."""
    has_votes = any(one.verdict is not None and one.verdict.votes for one in outcome.candidates)
    found = execute(connection, "referee_orders", revision=revision).fetchone() if has_votes else None
    counted = count(outcome, both_orders=found is None or found[0] == "both")
    drawn = execute(connection, "newest_draw", seed_id=outcome.seed_id).fetchone()
    if drawn is not None:
        counted["draws", "hits" if from_json(drawn[0]).get("from_memory") else "misses"] += 1
    rows = [{"name": name, "item": item, "n": n} for (name, item), n in counted.items()]
    connection.executemany(queries()["add_to_tally"], rows)
    add_tried(connection, outcome.tried, at=at)


def count(outcome: Outcome, *, both_orders: bool) -> Counter[Key]:
    """What one outcome adds. Pure."""
    counted: Counter[Key] = Counter()
    for one in outcome.candidates:
        is_chosen = one is outcome.winner
        if is_chosen and outcome.kind == "kept" and one.verdict is not None and one.verdict.value == 0.5:
            counted["referee", "won_by_tie"] += 1
        if one.score is not None and one.score.gap is not None:
            counted["gaps.chosen" if is_chosen else "gaps.others", str(gap_bin(one.score.gap))] += 1
        if not one.candidate.is_base:
            counted["pairs.drawn", one.candidate.pair.name] += 1
            if is_chosen:
                counted["pairs.won", one.candidate.pair.name] += 1
        if one.verdict is not None and one.verdict.votes:
            counted["referee", _side(one.verdict.value)] += 1
            for vote in one.verdict.votes:
                counted["votes", "readable" if vote.readable else "unreadable"] += 1
                if both_orders and vote.readable:
                    counted["votes", "agreed" if vote.agreed else "disagreed"] += 1
    return counted


def _side(value: float | None) -> str:
    if value is None:
        return "none"
    return "wins" if value > 0.5 else "losses" if value < 0.5 else "ties"


def gap_bin(gap: float) -> int:
    """Number of the bin that a gap falls into."""
    return bisect_right(_EDGES, gap)


def tallies(connection: sqlite3.Connection) -> Tallies:
    """Everything that was counted, from a table of a few rows."""
    rows = {(name, item): n for name, item, n in execute(connection, "tallies")}
    agreed = rows.get(("votes", "agreed"), 0)
    return Tallies(
        gaps_chosen=_bins(rows, "gaps.chosen"),
        gaps_others=_bins(rows, "gaps.others"),
        drawn=_items(rows, "pairs.drawn"),
        won=_items(rows, "pairs.won"),
        wins=rows.get(("referee", "wins"), 0),
        losses=rows.get(("referee", "losses"), 0),
        ties=rows.get(("referee", "ties"), 0),
        won_by_tie=rows.get(("referee", "won_by_tie"), 0),
        without_verdict=rows.get(("referee", "none"), 0),
        both_orders=agreed + rows.get(("votes", "disagreed"), 0),
        agree=agreed,
        unreadable=rows.get(("votes", "unreadable"), 0),
        hits=rows.get(("draws", "hits"), 0),
        misses=rows.get(("draws", "misses"), 0),
        failures=failure_counts(connection),
        recipes=recipe_tallies.recipes(connection, rows),
        pools=recipe_tallies.pools(rows),
        stranded=stranded(connection),
    )


def _bins(rows: Mapping[Key, int], name: str) -> tuple[int, ...]:
    return tuple(rows.get((name, str(number)), 0) for number in range(GAP_BINS))


def _items(rows: Mapping[Key, int], name: str) -> dict[str, int]:
    return {item: n for (of, item), n in sorted(rows.items()) if of == name}

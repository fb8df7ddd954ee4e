"""How many rows the dataset is to have: exactly so many enter it, and no more seeds are taken than they need. Pure.

Whether a row enters is decided in the transaction of its outcome, so the number holds whatever is killed. What comes of
seeds that were in hand when the last row came, and rows above a quota, are *spare*: the store keeps them beside the
rows, and they enter when the number is raised, before anything is paid for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from star_agents.config.target import QuotaConfig, TargetConfig
from star_agents.records import Outcome, Row, Seed
from star_agents.records.findings import Finding, Objection
from star_agents.records.row_labels import NONE, labels_of_row, value_of
from star_agents.storage.target_facts import target_sentence

TARGET, QUOTA = "target_rows", "quota"
"""What keeps a row out, named as filters are."""
_IN_VAIN = 50
"""Rows above a quota of a label that none of them has, after which no more are paid for."""
_JUDGED_FROM = 50
"""Seeds that have ended before anything is said of how many rows they give."""


@dataclass
class RowCounts:
    """Rows that are in the dataset."""

    rows: int = 0
    by: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """Label of a quota to its values."""
    spare: int = 0
    above_quota: int = 0
    """Of the spare ones those that a quota keeps back."""


@dataclass
class Given:
    """What seeds gave that have ended; those with children speak through them."""

    seeds: int = 0
    rows: int = 0
    squares: int = 0

    def add(self, rows: int) -> None:
        """One more seed has ended."""
        self.seeds, self.rows, self.squares = self.seeds + 1, self.rows + rows, self.squares + rows * rows

    @property
    def mean(self) -> float | None:
        """Rows a seed; ``None`` before the first one."""
        return self.rows / self.seeds if self.seeds else None

    @property
    def most_likely(self) -> float:
        """Upper end of the mean's 95 % interval; at least 3 in as many seeds as there were (the rule of three)."""
        mean = self.rows / self.seeds
        variance = max(0.0, self.squares / self.seeds - mean * mean)
        return max(mean + 1.96 * math.sqrt(variance / self.seeds), 3 / self.seeds)


class TargetRows:
    """The rows that are wanted, and those that are there.

    Args:
        wanted: How many, of which shape.
        quotas: The most of them with one value of a label.
        counts: Those that are there.
        given: What ended seeds gave, those of earlier runs included.
    """

    def __init__(self, wanted: TargetConfig, quotas: Sequence[QuotaConfig], counts: RowCounts, given: Given) -> None:
        self.wanted, self.quotas, self.counts, self.given = wanted, tuple(quotas), counts, given

    @property
    def room(self) -> int:
        """Rows that are wanted still."""
        return max(0, self.wanted.rows - self.counts.rows)

    def suffices(self, in_hand: int) -> bool:
        """Whether so many seeds in hand are expected to give the rows that are wanted still."""
        if not self.room or self.unknown_label:
            return True
        each = 1.0 if self.given.mean is None else self.given.mean
        return in_hand > 0 and in_hand * each >= self.room

    @property
    def unknown_label(self) -> str:
        """That a quota is of a label that no row has, once that has made so many rows spare, in a sentence."""
        if self.counts.above_quota < _IN_VAIN:
            return ""
        for quota in self.quotas:
            of_values = self.counts.by.get(quota.by, Counter[str]())
            if of_values[NONE] >= self.most_of(quota) and not any(n for one, n in of_values.items() if one != NONE):
                return (
                    f"quota: no row has a label {quota.by}, so all count as alike and {self.counts.above_quota:,} are "
                    f"above it; name another one in agents.yaml, as `export --by` knows them"
                )
        return ""

    def seeds_needed(self, to_come: int) -> int:
        """How many of so many seeds are expected to be needed still."""
        return seeds_needed(self.room, to_come, seeds=self.given.seeds, rows=self.given.rows)

    def most_of(self, quota: QuotaConfig) -> int:
        """The most rows of one value."""
        share = Fraction(repr(quota.at_most))  # As it is written: 0.29 of 100 are 29, and in binary less.
        return max(1, math.floor(share * self.wanted.rows))

    def divided(self, outcome: Outcome, seed: Seed, before: Outcome | None = None) -> tuple[Outcome, RowCounts]:
        """An outcome without its spare rows, which stand among its findings; and how many rows it adds. It may take the
        place of one that was there before."""
        kept, spare, added = list[Row](), list[Finding](), RowCounts()
        if before is not None:
            self._without(before, seed, added)
        for place, row in enumerate(outcome.rows):
            objection = None if row.shape != self.wanted.shape else self.objection(outcome, row, seed, added)
            if objection is None:
                kept.append(row)
            else:
                spare.append(Finding(objection=objection, action="spare", kind="row", place=place, row=row))
                added.above_quota += objection.filter == QUOTA
        added.spare += len(spare)
        if spare:
            outcome = replace(outcome, rows=tuple(kept), findings=(*outcome.findings, *spare))
        return outcome, added

    def _without(self, before: Outcome, seed: Seed, added: RowCounts) -> None:
        for row in before.rows:
            if row.shape == self.wanted.shape:
                labels = labels_of_row(before, row, seed)
                added.rows -= 1
                for quota in self.quotas:
                    added.by.setdefault(quota.by, Counter())[value_of(labels, quota.by)] -= 1
        for one in filter(self._is_spare, before.findings):
            added.spare -= 1
            added.above_quota -= one.objection.filter == QUOTA

    def _is_spare(self, one: Finding) -> bool:
        return one.action == "spare" and one.row is not None and one.row.shape == self.wanted.shape

    def entered(self, outcome: Outcome, seed: Seed) -> tuple[Outcome, RowCounts]:
        """An outcome with those of its spare rows that enter now, and how many do; of other shapes all."""
        added = RowCounts()

        def enters(one: Finding, row: Row) -> bool:
            if row.shape != self.wanted.shape:
                return True
            is_wanted = self.objection(outcome, row, seed, added) is None
            added.above_quota -= is_wanted and one.objection.filter == QUOTA
            return is_wanted

        outcome = _with_spare(outcome, enters)
        added.spare = -added.rows
        return outcome, added

    def objection(self, outcome: Outcome, row: Row, seed: Seed, added: RowCounts) -> Objection | None:
        """Why a row does not enter beside those that do and those that were ``added``; counted there if it does."""
        if added.rows >= self.room:
            return Objection(filter=TARGET, reason="the rows that are wanted are there")
        labels = labels_of_row(outcome, row, seed)
        values = {one.by: value_of(labels, one.by) for one in self.quotas}
        for quota in self.quotas:
            value = values[quota.by]
            there = self.counts.by.get(quota.by, Counter[str]())[value] + added.by.get(quota.by, Counter[str]())[value]
            if there >= self.most_of(quota):
                told = f"{quota.by} {value} has its {self.most_of(quota):,} rows"
                return Objection(
                    filter=QUOTA, reason=f"its {quota.by} has all the rows that it may have", evidence=told
                )
        added.rows += 1
        for label, value in values.items():
            added.by.setdefault(label, Counter())[value] += 1
        return None

    def take(self, added: RowCounts) -> None:
        """Count what was committed."""
        self.counts.rows += added.rows
        self.counts.spare += added.spare
        self.counts.above_quota += added.above_quota
        for label, values in added.by.items():
            self.counts.by.setdefault(label, Counter()).update(values)

    def ended(self, outcome: Outcome, added: RowCounts) -> None:
        """Learn what a seed gives; rows above a quota help nobody."""
        if not outcome.children:
            self.given.add(added.rows + added.spare - added.above_quota)

    def shortfall(self, seeds_to_come: int) -> str:
        """Why the rows that are wanted will not come of so many seeds, in a sentence; empty where they may."""
        if not self.room or self.given.seeds < _JUDGED_FROM:
            return ""
        most = self.given.most_likely * seeds_to_come
        if most >= self.room:
            return ""
        mean = self.given.mean or 0.0
        return (
            f"target_rows will not be reached: {self.counts.rows:,} of {self.wanted.rows:,} rows are there, "
            f"{seeds_to_come:,} seeds are to come, and a seed gives {mean:.2f} rows, {self.given.most_likely:.2f} at "
            "the most (95 %); give more seeds, or a smaller number"
        )

    def missing(self) -> str:
        """What is missing at the end, in a sentence; empty where nothing is."""
        if not self.room:
            return ""
        above = self.counts.above_quota
        kept_back = f"; a quota keeps {above:,} more back" if above else ""
        return (
            f"the seeds gave {self.counts.rows:,} of the {self.wanted.rows:,} rows that target_rows asks for{kept_back}"
            ": give more seeds, or a smaller number"
        )

    @property
    def sentence(self) -> str:
        """Where it stands."""
        quotas = "; ".join(self._quota_told(one) for one in self.quotas)
        return target_sentence(self.wanted, self.counts.rows, self.counts.spare) + (f"; {quotas}" if quotas else "")

    def _quota_told(self, quota: QuotaConfig) -> str:
        most = self.counts.by.get(quota.by, Counter[str]()).most_common(1)
        fullest = f", most are of {most[0][0]}: {most[0][1]:,}" if most else ""
        return f"of one {quota.by} at most {self.most_of(quota):,}{fullest}"


def with_all_spare_rows(outcome: Outcome, seed: Seed) -> tuple[Outcome, RowCounts]:
    """An outcome with all of its spare rows, for where no number is wanted any more."""
    return _with_spare(outcome, lambda one, row: True), RowCounts()


def _with_spare(outcome: Outcome, enters: Callable[[Finding, Row], bool]) -> Outcome:
    rows, findings = list(outcome.rows), list[Finding]()
    for one in outcome.findings:
        if one.action == "spare" and one.row is not None and enters(one, one.row):
            rows.append(one.row)
        else:
            findings.append(one)
    if len(findings) == len(outcome.findings):
        return outcome
    return replace(outcome, rows=tuple(rows), findings=tuple(findings))


def seeds_needed(room: int, to_come: int, *, seeds: int, rows: int) -> int:
    """How many of the seeds to come are expected to be needed for the rows that are wanted still, as ``seeds`` gave
    ``rows``; all of them where nothing is known of that."""
    if not room:
        return 0
    return min(to_come, -(-room * seeds // rows)) if rows else to_come

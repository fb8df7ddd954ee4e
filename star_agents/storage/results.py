"""Finished seeds as a store hands them out: what rows are made of lies ready, and the rest is read when asked for.

Whoever writes a dataset looks at few fields of most seeds. So the columns of a seed and its outcome are kept as they
come, and records are made of them once somebody wants one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple, Self

from star_agents.records import Judgement, Outcome, OutcomeKind, Row, Seed, Trial
from star_agents.records.findings import Finding
from star_agents.records.outcomes import chosen_of
from star_agents.records.reviews import Review
from star_agents.records.seeds import PART
from star_agents.storage.outcome_parts import Parts
from star_agents.storage.read_later import all_plain, later, plain_at
from star_agents.storage.rows import OutcomeRow
from star_agents.storage.seed_columns import seed_from_columns
from star_agents.text.plain_data import from_record_json, from_records_json

Columns = Sequence[Any]
"""id, content, kind, recipe, labels, parent, round, source and meta of a seed; then seq, revision, at, kind, recipe,
cost_usd and payload of its outcome."""
_OF_SEED = 9
_AT = 11
_NO_REVIEWS: Mapping[int, Review] = {}
_NOTHING_WITHHELD: frozenset[int] = frozenset()
Plain = Mapping[str, Any]


class Header(NamedTuple):
    """What stands in columns of a finished seed and its outcome."""

    seed_id: str
    labels: Mapping[str, str]
    parent: str
    round: int
    source: str
    seq: int
    revision: int
    kind: OutcomeKind
    recipe: str
    """That made the outcome."""
    cost_usd: float | None

    @property
    def part(self) -> str:
        """The part of the seeds that it belongs to; empty where they have no parts."""
        return self.labels.get(PART, "")


class RowSource:
    """Of a finished seed what rows of samples are made of, and no more.

    Attributes:
        header: What the columns of the seed and its outcome say.
        judge_exam: What the exam of its judges came to (``exams.ExamsInForce.stamp``); empty in stores that are older
            than the exam.
        reviews: What people said of its rows, by their places; empty where that is not in force (``reviewed_rows``).
        withheld: Places of trials that rows were made of which people rejected or changed.
    """

    __slots__ = (
        "_judgements_data",
        "_rows",
        "_trials_data",
        "header",
        "judge_exam",
        "reviews",
        "rows_data",
        "withheld",
    )

    def __init__(
        self,
        header: Header,
        judge_exam: str,
        rows: list[Any],
        trials: dict[int, Any],
        judgements: list[Any] | str,
    ) -> None:
        self.header, self.judge_exam, self.rows_data = header, judge_exam, rows
        self.reviews, self.withheld = _NO_REVIEWS, _NOTHING_WITHHELD
        self._trials_data, self._judgements_data = trials, judgements
        self._rows: tuple[Row, ...] | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """What the outcome gives to the dataset."""
        if self._rows is None:
            self._rows = tuple(map(Row.from_dict, self.rows_data))
        return self._rows

    @property
    def chosen(self) -> tuple[int, ...]:
        """Places of the trials that a row is made of, each once."""
        return chosen_of(self.rows)

    def trial_data(self, place: int) -> Plain:
        """A trial that a row is made of as plain data (``Trial.to_dict``)."""
        found: Plain = plain_at(self._trials_data, place)
        return found

    def trials_data(self, places: Iterable[int]) -> list[Plain]:
        """Likewise those of these trials that there are."""
        return [self.trial_data(place) for place in places if place in self._trials_data]

    def judgements_data(self, place: int) -> list[Plain]:
        """What judges said of one trial against another, as plain data (``Judgement.to_dict``)."""
        if isinstance(self._judgements_data, str):
            self._judgements_data = from_records_json(self._judgements_data)
        return [one for one in self._judgements_data if one["left"] == place]

    def with_rows(
        self, rows: Iterable[Row], *, reviews: Mapping[int, Review] | None = None, withheld: Iterable[int] = ()
    ) -> Self:
        """The same with other rows, and with what people said of them."""
        other = copy(self)
        other._rows, other.rows_data = None, [row.to_dict() for row in rows]
        other.reviews, other.withheld = reviews or _NO_REVIEWS, frozenset(withheld)
        return other


class Result(RowSource):
    """A finished seed and the outcome that counts, its newest."""

    __slots__ = (
        "_columns",
        "_findings",
        "_judgements",
        "_outcome",
        "_parts",
        "_records",
        "_seed",
        "_trials",
    )

    def __init__(
        self,
        header: Header,
        parts: Parts,
        judge_exam: str,
        columns: Columns = (),
        records: tuple[Seed, OutcomeRow] | None = None,
    ) -> None:
        super().__init__(header, judge_exam, parts.rows, parts.trials, parts.judgements)
        self._parts, self._columns, self._records = parts, columns, records
        self._seed: Seed | None = None
        self._outcome: OutcomeRow | None = None
        self._trials: Sequence[Trial] | None = None
        self._judgements: Sequence[Judgement] | None = None
        self._findings: tuple[Finding, ...] | None = None

    @classmethod
    def of(cls, seed: Seed, row: OutcomeRow, judge_exam: str = "") -> Result:
        """Of records that are there."""
        one = row.outcome
        header = Header(
            seed_id=seed.id,
            labels=seed.labels,
            parent=seed.parent,
            round=seed.round,
            source=seed.source,
            seq=row.seq,
            revision=row.revision,
            kind=one.kind,
            recipe=one.recipe,
            cost_usd=one.cost_usd,
        )
        records: Sequence[Sequence[Any]] = one.trials, one.judgements, one.rows, one.findings  # As `Parts` has them.
        trials, *others = ([each.to_dict() for each in some] for some in records)
        parts = Parts(dict(enumerate(trials)), *others)
        return cls(header, parts, judge_exam, records=(seed, row))

    @classmethod
    def of_columns(cls, columns: Columns, parts: Parts, judge_exam: str = "") -> Result:
        """Of the columns that a store has, and the parts of the outcome."""
        id_, _, _, _, labels, parent, round_, source, _, seq, revision, _, kind, recipe, cost_usd, _ = columns
        told = from_record_json(labels)
        header = Header(id_, told, parent, round_, source, seq, revision, kind, recipe, cost_usd)  # Quicker by place.
        return cls(header, parts, judge_exam, columns)

    @property
    def seed(self) -> Seed:
        """The seed whole."""
        if self._seed is None:
            self._seed = self._records[0] if self._records else seed_from_columns(self._columns[:_OF_SEED])
        return self._seed

    @property
    def row(self) -> OutcomeRow:
        """The outcome as committed."""
        if self._outcome is None:
            if self._records:
                told, at = self._records[1].outcome, self._records[1].at
            else:
                told, at = Outcome.from_dict(from_record_json(self._columns[-1]), gather=later), self._columns[_AT]
            outcome = replace(
                told, rows=self.rows, trials=self.trials, judgements=self.judgements, findings=self.findings
            )
            self._outcome = OutcomeRow(seq=self.header.seq, revision=self.header.revision, at=at, outcome=outcome)
        return self._outcome

    @property
    def outcome(self) -> Outcome:
        """What became of the seed, whole."""
        return self.row.outcome

    @property
    def trials(self) -> Sequence[Trial]:
        """Every attempt at the seed."""
        if self._trials is None:
            self._trials = later(Trial.from_dict, self._parts.trials)
        return self._trials

    @property
    def judgements(self) -> Sequence[Judgement]:
        """What judges said of two trials."""
        if self._judgements is None:
            self._judgements = later(Judgement.from_dict, self._parts.judgements)
        return self._judgements

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What admission has against something of it."""
        if self._findings is None:
            self._findings = tuple(map(Finding.from_dict, self._parts.findings))
        return self._findings

    @property
    def count_trials(self) -> int:
        """How many trials there are."""
        return len(self._parts.trials)

    @property
    def winner(self) -> Trial | None:
        """The first of the chosen trials."""
        places = self.chosen
        return self.trials[places[0]] if places else None

    def judgements_data(self, place: int) -> list[Plain]:
        """Likewise."""
        return [one for one in all_plain(self._parts.judgements) if one["left"] == place]

    def with_rows(
        self, rows: Iterable[Row], *, reviews: Mapping[int, Review] | None = None, withheld: Iterable[int] = ()
    ) -> Self:
        """As of a ``RowSource``; the outcome has these rows, too."""
        other = super().with_rows(rows, reviews=reviews, withheld=withheld)
        other._outcome = None
        return other

    def with_rows_at(self, places: Collection[int]) -> Self:
        """The same with those rows alone that stand at these places; -1 stands for a seed without any."""
        return self.with_rows(row for place, row in enumerate(self.rows) if place in places)

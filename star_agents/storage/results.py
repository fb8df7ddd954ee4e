"""Finished seeds as a store hands them out: what rows are made of lies ready, and the rest is read when asked for.

Whoever writes a dataset looks at few fields of most seeds. So the columns of a seed and its outcome are kept as they
come, and records are made of them once somebody wants one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

from star_agents.records import Judgement, Outcome, OutcomeKind, Row, Seed, Trial
from star_agents.records.findings import Finding
from star_agents.records.outcomes import chosen_of
from star_agents.records.reviews import Review
from star_agents.records.seeds import PART
from star_agents.storage.outcome_parts import Parts
from star_agents.storage.read_later import ReadLater, later
from star_agents.storage.rows import OutcomeRow
from star_agents.storage.seed_columns import seed_from_columns
from star_agents.text.plain_data import from_record_json

T = TypeVar("T")
Columns = Sequence[Any]
"""id, content, kind, recipe, labels, parent, round, source and meta of a seed; then seq, revision, at, kind, recipe,
cost_usd and payload of its outcome."""
_OF_SEED = 9
_NO_REVIEWS: Mapping[int, Review] = {}


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


class _Later(Generic[T]):
    """A value that is made when it is asked for first."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Callable[[], T] | None = make
        self._made: T

    def __call__(self) -> T:
        if self._make is not None:
            self._made, self._make = self._make(), None
        return self._made


class Result:
    """A finished seed and the outcome that counts, its newest.

    Attributes:
        header: What its columns say.
        rows: What the outcome gives to the dataset; likewise ``trials``, ``judgements`` and ``findings``.
        judge_exam: What the exam of its judges came to (``exams.ExamsInForce.stamp``); empty in stores of before there
            was one.
        reviews: What people said of its rows, by their places; empty where that is not in force (``reviewed_rows``).
        withheld: Places of trials that rows were made of which people rejected or changed.
    """

    __slots__ = (
        "_row",
        "_seed",
        "findings",
        "header",
        "judge_exam",
        "judgements",
        "reviews",
        "rows",
        "trials",
        "withheld",
    )  # fmt: skip

    def __init__(
        self,
        header: Header,
        rows: tuple[Row, ...],
        trials: Sequence[Trial],
        judgements: Sequence[Judgement],
        findings: tuple[Finding, ...],
        *,
        seed: Callable[[], Seed],
        row: Callable[[], OutcomeRow],
        judge_exam: str = "",
        reviews: Mapping[int, Review] = _NO_REVIEWS,
        withheld: frozenset[int] = frozenset(),
    ) -> None:
        self.header, self.rows, self.trials, self.judgements, self.findings = header, rows, trials, judgements, findings
        self.judge_exam, self.reviews, self.withheld = judge_exam, reviews, withheld
        self._seed, self._row = seed, row

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
        parts = one.rows, one.trials, one.judgements, one.findings
        return cls(header, *parts, seed=lambda: seed, row=lambda: row, judge_exam=judge_exam)

    @classmethod
    def of_columns(cls, columns: Columns, parts: Parts, judge_exam: str = "") -> Result:
        """Of the columns that a store has, and the parts of the outcome."""
        id_, _, _, _, labels, parent, round_, source, _, seq, revision, at, kind, recipe, cost_usd, payload = columns
        header = Header(
            id_, from_record_json(labels), parent, round_, source, seq, revision, kind, recipe, cost_usd
        )  # By place: by name it takes twice as long.
        rows = tuple(map(Row.from_dict, parts["rows"]))
        trials, judgements = later(Trial.from_dict, parts["trials"]), later(Judgement.from_dict, parts["judgements"])
        findings = tuple(map(Finding.from_dict, parts["findings"]))

        def row() -> OutcomeRow:
            told = Outcome.from_dict(from_record_json(payload), gather=later)
            outcome = replace(told, rows=rows, trials=trials, judgements=judgements, findings=findings)
            return OutcomeRow(seq=seq, revision=revision, at=at, outcome=outcome)

        seed = _Later(lambda: seed_from_columns(columns[:_OF_SEED]))
        return cls(header, rows, trials, judgements, findings, seed=seed, row=_Later(row), judge_exam=judge_exam)

    @property
    def seed(self) -> Seed:
        """The seed whole."""
        return self._seed()

    @property
    def row(self) -> OutcomeRow:
        """The outcome as committed."""
        return self._row()

    @property
    def outcome(self) -> Outcome:
        """What became of the seed, whole."""
        return self._row().outcome

    @property
    def chosen(self) -> tuple[int, ...]:
        """Places of the trials that a row is made of, each once."""
        return chosen_of(self.rows)

    def measures_of(self, place: int) -> Mapping[str, float | None]:
        """What was measured of one trial."""
        if isinstance(self.trials, ReadLater):
            measures: Mapping[str, float | None] = self.trials.data(place)["measures"]
            return measures
        return self.trials[place].measures

    def judgements_of(self, place: int) -> Sequence[Judgement]:
        """What judges said of one trial against another."""
        if isinstance(self.judgements, ReadLater):
            return self.judgements.where("left", place)
        return [one for one in self.judgements if one.left == place]

    @property
    def winner(self) -> Trial | None:
        """The first of the chosen trials."""
        places = self.chosen
        return self.trials[places[0]] if places else None

    def with_rows(
        self,
        rows: tuple[Row, ...],
        *,
        reviews: Mapping[int, Review] = _NO_REVIEWS,
        withheld: frozenset[int] = frozenset(),
    ) -> Result:
        """The same with other rows, and with what people said of them."""

        def row() -> OutcomeRow:
            return replace(self.row, outcome=replace(self.outcome, rows=rows))

        return Result(
            self.header,
            rows,
            self.trials,
            self.judgements,
            self.findings,
            seed=self._seed,
            row=_Later(row),
            judge_exam=self.judge_exam,
            reviews=reviews,
            withheld=withheld,
        )

    def with_rows_at(self, places: Collection[int]) -> Result:
        """The same with those rows alone that stand at these places; -1 stands for a seed without any."""
        return self.with_rows(tuple(row for place, row in enumerate(self.rows) if place in places))

"""What people said of rows, in force: of every finished seed, the rows that leave the store (``reviews``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from star_agents.records import Row, RowShape
from star_agents.records.reviews import Review, ReviewsUse
from star_agents.storage.known_rows import row_digest
from star_agents.storage.results import RowSource
from star_agents.storage.reviews import OfSeed

R = TypeVar("R", bound=RowSource)

REJECTED = "rejected by a person"
NOT_ACCEPTED = "not accepted by a person"
_NOTHING: OfSeed = {}
EVERY_SHAPE: Collection[RowShape] = ("sft", "preference", "reward", "instruction")


@dataclass(frozen=True, slots=True)
class ReviewedRows:
    """Puts the reviews that count in force.

    A preference that Star's verdicts give teaches the answer of a row: where that row was rejected or edited, it is
    left out (``Result.withheld``).
    """

    known: Mapping[str, OfSeed]
    use: ReviewsUse = "follow"

    def __call__(self, result: R, skipped: Counter[str] | None = None, shapes: Collection[RowShape] = EVERY_SHAPE) -> R:
        """A seed with the rows that are to go out.

        Args:
            result: The seed as the store has it.
            skipped: Counts the rows of ``shapes`` that are left out, by reason.
            shapes: Those that are asked for.
        """
        of_seed = self.known.get(result.header.seed_id, _NOTHING)
        if self.use == "as-is" or not (of_seed or self.use == "only"):
            return result
        rows: list[Row] = []
        said: dict[int, Review] = {}
        withheld: set[int] = set()
        for row in result.rows:
            review = of_seed.get(row_digest(row)) if of_seed else None
            if reason := _why_not(review, self.use):
                if skipped is not None and row.shape in shapes:
                    skipped[reason] += 1
                withheld.update(row.from_trials)
                continue
            if review is not None:
                said[len(rows)] = review
                if review.data is not None:
                    withheld.update(row.from_trials)
            rows.append(row if review is None or review.data is None else replace(row, data=review.data))
        return result.with_rows(rows, reviews=said, withheld=withheld)


def _why_not(review: Review | None, use: ReviewsUse) -> str:
    if review is not None and review.verdict == "rejected":
        return REJECTED
    return NOT_ACCEPTED if use == "only" and review is None else ""

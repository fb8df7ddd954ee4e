"""An evaluation on one page: scores with intervals, pictures, and every question with all answers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from star_agents.arena.bootstrap import Estimate, in_words
from star_agents.arena.grades import Standing
from star_agents.report.evaluation import bars, radar
from star_agents.report.rendering import render

QUESTIONS_SHOWN = 300
"""Questions on the page; grades.jsonl has all."""
REFRESH_S = 10
"""Seconds after which the page of an evaluation at work is read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownAnswer:
    """One model's answer to one turn."""

    model: str
    repeat: int
    answer: str
    score: float | None
    judgement: str
    unread: str = ""
    ended: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownTurn:
    """One turn of a question with everybody's answers."""

    asked: str
    reference: str
    answers: Sequence[ShownAnswer]
    verdicts: Sequence[tuple[str, str]] = ()
    """Who was compared with what came of it, and what the judge wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownQuestion:
    """A question to read."""

    id: str
    category: str
    turns: Sequence[ShownTurn]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationPage:
    """What the page tells."""

    title: str
    judge: str
    standings: Sequence[Standing]
    categories: Sequence[str]
    remarks: Sequence[str]
    questions: Sequence[ShownQuestion]
    pairs: Sequence[Sequence[str]] = ()
    """Rows of the table of pairs."""
    against: Sequence[Sequence[str]] = ()
    """Rows of what changed since an earlier evaluation."""
    differences: Sequence[str] = ()
    protocol: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])
    running: str = ""
    """How far it is, while it runs; empty once it has ended."""


def evaluation_page(page: EvaluationPage) -> str:
    """The page as HTML."""
    turns = sorted({turn for one in page.standings for turn in one.by_turn})
    rows = [
        (
            one.model,
            in_words(one.score),
            *(in_words(one.by_turn.get(turn, Estimate(None))) for turn in (turns if len(turns) > 1 else ())),
            f"{one.graded:,}",
            f"{one.unreadable:,}",
            f"{one.missing:,}",
        )
        for one in page.standings
    ]
    columns = ["model", "score", *(f"turn {turn}" for turn in turns if len(turns) > 1)]
    return render(
        "evaluation.html.jinja",
        title=page.title,
        page=page,
        columns=[*columns, "graded", "unreadable", "missing"],
        rows=rows,
        by_category=[
            (name, *(in_words(one.by_category.get(name, Estimate(None))) for one in page.standings))
            for name in page.categories
        ],
        by_difficulty=[
            (level, *(in_words(one.by_difficulty.get(level, Estimate(None))) for one in page.standings))
            for level in dict.fromkeys(level for one in page.standings for level in one.by_difficulty)
        ],
        radar=radar("by category", page.standings, page.categories),
        bars=bars("scores", page.standings, page.categories),
        shown=page.questions[:QUESTIONS_SHOWN],
        left_out=max(0, len(page.questions) - QUESTIONS_SHOWN),
        refresh=REFRESH_S,
    )

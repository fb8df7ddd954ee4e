"""What a daemon's page tells of models: the rounds that its store is part of, and the evaluation that its folder holds.

Both are written by other commands, so they are read from their files, anew once these have changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from star_agents.engine.campaign.state import STATE_FILE, STORES
from star_agents.engine.campaign.summary import rounds_summary
from star_agents.errors import StarAgentsError, first_line
from star_agents.observe.status.reading import read
from star_agents.storage.evaluation_files import EVALUATION_FILE, GRADES_FILE, graded_turns, read_scores
from star_agents.web.model_results import (
    AskedQuestion,
    EvaluatedAnswer,
    EvaluatedModel,
    EvaluatedQuestion,
    Evaluation,
    Rounds,
)

T = TypeVar("T", Rounds, Evaluation)
Mark = tuple[tuple[int, int], ...]
"""Of files, when they were written and how long they are."""


@dataclass(slots=True)
class _Kept:
    """The newest answer, and the files that it was read from."""

    mark: Mark = ()
    answer: Any = None


@dataclass(slots=True)
class ModelResults:
    """Reads for a daemon on the store in ``folder``; one reading at a time, however many ask."""

    folder: Path
    _rounds: _Kept = field(default_factory=_Kept)
    _evaluation: _Kept = field(default_factory=_Kept)
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def rounds(self) -> Rounds:
        """The rounds whose data, exam or benchmark the store is."""
        folder = self.folder.resolve()
        if folder.name not in STORES:
            return Rounds()
        files = [folder.parent / STATE_FILE]
        return await self._newest(self._rounds, files, lambda: _rounds_in(folder.parent), Rounds)

    async def evaluation(self) -> Evaluation:
        """The evaluation that lies beside the store."""
        files = [self.folder / name for name in (EVALUATION_FILE, GRADES_FILE)]
        return await self._newest(self._evaluation, files, lambda: _evaluation_in(self.folder), Evaluation)

    async def question(self, question: str) -> EvaluatedQuestion | None:
        """All answers to a question, turn by turn, the models in the order of their names; ``None``: it has none."""
        async with self._reading:
            return await anyio.to_thread.run_sync(_question_in, self.folder, question)

    async def _newest(self, kept: _Kept, files: list[Path], make: Callable[[], T], nothing: Callable[[], T]) -> T:
        async with self._reading:
            mark = tuple(_marks(files))
            if not mark:
                return nothing()
            if mark == kept.mark:
                found: T = kept.answer
                return found
            made = await anyio.to_thread.run_sync(make)
            if (
                not made.unread
            ):  # What could not be read, such as a store in other hands, may be readable the next time.
                kept.answer, kept.mark = made, mark
            return made


def _marks(files: list[Path]) -> Iterator[tuple[int, int]]:
    """Of those that are there."""
    for path in files:
        try:
            found = path.stat()
        except OSError:
            continue
        yield found.st_mtime_ns, found.st_size


def _rounds_in(folder: Path) -> Rounds:
    try:
        return read(Rounds, rounds_summary(folder))
    except (StarAgentsError, ValueError) as error:
        return Rounds(unread=first_line(error))


def _evaluation_in(folder: Path) -> Evaluation:
    if not (folder / EVALUATION_FILE).is_file():
        return Evaluation()
    try:
        told = read_scores(folder)
        return Evaluation(
            benchmark=str(told["protocol"]["benchmark"]),
            judge=str(told["protocol"]["judge"]["agent"]),
            models=read(list[EvaluatedModel], told["models"]),
            questions=_questions_in(folder),
        )
    except (StarAgentsError, ValueError, LookupError, TypeError) as error:
        return Evaluation(unread=f"{folder / EVALUATION_FILE}: {first_line(error)}")


def _questions_in(folder: Path) -> list[AskedQuestion]:
    """In the order of the grades."""
    scores: defaultdict[tuple[str, str], defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in graded_turns(folder):
        own = scores[str(row["question"]), str(row["category"])][str(row["model"])]
        if (score := read(EvaluatedAnswer, row).score) is not None:
            own.append(score)
    return [
        AskedQuestion(
            id=question,
            category=category,
            scores={model: fmean(given) if given else None for model, given in by_model.items()},
        )
        for (question, category), by_model in scores.items()
    ]


def _question_in(folder: Path, question: str) -> EvaluatedQuestion | None:
    """``None`` as well where the grades cannot be read, of which the evaluation tells."""
    try:
        rows = [row for row in graded_turns(folder) if row.get("question") == question]
        answers = [read(EvaluatedAnswer, row) for row in rows]
        category = str(rows[0]["category"])
    except (StarAgentsError, ValueError, LookupError):
        return None
    answers.sort(key=lambda one: (one.turn, one.model, one.repeat))
    return EvaluatedQuestion(id=question, category=category, answers=answers)

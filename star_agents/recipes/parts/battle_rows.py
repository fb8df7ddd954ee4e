"""What battles teach, as rows of the dataset: decided by ``arena/lessons.py``, written here. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from star_agents.arena.games import Battle
from star_agents.arena.lessons import Lesson, Thresholds, pairs_to_prefer, row_to_learn
from star_agents.recipes.protocol import preference, sft
from star_agents.records import Row, Trial

JUDGE_EXAM = "judge_exam"
"""Note of a trial, and label of a row: how judges that judge all the same have failed their exam."""


def rows_of(
    trials: Sequence[Trial],
    battles: Sequence[Battle],
    target: str,
    thresholds: Thresholds,
    *,
    most_pairs: int | None,
) -> tuple[Row, ...]:
    """A row to fine-tune on where the target lost, and the clearest battles: each a preference, and one with margin.

    Args:
        trials: The players' answers to one instruction.
        battles: Over it.
        target: The player that learns.
        thresholds: From where on a battle teaches something.
        most_pairs: Of the clearest battles; ``None``: all.
    """
    places = {one.arm: place for place, one in enumerate(trials)}
    learnt = row_to_learn(battles, target, thresholds)
    rows = [_taught(learnt, trials, places)] if learnt else []
    for lesson in pairs_to_prefer(battles, thresholds, most=most_pairs):
        rows += _preferred(lesson, trials, places)
    return tuple(rows)


def _taught(lesson: Lesson, trials: Sequence[Trial], places: Mapping[str, int]) -> Row:
    place = places[lesson.chosen]
    return sft(trials[place].sample, labels=_labels(lesson, trials[place]), from_trials=[place])


def _preferred(lesson: Lesson, trials: Sequence[Trial], places: Mapping[str, int]) -> list[Row]:
    place = places[lesson.chosen]
    chosen, rejected = (trials[places[one]].sample.response or "" for one in (lesson.chosen, lesson.rejected))
    asked, labels = replace(trials[place].sample, response=None), _labels(lesson, trials[place])
    return [
        replace(preference(asked, chosen, rejected, margin=margin, labels=labels), from_trials=(place,))
        for margin in (None, lesson.margin)
    ]


def _labels(lesson: Lesson, chosen: Trial) -> dict[str, str]:
    score = {} if lesson.chosen_score is None else {"score": f"{lesson.chosen_score:.4g}"}
    points = {**score, "margin": f"{lesson.margin:.4g}"}
    exam = {JUDGE_EXAM: chosen.notes[JUDGE_EXAM]} if JUDGE_EXAM in chosen.notes else {}
    return {"winner": lesson.chosen, "loser": lesson.rejected, **points, **exam}

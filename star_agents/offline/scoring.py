"""How a sample agent gives points: it sees two answers and nothing else, and it errs now and then.

What an answer is truly worth stands in ``merit``. A sample judge is off by a point now and then, and misjudges one of
the two answers by four points in as many games as its profile says that it errs.
"""

from __future__ import annotations

import json
from random import Random

from star_agents.arena.scores import HIGHEST, LOWEST
from star_agents.offline import evolving
from star_agents.offline.reading import Scoring
from star_agents.offline.referee import surface_merit
from star_agents.offline.words import EVASIONS
from star_agents.offline.world import Task, check

_MISJUDGED = 4
_OFF_BY = (-1, 0, 0, 0, 1)
_REASONS = {
    9: "It is right, and says how.",
    7: "It is right, and could be put better.",
    4: "It breaks off before it comes to a result.",
    3: "Its result is wrong.",
    1: "It does not answer what was asked.",
}
"""By the least of true points."""


def score(scoring: Scoring, accuracy: float, rng: Random) -> str:
    """Reasons and points for both answers in the form that the prompt asks for."""
    true = [merit(scoring.question, answer) for answer in (scoring.first, scoring.second)]
    misjudged = rng.choice((0, 1)) if rng.random() >= accuracy else None
    points = [points_given(worth, rng, errs=place == misjudged) for place, worth in enumerate(true)]
    if scoring.first == scoring.second:
        points[1] = points[0]
    reasons = [reason_for(worth) for worth in true]
    said = {"code": scoring.code, "first_reason": reasons[0], "second_reason": reasons[1]}
    return json.dumps({**said, "first_score": points[0], "second_score": points[1]})


def points_given(worth: float, rng: Random, *, errs: bool) -> float:
    """Points from 1 to 10 for an answer of that merit; four off where the judge errs, and one now and then."""
    off = rng.choice(_OFF_BY)
    if errs:
        off += _MISJUDGED if worth < (LOWEST + HIGHEST) / 2 else -_MISJUDGED
    return min(max(round(worth) + off, LOWEST), HIGHEST)


def reason_for(worth: float) -> str:
    """What is said of an answer of that merit."""
    return next(said for least, said in _REASONS.items() if worth >= least)


def merit(question: str, answer: str) -> float:
    """True points of an answer, from 1 to 10, as far as the texts tell.

    In the closed world right and explained is 9, right 8 in small talk and 7 without explanation, broken off 4, wrong
    3, wrong without explanation 2, and evasive or about something else 1. Outside of it only the surface can be seen.
    """
    evolved = evolving.read_evolved(question)
    if evolved is None:
        return LOWEST + (HIGHEST - LOWEST) * surface_merit(question, answer)
    return _merit(evolved.task, answer.strip())


def _merit(task: Task, answer: str) -> float:
    explains = task.right.statement in answer
    if check(task, answer):
        return 7.0 if not explains else 9.0 if answer.startswith(task.right.statement) else 8.0
    if any(miss.statement in answer for miss in task.misses):
        return 3.0
    if any(answer == f"{miss.answer} ." for miss in task.misses):
        return 2.0
    is_cut = task.right.statement.startswith(answer) and answer not in EVASIONS
    return 4.0 if is_cut and answer else 1.0

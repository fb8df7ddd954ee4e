"""How a sample agent judges a benchmark, and it errs now and then.

A grade is an answer's true points (``scoring.merit``), off as a judge's points in an arena are; a verdict is the order
of these.
"""

from __future__ import annotations

from random import Random

from star_agents.arena.mt_bench import HIGHEST, LOWEST
from star_agents.offline import world
from star_agents.offline.evolving import read_evolved
from star_agents.offline.grading_reading import Grading
from star_agents.offline.scoring import merit, points_given, reason_for


def check(grading: Grading) -> str:
    """By the result alone, and without a mistake: 10 for a right answer, 1 for any other. A mean grade then is 1 + 9 ×
    the share of right answers. To a question outside of the closed world no answer is right."""
    evolved = read_evolved(grading.question)
    points = [
        HIGHEST if evolved is not None and world.check(evolved.task, answer.strip()) else LOWEST
        for answer in grading.answers
    ]
    if len(points) == 1:
        return f"Grade: [[{points[0]:g}]]"
    return f"[[{'C' if points[0] == points[1] else 'A' if points[0] > points[1] else 'B'}]]"


def grade(grading: Grading, accuracy: float, rng: Random) -> str:
    """Reasons, and ``[[n]]`` for one answer or ``[[A]]``, ``[[B]]`` or ``[[C]]`` for two."""
    worth = [merit(grading.question, one) for one in grading.answers]
    misjudged = rng.randrange(len(worth)) if rng.random() >= accuracy else None
    points = [points_given(one, rng, errs=at == misjudged) for at, one in enumerate(worth)]
    if len(points) == 1:
        return f"{reason_for(worth[0])}\nGrade: [[{points[0]:g}]]"
    first, second = points if grading.answers[0] != grading.answers[1] else (0, 0)
    verdict = "C" if first == second else "A" if first > second else "B"
    return f"Of A: {reason_for(worth[0])} Of B: {reason_for(worth[1])}\n[[{verdict}]]"

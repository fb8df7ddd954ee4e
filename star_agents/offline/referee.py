"""How a sample agent referees: it sees the two answers and nothing else, and it errs now and then.

On a question of the closed world the true order is: right and complete beats everything else, and styles tie. On any
other text only the surface can be seen: whether there is an answer, whether it breaks off, whether it speaks of what
was asked, and whether its length is within reason.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Literal

from star_agents.offline.reading import Comparison
from star_agents.offline.world import check, solve

Side = Literal["A", "B", "tie"]

_CLOSED = re.compile(r"[.!?…:;)\]}\"'`*>|。！？]\s*$")
_WORD = re.compile(r"\w{4,}")
_MARGIN = 0.15
"""Surface merits closer than this are a tie."""


def judge(comparison: Comparison, accuracy: float, rng: Random) -> str:
    """Reasons and verdict in the form that the prompt asked for; the true order with probability ``accuracy``."""
    side = true_order(comparison)
    if rng.random() >= accuracy:
        mistakes: dict[Side, tuple[Side, ...]] = {"A": ("B",), "B": ("A",), "tie": ("A", "B")}
        side = rng.choice(mistakes[side])
    reasons = {
        "A": "Answer A does what was asked and is complete. Answer B falls short of it.",
        "B": "Answer B does what was asked and is complete. Answer A falls short of it.",
        "tie": "Both answers serve the asker about equally well.",
    }[side]
    if not comparison.code:
        return f"{reasons}\n[{'C' if side == 'tie' else side}]"
    return f"{reasons}\n{json.dumps({'code': comparison.code, 'verdict': side})}"


def true_order(comparison: Comparison) -> Side:
    """The better side as far as the text tells."""
    tasks = solve(comparison.question_a), solve(comparison.question_b)
    if tasks[0] is not None and tasks[1] is not None:
        merits = float(check(tasks[0], comparison.answer_a)), float(check(tasks[1], comparison.answer_b))
    else:
        merits = (
            surface_merit(comparison.question_a, comparison.answer_a),
            surface_merit(comparison.question_b, comparison.answer_b),
        )
    if abs(merits[0] - merits[1]) < _MARGIN:
        return "tie"
    return "A" if merits[0] > merits[1] else "B"


def surface_merit(question: str, answer: str) -> float:
    """Merit in [0, 1] of an answer to a text outside the world: present, complete, to the point, of sensible length."""
    text = answer.strip()
    if not text or text == question.strip():
        return 0.0
    asked, said = (set(_WORD.findall(part.lower())) for part in (question, text))
    overlap = min(1.0, 3 * len(asked & said) / len(asked)) if asked else 1.0
    length = min(1.0, len(text.split()) / 8) if len(text) < 6000 else 0.5
    closed = 1.0 if _CLOSED.search(text) or len(text.split()) < 8 else 0.0
    return 0.4 * closed + 0.3 * overlap + 0.3 * length

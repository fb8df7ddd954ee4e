"""Which instructions about facts of the closed world can be answered, and which answers are right, in any form."""

from __future__ import annotations

import json
import re

from star_agents.offline import evolving, facts, world
from star_agents.offline.instructing import JSON_KEY, label_for

_PRINTED = re.compile(r"print\((\".*\")\)")
_LETTER = re.compile(r"Answer: ([A-Z])\b")


def is_answerable(question: str) -> bool:
    """Whether somebody who sees nothing but this can answer it, or see that the text beside it does not say.

    A text outside the world is no such question.
    """
    if evolving.broken_reply(question):
        return False
    evolved = evolving.read_evolved(question)
    return evolved is not None and (evolved.base.family != world.FACTS or bool(facts.read_facts(question).values))


def is_right(question: str, answer: str) -> bool:
    """Whether an answer is right, in whatever form it stands: in words, a letter, a label, JSON or a line of code."""
    evolved = evolving.read_evolved(question)
    if evolved is None or not is_answerable(question):
        return False
    right = evolved.task.right.answer
    letter, printed = _LETTER.search(answer), _PRINTED.search(answer)
    if letter:
        return f"{letter[1]}) {right}" in question.split("\n")
    if printed:
        return bool(json.loads(printed[1]) == right)
    if label := label_for(question, right):
        return answer == label
    try:
        said = json.loads(answer)
    except ValueError:
        return world.check(evolved.task, answer)
    return isinstance(said, dict) and said.get(JSON_KEY) == right

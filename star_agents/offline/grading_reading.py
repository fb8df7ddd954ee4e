"""What the judge of a benchmark is shown, read from the prompt alone.

The prompts are those of ``recipes/prompts/evaluation``, in our own wording of MT-bench's protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_GRADES = "You are grading the work of an AI assistant."
_COMPARES = "You compare the work of two AI assistants, called A and B."
_MESSAGE = re.compile(r"<<< message begins >>>\n(.*?)\n<<< message ends >>>", re.DOTALL)
_ANSWER = re.compile(r"<<< answer(?: of ([AB]))? begins >>>\n(.*?)\n?<<< answer(?: of \1)? ends >>>", re.DOTALL)
_TALK = re.compile(
    r"<<< conversation with (?P<who>Assistant(?: [AB])?) begins >>>\n\nUser: .*?\n\n(?P=who): .*"
    r"\n\nUser: (?P<question>.*?)\n\n(?P=who): (?P<answer>.*?)\n\n<<< conversation with (?P=who) ends >>>",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grading:
    """Answers to one question of a benchmark: one that is to be graded, or two of which the better is to be named."""

    question: str
    answers: tuple[str, ...]


def read_grading(system: str, user: str) -> Grading | None:
    """What is to be judged, of two turns the second; ``None`` where nothing is."""
    if not (is_pair := system.startswith(_COMPARES)) and not system.startswith(_GRADES):
        return None
    message = _MESSAGE.search(user)
    if message is not None:
        question, answers = message[1], [found[2] for found in _ANSWER.finditer(user)]
    else:
        talks = list(_TALK.finditer(user))
        question, answers = (talks[0]["question"] if talks else ""), [one["answer"] for one in talks]
    if len(answers) != 1 + is_pair:
        return None
    return Grading(question=question.strip(), answers=tuple(one.strip() for one in answers))

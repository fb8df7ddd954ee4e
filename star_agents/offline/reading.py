"""What a prompt asks for, read from its text alone: an answer, another instruction, a verdict, points, or a rating.

The forms are those of the templates in ``star_agents/recipes/prompts``. Whatever
fits none of them is a question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from star_agents.offline.evolving import Operator
from star_agents.offline.grading_reading import Grading, read_grading
from star_agents.offline.instructing_reading import Instructing, read_instructing

_REFERENCE = re.compile(r"<reference>\n(.*)\n</reference>", re.DOTALL)
_INSTRUCTION = re.compile(r"<instruction>\n(.*)\n</instruction>", re.DOTALL)
_INPUT = re.compile(r"</instruction>.*?<input>\n(.*)\n</input>", re.DOTALL)
_PARENT_AND_EVOLVED = re.compile(r"<first>\n(.*)\n</first>\n<second>\n(.*)\n</second>", re.DOTALL)
_EVOLVES = "You evolve instructions that language models are trained on"
_IS_EQUAL = "You are shown two instructions. Decide whether they come to the same."
_MOVES: Mapping[str, Operator] = {
    "add one constraint": "constraints",
    "go deeper": "deepen",
    "make it concrete": "concretise",
    "make it need more reasoning": "reasoning",
    "make its input richer": "complicate_input",
    "invent a different one": "breadth",
}
"""What stands after "This time, " in the prompt of each of Evol-Instruct's operators."""
_SCORES = "You score what two assistants answered to the same message."
_RATES = "You rate how difficult an instruction is"
_RATED = re.compile(r"<instruction (\w+)>\n(.*)\n</instruction \1>", re.DOTALL)
_CODE = re.compile(r'"code": "(\w+)"')
_PAPER = re.compile(
    r"\[User Question(?: to Assistant A)?\] (?P<question_a>.*?) \[The Start of Assistant A’s Answer\] (?P<answer_a>.*?)"
    r" ?\[The End of Assistant A’s Answer\] (?:\[User Question to Assistant B\] (?P<question_b>.*?) )?"
    r"\[The Start of Assistant B’s Answer\] (?P<answer_b>.*) ?\[The End of Assistant B’s Answer\]",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question to be answered, with the earlier answer that was shown."""

    text: str
    reference: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewriting:
    """An instruction to be rewritten; ``input`` stays as it is."""

    instruction: str
    input: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two answers to be compared, each with its question."""

    question_a: str
    question_b: str
    answer_a: str
    answer_b: str
    code: str
    """The nonce that the verdict repeats; empty where the paper's prompt asks for ``[A]``, ``[B]`` or ``[C]``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evolving:
    """An instruction to be evolved."""

    operator: Operator
    instruction: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Equality:
    """Two instructions, of which is asked whether they come to the same."""

    parent: str
    evolved: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """Two answers to one question, each of which is to be given points."""

    question: str
    first: str
    second: str
    code: str
    """The nonce that the reply repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """An instruction whose difficulty is to be rated."""

    instruction: str
    code: str
    """The nonce of its frame."""


Request = Question | Rewriting | Comparison | Evolving | Equality | Scoring | Rating | Grading | Instructing


def read(messages: Sequence[Mapping[str, str]]) -> Request:
    """Read the last request of a conversation in the field's ``messages`` form."""
    system = "\n".join(message["content"] for message in messages if message["role"] == "system")
    users = [message["content"] for message in messages if message["role"] == "user"]
    if users and (grading := read_grading(system, users[-1])) is not None:
        return grading
    if "impartial" in system:
        comparison = next(filter(None, (_comparison(system, user) for user in users)), None)
        if comparison is not None:
            return comparison
    if system.startswith(_SCORES) and (scoring := next(filter(None, (_scoring(system, user) for user in users)), None)):
        return scoring
    if (instructing := read_instructing(messages)) is not None:
        return instructing
    last = users[-1] if users else system
    if system.startswith(_RATES) and (rating := _rating(last)) is not None:
        return rating
    if (evolving := _evolving(system, last)) is not None:
        return evolving
    if "Rewrite the instruction" in system and (instruction := _INSTRUCTION.search(last)):
        given = _INPUT.search(last)
        return Rewriting(instruction=instruction[1].strip(), input=given[1].strip() if given else "")
    reference = _REFERENCE.search(system)
    return Question(text=last.strip(), reference=reference[1].strip() if reference else "")


def _evolving(system: str, last: str) -> Evolving | Equality | None:
    if system.startswith(_IS_EQUAL) and (found := _PARENT_AND_EVOLVED.search(last)):
        return Equality(parent=found[1].strip(), evolved=found[2].strip())
    if system.startswith(_EVOLVES) and (found := _INSTRUCTION.search(last)):
        for move, operator in _MOVES.items():
            if f"This time, {move}" in system:
                return Evolving(operator=operator, instruction=found[1].strip())
    return None


def _comparison(system: str, user: str) -> Comparison | None:
    code = _CODE.search(system)
    if code:
        return _framed(user, code[1])
    paper = _PAPER.search(user)
    if paper is None:
        return None
    return Comparison(
        question_a=paper["question_a"],
        question_b=paper["question_b"] or paper["question_a"],
        answer_a=paper["answer_a"].strip(),
        answer_b=paper["answer_b"].strip(),
        code="",
    )


def _scoring(system: str, user: str) -> Scoring | None:
    code = _CODE.search(system)
    frames = ("message", "first answer", "second answer")
    opened = [code and _in_frame(user, f"{name} {code[1]}") for name in frames]
    try:
        said = [None if found is None else json.loads(found) for found in opened]
    except json.JSONDecodeError:
        return None
    texts = [one.strip() for one in said if isinstance(one, str)]
    if code is None or len(texts) != len(frames):
        return None
    question, first, second = texts
    return Scoring(question=question, first=first, second=second, code=code[1])


def _rating(last: str) -> Rating | None:
    found = _RATED.search(last)
    try:
        said = json.loads(found[2]) if found else None
    except json.JSONDecodeError:
        return None
    return Rating(instruction=said.strip(), code=found[1]) if found and isinstance(said, str) else None


def _framed(user: str, code: str) -> Comparison | None:
    def frame(kind: Literal["question", "answer"], side: Literal["A", "B"]) -> str:
        framed = _in_frame(user, f"{kind} {side} {code}")
        framed = _in_frame(user, f"{kind} {code}") if framed is None else framed
        value = "" if framed is None else json.loads(framed)
        return value if isinstance(value, str) else ""

    try:
        return Comparison(
            question_a=frame("question", "A"),
            question_b=frame("question", "B"),
            answer_a=frame("answer", "A"),
            answer_b=frame("answer", "B"),
            code=code,
        )
    except json.JSONDecodeError:
        return None


def _in_frame(text: str, name: str) -> str | None:
    """What stands between the first line that opens a frame and the last one that closes it. Each frame has a code of
    its own: a pattern of it would be compiled for nothing."""
    _, opened, rest = text.partition(f"<{name}>\n")
    framed, closed, _ = rest.rpartition(f"\n</{name}>")
    return framed if opened and closed else None

"""The closed world: tasks that can be stated, answered well or badly, recognised from plain text, and checked exactly.

Everything is deterministic in the ``random.Random`` that is handed in. The world is divided by a hash of the question
into three parts that share no question: ``train`` (for the tiny scorer models), ``seed`` and ``test`` (held out).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from star_agents.offline import facts
from star_agents.offline.families import FAMILIES
from star_agents.offline.family import Result
from star_agents.offline.words import EVASIONS, FILLERS

Kind = Literal["good", "terse", "padded", "wrong", "wrong_terse", "off", "cut", "unanswered"]
"""Ways to respond: statement and answer; the answer alone; buried in filler; a near miss, stated in full or alone; a
good response to another question; broken off inside the statement; no answer at all."""
Part = Literal["train", "seed", "test"]

SOUND: frozenset[Kind] = frozenset({"good", "terse", "padded"})

FACTS = "facts"
"""Stands in the place of a family for questions about what a text states."""
_LONGEST_QUESTION = 400
"""Characters: no question of a family is longer, and other people's texts can be."""
_LONGEST_TEXT = 50_000
_ANSWER = re.compile(r"\bthe answer is (.+?) \.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One question of the world with its worked answer."""

    family: str
    wording: int
    slots: Mapping[str, str]
    instruction: str
    input: str
    right: Result
    misses: tuple[Result, ...]

    @property
    def question(self) -> str:
        """Instruction, blank line, input: one user message."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


def build(family: str, wording: int, slots: Mapping[str, str]) -> Task:
    """Work out one task. Raises ``LookupError`` or ``ValueError`` where the slots are not of this world."""
    kind = FAMILIES[family]
    working = kind.work(slots)
    return Task(
        family=family,
        wording=wording,
        slots=slots,
        instruction=kind.wordings[wording].format_map(slots),
        input=kind.input.format_map(slots),
        right=working.right,
        misses=working.misses,
    )


def draw(rng: Random, family: str | None = None, part: Part | None = None) -> Task:
    """Draw a task, of a certain family or part of the world where one is named."""
    while True:
        name = family or rng.choice(tuple(FAMILIES))
        task = build(name, rng.randrange(len(FAMILIES[name].wordings)), FAMILIES[name].draw(rng))
        if part in (None, part_of(task.question)):
            return task


def part_of(question: str) -> Part:
    """The part of the world that a question belongs to: 10 % test, 20 % seed, 70 % train, by its MD5."""
    bucket = hashlib.md5(question.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[0] % 10
    return "test" if bucket == 0 else "seed" if bucket < 3 else "train"


def solve(text: str) -> Task | None:
    """Recognise a question of the world in plain text; ``None`` for every other text."""
    question = text.strip()
    if len(question) > _LONGEST_QUESTION:
        return _about_facts(question)
    for name, family in FAMILIES.items():
        found = family.read(question)
        if found is None:
            continue
        try:
            return build(name, *found)
        except (LookupError, ValueError):
            continue
    return _about_facts(question)


def _about_facts(text: str) -> Task | None:
    """A question about facts that a text states, in it or beside it."""
    asked = facts.read_question(text) if len(text) <= _LONGEST_TEXT else None
    if asked is None:
        return None
    right, misses = facts.work_out(asked, facts.read_facts(text))
    return Task(
        family=FACTS,
        wording=asked.wording,
        slots={**asked.slots, "kind": asked.kind},
        instruction=text,
        input="",
        right=right,
        misses=misses,
    )


def check(question: Task | str, response: str) -> bool:
    """Whether a response is right and complete: what follows "the answer is", or the whole of a terse response.

    A text outside the world has no right answer: ``False``.
    """
    task = solve(question) if isinstance(question, str) else question
    if task is None:
        return False
    found = _ANSWER.findall(response)
    said = found[-1] if found else response.strip().removesuffix(" .")
    return said == task.right.answer


def write(task: Task, kind: Kind, rng: Random) -> str:
    """Respond to a task in the way that ``kind`` names."""
    if kind == "good":
        return _full(task.right)
    if kind == "terse":
        return f"{task.right.answer} ."
    if kind == "padded":
        opening = rng.sample(FILLERS, 4)
        return " ".join([*opening[:2], _full(task.right), *opening[2:]])
    if kind == "wrong":
        return _full(rng.choice(task.misses))
    if kind == "wrong_terse":
        return f"{rng.choice(task.misses).answer} ."
    if kind == "off":
        return _off(task, rng)
    if kind == "cut":
        words = task.right.statement.split()
        return " ".join(words[: rng.randint(2, max(2, len(words) - 3))])
    return rng.choice(EVASIONS)


def reword(task: Task, rng: Random) -> Task:
    """The same task in another wording of its family."""
    if task.family not in FAMILIES:
        return task
    others = [number for number in range(len(FAMILIES[task.family].wordings)) if number != task.wording]
    return build(task.family, rng.choice(others), task.slots)


def stretch(task: Task, rng: Random) -> Task:
    """A more demanding task of the same family, in another wording; only reworded where the family has none.

    One about facts of a text stays as it is.
    """
    if task.family not in FAMILIES:
        return task
    harder = FAMILIES[task.family].stretch
    return reword(build(task.family, task.wording, harder(task.slots, rng)) if harder else task, rng)


def _full(result: Result) -> str:
    return f"{result.statement} the answer is {result.answer} ."


def _off(task: Task, rng: Random) -> str:
    while True:
        response = _full(draw(rng).right)
        if not check(task, response):
            return response

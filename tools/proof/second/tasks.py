"""Tasks of the second world: stated, answered well or badly, recognised from plain text, and checked exactly. World.

A task is a state and operations on it, one after another: the more operations, the harder. Everything is deterministic
in the ``random.Random`` that is handed in. As in the first world a hash divides the questions into ``train``, ``seed``
and ``test``; it leaves the wording out, so that the same question in other words is in the same part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Literal

from proof.second.families import FAMILIES

Kind = Literal[
    "shown", "bare", "checked", "skipped", "slipped", "mismatched", "guessed", "echoed", "stalled", "strayed", "hedged"
]
"""Ways to respond. Sound: every step and the answer; the answer alone; all of it twice. Flawed: a step left out; a slip
that is carried on; right steps and another answer; a wrong answer alone; the beginning given back; a step over and over
and no answer; an answer to another question; two answers."""
SOUND: frozenset[Kind] = frozenset({"shown", "bare", "checked"})
Part = Literal["train", "seed", "test"]
LABELS = tuple(f"#{letter}" for letter in "abcdefghijklmnop")
"""What a question is filed under: says nothing, and makes questions many."""
ORDINARY = (1, 2)
"""Operations of an ordinary question: of the seeds, and of the examination's ordinary half."""
ADDED = 1
"""Operations that a coach adds."""
WORDINGS = ("{label} {family} : {start} | {operations} ?", "{label} {operations} on {family} {start} ?")
_READINGS = (
    re.compile(r"(?P<label>#\w) (?P<family>\w+) : (?P<start>.+?) \| (?P<operations>.+) \?"),
    re.compile(r"(?P<label>#\w) (?P<operations>.+) on (?P<family>\w+) (?P<start>.+) \?"),
)
ANSWER, STEP = "= ", " ; "
_STALLED = 4
"""How often a response repeats itself that never comes to an end."""
_TRIES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One question with its worked answer."""

    family: str
    label: str
    wording: int
    start: str
    operations: tuple[str, ...]

    @property
    def question(self) -> str:
        """As it is asked."""
        return WORDINGS[self.wording].format(
            label=self.label, family=self.family, start=self.start, operations=" , ".join(self.operations)
        )

    @property
    def states(self) -> tuple[str, ...]:
        """The state after each operation. Raises ``LookupError`` or ``ValueError`` where one is not of the family."""
        step = FAMILIES[self.family].step
        return tuple(accumulate(self.operations, step, initial=self.start))[1:]

    @property
    def answer(self) -> str:
        """The right one."""
        return self.states[-1]

    @property
    def part(self) -> Part:
        """10 % test, 20 % seed, 70 % train, by the MD5 of what is asked, in whatever words."""
        asked = "\0".join((self.family, self.label, self.start, *self.operations))
        bucket = hashlib.md5(asked.encode(), usedforsecurity=False).digest()[0] % 10
        return "test" if bucket == 0 else "seed" if bucket < 3 else "train"


def draw(rng: Random, family: str, count: int, part: Part | None = None) -> Task:
    """Draw a task with ``count`` operations."""
    while True:
        start = " ".join(FAMILIES[family].draw(rng))
        task = Task(
            family=family,
            label=rng.choice(LABELS),
            wording=rng.randrange(len(WORDINGS)),
            start=start,
            operations=_operations(rng, family, start, count),
        )
        if part in (None, task.part):
            return task


def _operations(rng: Random, family: str, state: str, count: int) -> tuple[str, ...]:
    found = []
    for _ in range(count):
        found.append(_operation(rng, family, state))
        state = FAMILIES[family].step(state, found[-1])
    return tuple(found)


def _operation(rng: Random, family: str, state: str) -> str:
    return FAMILIES[family].operation(rng, state.split(" "))


def stretch(task: Task, rng: Random) -> Task:
    """What a coach writes: the same task with ``ADDED`` operations more, and a label that leaves it in its part."""
    while True:
        more = _operations(rng, task.family, task.answer, ADDED)
        harder = Task(
            family=task.family,
            label=rng.choice(LABELS),
            wording=rng.randrange(len(WORDINGS)),
            start=task.start,
            operations=(*task.operations, *more),
        )
        if harder.part == task.part:
            return harder


def read(text: str) -> Task | None:
    """Recognise a question of this world in plain text; ``None`` for every other text."""
    for wording, reading in enumerate(_READINGS):
        found = reading.fullmatch(text.strip())
        if found is None or found["family"] not in FAMILIES:
            continue
        task = Task(
            family=found["family"],
            label=found["label"],
            wording=wording,
            start=found["start"],
            operations=tuple(found["operations"].split(" , ")),
        )
        try:
            return task if task.states else None
        except (LookupError, ValueError):
            continue
    return None


def said(response: str) -> str:
    """What a response answers: the words after its last ``=``, and nothing where there is none."""
    _, found, answer = f" {response}".rpartition(f" {ANSWER}")
    return answer.strip() if found else ""


def check(question: Task | str, response: str) -> bool:
    """Whether a response is right and complete. A text outside the world has no right answer: ``False``."""
    task = read(question) if isinstance(question, str) else question
    return task is not None and said(response) == task.answer


def write(task: Task, kind: Kind, rng: Random) -> str:
    """Respond to a task in the way that ``kind`` names.

    A flawed response is never right by chance: where a flaw does no harm, as a step left out that changes nothing, the
    response gives right steps and another answer instead.
    """
    if kind in SOUND:
        return _SOUND[kind](task)
    for _ in range(_TRIES):
        if not check(task, response := _FLAWED[kind](task, rng)):
            return response
    return f"{trace(task.operations, task.states)}{STEP}{_miss(task, rng)}"


def trace(operations: tuple[str, ...], states: tuple[str, ...]) -> str:
    """Each step with the state that it leads to."""
    return STEP.join(f"{one} {state}" for one, state in zip(operations, states, strict=True))


def _shown(task: Task) -> str:
    return f"{trace(task.operations, task.states)}{STEP}{ANSWER}{task.answer}"


_SOUND: dict[Kind, Callable[[Task], str]] = {
    "shown": _shown,
    "bare": lambda task: f"{ANSWER}{task.answer}",
    "checked": lambda task: f"{_shown(task)}{STEP}again {_shown(task)}",
}


def _skipped(task: Task, rng: Random) -> str:
    """Of a question of one step nothing is left but the beginning."""
    lost = rng.randrange(len(task.operations))
    kept = (*task.operations[:lost], *task.operations[lost + 1 :])
    try:
        return _shown(_with(task, task.start, kept)) if kept else f"{ANSWER}{task.start}"
    except (LookupError, ValueError):  # what is left can no longer be done
        return _slipped(task, rng)


def _slipped(task: Task, rng: Random) -> str:
    """One state is another, and the steps after it are right for that one."""
    at = rng.randrange(len(task.operations))
    before = (task.start, *task.states)[at]
    other = FAMILIES[task.family].step(before, _operation(rng, task.family, before))
    try:
        after = _with(task, other, task.operations[at + 1 :]).states
    except (LookupError, ValueError):
        return _slipped(task, rng)
    states = (*task.states[:at], other, *after)
    return f"{trace(task.operations, states)}{STEP}{ANSWER}{states[-1]}"


def _with(task: Task, start: str, operations: tuple[str, ...]) -> Task:
    return Task(family=task.family, label=task.label, wording=task.wording, start=start, operations=operations)


def _miss(task: Task, rng: Random) -> str:
    """A wrong answer: where another last step would have led."""
    before, family = (task.start, *task.states)[-2], FAMILIES[task.family]
    while (other := family.step(before, _operation(rng, task.family, before))) == task.answer:
        pass
    return f"{ANSWER}{other}"


def _stray(task: Task, rng: Random) -> str:
    others = [family for family in FAMILIES if family != task.family]
    return _shown(draw(rng, rng.choice(others), len(task.operations)))


def _stall(task: Task, rng: Random) -> str:
    at = rng.randrange(len(task.operations))
    steps = trace(task.operations, task.states).split(STEP)
    return STEP.join([*steps[:at], *[steps[at]] * _STALLED])


_FLAWED: dict[Kind, Callable[[Task, Random], str]] = {
    "skipped": _skipped,
    "slipped": _slipped,
    "mismatched": lambda task, rng: f"{trace(task.operations, task.states)}{STEP}{_miss(task, rng)}",
    "guessed": _miss,
    "echoed": lambda task, rng: f"{ANSWER}{task.start}" if task.start != task.answer else _miss(task, rng),
    "stalled": _stall,
    "strayed": _stray,
    "hedged": lambda task, rng: f"{_shown(task)} or {_miss(task, rng).removeprefix(ANSWER)}",
}

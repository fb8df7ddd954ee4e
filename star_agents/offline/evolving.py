"""How sample agents evolve instructions, and what the closed world makes of them.

An evolved task is a task of the world with *demands* below it, one in a line, each a further step on the way to the
answer; so the number of steps is how difficult it is. Some evolutions come out broken: the same task in other words,
words of the prompt in front, a demand that nobody can meet, or one that leaves the answer without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Literal

from star_agents.offline import styles, world
from star_agents.offline.families import FAMILIES
from star_agents.offline.family import Result
from star_agents.offline.words import COLOURS, NAMES, OBJECTS

Operator = Literal["constraints", "deepen", "concretise", "reasoning", "complicate_input", "breadth"]
Flaw = Literal["same", "leaked", "impossible", "wordless"]

EASE: Mapping[Operator, float] = {
    "constraints": 1.0, "deepen": 0.95, "concretise": 0.95, "reasoning": 0.85, "complicate_input": 0.6, "breadth": 0.75,
}  # fmt: skip
"""How often an operator comes out well, for a writer who always evolves well."""
REFUSAL = "i am sorry , but nobody can know that ."
SILENCE = ". . ."
IMPOSSIBLE = "say also what nobody in the world can know ."
_WORDLESS = "answer with dots alone ."
_LEAK = "here is the rewritten instruction :"
_FLAWS: tuple[Flaw, ...] = ("same", "leaked", "impossible", "wordless")
_LONG_WORD = re.compile(r"\w{4,}")
_FEW_NEW_WORDS = 6
"""Fewer new words of four letters and more make no other request, where a text is none of the world."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """One further step: its wording, what it makes of an answer, and the words that may stand in it."""

    wording: str
    step: Callable[[str, Mapping[str, str]], str]
    draw: Callable[[Random], dict[str, str]] = lambda _: {}

    def read(self, line: str) -> dict[str, str] | None:
        """The slots of a line that states this demand."""
        found = pattern_of(self.wording).fullmatch(line)
        return found.groupdict() if found else None


@cache
def pattern_of(wording: str) -> re.Pattern[str]:
    """Recognises a wording; each of its slots is one word."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\w+)", re.escape(wording)))


def _turned(answer: str, _: Mapping[str, str]) -> str:
    return " ".join(reversed(answer.split()))


DEMANDS: Mapping[Operator, Demand] = {
    "constraints": Demand(
        wording="the last word of your reply must be {colour} .",
        step=lambda answer, slots: f"{answer} {slots['colour']}",
        draw=lambda rng: {"colour": rng.choice(COLOURS)},
    ),
    "deepen": Demand(
        wording="tell with it how many words that makes .",
        step=lambda answer, _: f"{answer} , {len(answer.split())} words",
    ),
    "concretise": Demand(
        wording="speak to {name} by name before you say it .",
        step=lambda answer, slots: f"{slots['name']} : {answer}",
        draw=lambda rng: {"name": rng.choice(NAMES)},
    ),
    "reasoning": Demand(wording="then turn around the order of all these words .", step=_turned),
    "complicate_input": Demand(
        wording="a list says {first} , {second} , {third} . put what stands at its end in front .",
        step=lambda answer, slots: f"{slots['third']} {answer}",
        draw=lambda rng: dict(zip(("first", "second", "third"), rng.sample(OBJECTS, 3), strict=True)),
    ),
}
_ANY_TEXT: Mapping[Operator, str] = {
    "constraints": "Keep within five sentences, and avoid every technical term.",
    "deepen": "Explain also which causes stand behind this, and where such explanations reach their limits.",
    "concretise": "Work through one particular case: a small bakery with three employees in some coastal town.",
    "reasoning": "Compare two possible solutions first, weigh their consequences, then decide between them.",
    "complicate_input": "Use this table:\n\n| year | visitors | income |\n| 2021 | 1400 | 900 |\n| 2022 | 2100 | 950 |",
    "breadth": "Write a short quiz about {words}, with four unusual questions and their solutions.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Evolved:
    """A task of the world with the demands below it, as lines."""

    base: world.Task
    demands: tuple[str, ...]

    @property
    def steps(self) -> int:
        """How difficult it is: the task itself, and one step for each demand."""
        return 1 + len(self.demands)

    @property
    def text(self) -> str:
        """All of it as a question."""
        return "\n".join((self.base.question, *self.demands))

    @property
    def task(self) -> world.Task:
        """The task whose results went through every demand."""
        return replace(
            self.base,
            right=self._through(self.base.right),
            misses=tuple(map(self._through, self.base.misses)),
        )

    def _through(self, result: Result) -> Result:
        for line in self.demands:
            for demand in DEMANDS.values():
                slots = demand.read(line)
                if slots is not None:
                    answer = demand.step(result.answer, slots)
                    result = Result(answer=answer, statement=f"{result.statement} with that it becomes {answer} .")
        return result


def read_evolved(text: str) -> Evolved | None:
    """Recognise a task of the world with its demands, be there none; ``None`` for every other text.

    Demands stand below the task, and above whatever text goes with it.
    """
    lines = text.strip().split("\n")
    demands = tuple(filter(_is_demand, lines))
    base = world.solve("\n".join(line for line in lines if line not in demands))
    return Evolved(base=base, demands=demands) if base else None


def broken_reply(text: str) -> str:
    """What anybody says to a demand that cannot be met; empty where there is none."""
    lines = text.split("\n")
    return REFUSAL if IMPOSSIBLE in lines else SILENCE if _WORDLESS in lines else ""


def evolve(operator: Operator, instruction: str, share: float, rng: Random) -> str:
    """Another instruction, well evolved in ``share`` of the cases for the easiest operator."""
    if rng.random() >= share * EASE[operator]:
        return _broken(rng.choice(_FLAWS), instruction, rng)
    evolved = read_evolved(instruction)
    if evolved is None:
        added = _ANY_TEXT[operator].format(words=" and ".join(styles.key_words(instruction, 2)) or "it")
        return added if operator == "breadth" else f"{instruction.strip()}\n\n{added}"
    if operator == "breadth":
        family = evolved.base.family if evolved.base.family in FAMILIES else None
        return replace(evolved, base=world.draw(rng, family)).text
    demand = DEMANDS[operator]
    line = demand.wording.format_map(demand.draw(rng))
    return replace(evolved, demands=(*evolved.demands, line)).text


def come_to_the_same(parent: str, evolved: str) -> bool:
    """Whether two instructions ask for the same, as far as the texts tell."""
    if broken_reply(parent) != broken_reply(evolved):
        return False
    one, other = read_evolved(parent), read_evolved(evolved)
    if one is not None and other is not None:
        return (one.base.family, one.base.slots, one.demands) == (other.base.family, other.base.slots, other.demands)
    words = [set(_LONG_WORD.findall(text.lower())) for text in (parent, evolved)]
    return len(words[1] - words[0]) < _FEW_NEW_WORDS


def judge_equality(parent: str, evolved: str, accuracy: float, rng: Random) -> str:
    """A reason and a verdict; the true one with probability ``accuracy``."""
    is_equal = come_to_the_same(parent, evolved) == (rng.random() < accuracy)
    return "Both ask for the same.\nequal" if is_equal else "The second one asks for something else.\ndifferent"


def _broken(flaw: Flaw, instruction: str, rng: Random) -> str:
    if flaw == "leaked":
        return f"{_LEAK} {instruction}"
    if flaw != "same":
        return f"{instruction}\n{IMPOSSIBLE if flaw == 'impossible' else _WORDLESS}"
    evolved = read_evolved(instruction)
    return (
        styles.reword_any(instruction, rng)
        if evolved is None
        else replace(evolved, base=world.reword(evolved.base, rng)).text
    )


def _is_demand(line: str) -> bool:
    return any(demand.read(line) is not None for demand in DEMANDS.values())

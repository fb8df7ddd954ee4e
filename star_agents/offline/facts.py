"""Facts of the closed world that a text may state, and questions that they answer.

A text states that somebody has so many things, that a thing of somebody's has a colour, and on which day somebody
leaves. A question asks for one of these, or for what follows from two of them; with the text, or with the facts in
front of it, everybody can work out its answer, and see where a text does not say what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Literal

from star_agents.offline.family import Result, Slots
from star_agents.offline.words import COLOURS, DAYS, NAMES, NUMBERS, OBJECTS, THINGS

Kind = Literal["count", "colour", "day", "total", "more", "after"]
FACT_KINDS: tuple[Kind, ...] = ("count", "colour", "day")
"""Questions that one fact answers."""
TWO_STEP_KINDS: tuple[Kind, ...] = ("total", "more", "after")
NOT_STATED = Result(answer="not stated", statement="the text does not say that .")
_FACTS: Mapping[str, str] = {
    "count": "{name} has {value} {thing} .",
    "colour": "the {thing} of {name} is {value} .",
    "day": "{name} leaves on {value} .",
}
_QUESTIONS: Mapping[Kind, tuple[str, ...]] = {
    "count": ("how many {thing} does {name} have ?", "tell me how many {thing} {name} has ."),
    "colour": ("which colour has the {thing} of {name} ?", "tell me the colour of the {thing} of {name} ."),
    "day": ("on which day does {name} leave ?", "tell me the day on which {name} leaves ."),
    "total": ("how many {thing} do {name} and {other} have together ?",),
    "more": ("who has more {thing} , {name} or {other} ?",),
    "after": ("which day is {steps} days after the one on which {name} leaves ?",),
}
_ASKED: Mapping[Kind, str] = {
    "count": "how many of some things one person has",
    "colour": "which colour a thing of somebody's has",
    "day": "on which day somebody leaves",
    "total": "how many of some things two people have together",
    "more": "which of two people has more of some things",
    "after": "which day is some days after the one on which somebody leaves",
}
"""What a prompt says that asks for questions of a kind."""
_VALUES: Mapping[str, tuple[str, ...]] = {"count": NUMBERS[:10], "colour": COLOURS, "day": DAYS}
_MOST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states: kind, thing (of a day: none) and name, to the value."""

    values: Mapping[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])

    def of(self, kind: str) -> list[tuple[str, str, str]]:
        """The facts of a kind, by what they are about."""
        return [one for one in self.values if one[0] == kind]

    def sentence(self, about: tuple[str, str, str]) -> str:
        """The sentence that states one of them."""
        kind, thing, name = about
        return _FACTS[kind].format(thing=thing, name=name, value=self.values[about])


@dataclass(frozen=True, slots=True)
class Question:
    """One question."""

    kind: Kind
    slots: Slots
    wording: int = 0

    @property
    def text(self) -> str:
        """As it is asked."""
        wordings = _QUESTIONS[self.kind]
        return wordings[self.wording % len(wordings)].format_map(self.slots)

    @property
    def needs(self) -> list[tuple[str, str, str]]:
        """What has to be stated for an answer."""
        thing, name = self.slots.get("thing", ""), self.slots["name"]
        if self.kind in ("total", "more"):
            return [("count", thing, name), ("count", thing, self.slots["other"])]
        return [("day" if self.kind == "after" else self.kind, thing, name)]


def draw_facts(rng: Random, people: int = 3) -> list[str]:
    """Sentences that state some facts about some people, in any order: of one kind of thing everybody has some."""
    names, things = rng.sample(NAMES, people), rng.sample(THINGS, 2)
    told = [_FACTS["count"].format(name=name, thing=things[0], value=rng.choice(NUMBERS[2:9])) for name in names]
    told.append(_FACTS["count"].format(name=names[0], thing=things[1], value=rng.choice(NUMBERS[2:9])))
    told += [_FACTS["day"].format(name=name, value=rng.choice(DAYS)) for name in names[:2]]
    for name, thing in zip(names[1:], rng.sample(OBJECTS, people - 1), strict=True):
        told.append(_FACTS["colour"].format(name=name, thing=thing, value=rng.choice(COLOURS)))
    rng.shuffle(told)
    return told


def read_facts(text: str) -> Facts:
    """The facts that a text states, wherever in it; of two that differ the first counts."""
    found: dict[tuple[str, str, str], str] = {}
    for kind, template in _FACTS.items():
        for match in _pattern(template).finditer(text):
            slots = match.groupdict()
            if slots["name"] in NAMES and slots["value"] in _VALUES[kind]:
                found.setdefault((kind, slots.get("thing", ""), slots["name"]), slots["value"])
    return Facts(found)


def read_question(text: str) -> Question | None:
    """The first question in a text; ``None`` where there is none."""
    best: tuple[int, Question] | None = None
    for kind, wordings in _QUESTIONS.items():
        for number, wording in enumerate(wordings):
            match = _pattern(wording).search(text)
            if match and (best is None or match.start() < best[0]):
                best = match.start(), Question(kind, match.groupdict(), number)
    return best[1] if best else None


def draw_question(facts: Facts, rng: Random, *, harder: bool = False, kind: Kind | None = None) -> Question | None:
    """A question that the facts answer: of a kind, or by one of them or, where it is to be ``harder``, in two steps."""
    kinds = (kind,) if kind else TWO_STEP_KINDS if harder else FACT_KINDS
    possible = [question for one in kinds for question in _askable(one, facts)]
    return rng.choice(possible) if possible else None


def standing_alone(question: Question, facts: Facts) -> str:
    """A question with what has to be known for it in front, as far as that is stated."""
    return " ".join([*(facts.sentence(one) for one in question.needs if one in facts.values), question.text])


def kind_asked_for(text: str) -> Kind | None:
    """The kind of question that a prompt asks for by its words; ``None`` where it names none."""
    return next((kind for kind, words in _ASKED.items() if words in text), None)


def words_for(kind: Kind) -> str:
    """The words by which a prompt asks for questions of a kind."""
    return _ASKED[kind]


def _askable(kind: Kind, facts: Facts) -> list[Question]:
    if kind in ("total", "more"):
        counts = facts.of("count")
        return [
            Question(kind, {"thing": thing, "name": name, "other": other})
            for _, thing, name in counts
            for _, same, other in counts
            if same == thing and name < other
        ]
    if kind == "after":
        steps = NUMBERS[2 : _MOST_STEPS + 1]
        return [Question(kind, {"name": name, "steps": step}) for _, _, name in facts.of("day") for step in steps]
    return [
        Question(kind, {"thing": thing, "name": name}, wording)
        for _, thing, name in facts.of(kind)
        for wording in range(len(_QUESTIONS[kind]))
    ]


def work_out(question: Question, facts: Facts) -> tuple[Result, tuple[Result, ...]]:
    """The right result and near misses; where the facts do not say it, that is the right one."""
    values = [facts.values.get(one) for one in question.needs]
    stated = [one for one in values if one is not None]
    if len(stated) < len(values):
        kind = "day" if question.kind == "after" else question.kind if question.kind in FACT_KINDS else "count"
        return NOT_STATED, tuple(Result(answer=one, statement=f"it is {one} .") for one in _VALUES[kind][2:5])
    told = " ".join(facts.sentence(one) for one in question.needs)
    right, others = _answers(question, stated)
    return Result(answer=right, statement=told), tuple(Result(answer=one, statement=told) for one in others)


def _answers(question: Question, values: list[str]) -> tuple[str, list[str]]:
    """The right answer and wrong ones, the nearest first."""
    if question.kind == "more":
        first, second = (NUMBERS.index(one) for one in values)
        names = [question.slots["name"], question.slots["other"]]
        if first == second:
            return "nobody", names
        return (names[0], [names[1], "nobody"]) if first > second else (names[1], [names[0], "nobody"])
    if question.kind == "total":
        right, among = sum(NUMBERS.index(one) for one in values), NUMBERS
    elif question.kind == "after":
        steps = DAYS.index(values[0]) + NUMBERS.index(question.slots["steps"])
        right, among = steps % len(DAYS), DAYS
    else:
        among = NUMBERS if question.kind == "count" else COLOURS if question.kind == "colour" else DAYS
        right = among.index(values[0])
    near = sorted(range(len(among)), key=lambda place: (abs(place - right), place))[1:5]
    return among[right], [among[place] for place in near]


def without(text: str, about: tuple[str, str, str]) -> str:
    """A text without the sentence that states a fact."""
    return re.sub(r"[ ]{2,}", " ", text.replace(read_facts(text).sentence(about), "")).strip()


def with_another(text: str, about: tuple[str, str, str], rng: Random) -> str:
    """A text in which a fact has another value."""
    facts = read_facts(text)
    value = rng.choice([one for one in _VALUES[about[0]][2:] if one != facts.values[about]])
    return text.replace(facts.sentence(about), Facts({about: value}).sentence(about))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\S)" + re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[a-z]+)", re.escape(template)) + r"(?!\w)")

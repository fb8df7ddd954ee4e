"""The protocol of MT-bench and its kin (Zheng et al. 2023, arXiv 2306.05685), as FastChat's ``llm_judge`` has it. Pure.

A model answers one or two turns; a judge grades each turn by itself, the second with both in view, where the category
asks for it beside a reference answer. Temperatures, what needs references, which prompt is used when, and how a grade
is read from what the judge wrote are FastChat's to the letter; every rule stands here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Literal, NamedTuple

from star_agents.records import Flat, Message

TEMPERATURES: Mapping[str, float] = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
OTHER_TEMPERATURE = 0.7
"""Of every other category, as those of Vicuna-bench."""
WITH_REFERENCE = frozenset({"math", "reasoning", "coding"})
"""Categories whose judge is shown a reference answer."""
MOST_TURNS = 2
"""FastChat's prompts know no third."""
JUDGE_TEMPERATURE, JUDGE_TOKENS, ANSWER_TOKENS = 0.0, 2048, 1024
LOWEST, HIGHEST = 1.0, 10.0
"""What the judge is asked for. Whatever number it writes counts, as in FastChat; those beyond are counted apart."""
BEYOND_NUMBERS = 1e6
"""A number from here on is none that a judge could mean."""
_RATING = re.compile(r"\[\[(\d+\.?\d*)\]\]")
_RATING_IN_SINGLE_BRACKETS = re.compile(r"\[(\d+\.?\d*)\]")
Side = Literal["first", "second", "tie"]
_VERDICTS: tuple[tuple[str, Side], ...] = (("[[A]]", "first"), ("[[B]]", "second"), ("[[C]]", "tie"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Question(Flat):
    """One question of a benchmark."""

    id: str
    category: str
    turns: tuple[str, ...]
    """What the user says: one or two turns."""
    reference: tuple[str, ...] = ()
    """An answer to each turn that is right; only the judge sees it."""
    own_temperature: float | None = None
    """The row's ``required_temperature``, before that of its category."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """What else the row says of it, such as ``skill`` and ``difficulty``."""

    @property
    def temperature(self) -> float:
        """At which a model answers."""
        if self.own_temperature is not None:
            return self.own_temperature
        return TEMPERATURES.get(self.category, OTHER_TEMPERATURE)

    @property
    def needs_reference(self) -> bool:
        """Whether its judge is shown an answer that is right."""
        return self.category in WITH_REFERENCE


class Use(NamedTuple):
    """What a judge's prompt is for."""

    mode: Literal["single", "pair"]
    has_reference: bool
    is_second_turn: bool


PROMPTS: Mapping[str, Use] = {
    "single-v1": Use("single", has_reference=False, is_second_turn=False),
    "single-math-v1": Use("single", has_reference=True, is_second_turn=False),
    "single-v1-multi-turn": Use("single", has_reference=False, is_second_turn=True),
    "single-math-v1-multi-turn": Use("single", has_reference=True, is_second_turn=True),
    "pair-v2": Use("pair", has_reference=False, is_second_turn=False),
    "pair-math-v1": Use("pair", has_reference=True, is_second_turn=False),
    "pair-v2-multi-turn": Use("pair", has_reference=False, is_second_turn=True),
    "pair-math-v1-multi-turn": Use("pair", has_reference=True, is_second_turn=True),
}
"""The prompts of FastChat's ``judge_prompts.jsonl`` that it uses, by name."""


def prompt_name(mode: Literal["single", "pair"], question: Question, turn: int) -> str:
    """Which prompt judges a turn, 1 or 2, of a question."""
    use = Use(mode, question.needs_reference, turn == 2)
    return next(name for name, one in PROMPTS.items() if one == use)


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgePrompt(Flat):
    """How a judge is asked: an entry of ``judge_prompts.jsonl``."""

    system: str
    template: str
    """With ``str.format``'s braces around the names of what is shown."""

    def messages(self, shown: Mapping[str, str]) -> tuple[Message, ...]:
        """What the judge is sent: the system turn, where there is one, and the user's."""
        asked = Message(role="user", content=self.template.format(**shown))
        return (Message(role="system", content=self.system), asked) if self.system else (asked,)


def places_of(name: str) -> frozenset[str]:
    """What may stand in braces in the prompt of a name."""
    mode, has_reference, is_second = PROMPTS[name]
    answers = ("answer",) if mode == "single" else ("answer_a", "answer_b")
    if not is_second:
        found = {"question", *answers}
    else:
        found = {f"{one}_{turn}" for one in ("question", *answers) for turn in (1, 2)}
    return frozenset(found | ({"ref_answer_1", "ref_answer_2"} if has_reference else set()))


def mistake_in(name: str, template: str) -> str:
    """Why a template cannot be filled; empty where it can."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return f"its braces cannot be read: {error}"
    names = {place for _, place, _, _ in parts if place is not None}
    if any(spec or conversion for _, place, spec, conversion in parts if place is not None):
        return "a place holds a format, and places take none"
    known = places_of(name)
    if unknown := sorted(names - known):
        return f"has a place {{{unknown[0]}}}, which {name} does not fill; there are: {', '.join(sorted(known))}"
    wanted = {one for one in known if "answer" in one and not one.startswith("ref_")}
    if missing := sorted(wanted - names):
        return f"has no place {{{missing[0]}}}: the judge would not see what it judges"
    return ""


def grading_fields(question: Question, answers: tuple[str, ...], turn: int) -> dict[str, str]:
    """What a judge is shown of one model's answers to grade a turn."""
    if turn == 1:
        shown = {"question": question.turns[0], "answer": answers[0]}
    else:
        shown = {f"question_{place}": text for place, text in enumerate(question.turns, start=1)}
        shown |= {f"answer_{place}": text for place, text in enumerate(answers, start=1)}
    return shown | _references(question)


def comparison_fields(question: Question, first: tuple[str, ...], second: tuple[str, ...], turn: int) -> dict[str, str]:
    """What a judge is shown of two models' answers, the first as A."""
    if turn == 1:
        shown = {"question": question.turns[0], "answer_a": first[0], "answer_b": second[0]}
    else:
        shown = {f"question_{place}": text for place, text in enumerate(question.turns, start=1)}
        shown |= {f"answer_a_{place}": text for place, text in enumerate(first, start=1)}
        shown |= {f"answer_b_{place}": text for place, text in enumerate(second, start=1)}
    return shown | _references(question)


def _references(question: Question) -> dict[str, str]:
    """Both turns' answers stand for the prompts with references, whichever turn is judged; each takes what it shows."""
    if not question.needs_reference:
        return {}
    both = (*question.reference, *("" for _ in range(MOST_TURNS)))[:MOST_TURNS]
    return {f"ref_answer_{place}": text for place, text in enumerate(both, start=1)}


def rating_in(said: str) -> float | None:
    """The first ``[[n]]`` of what a judge wrote, else the first ``[n]``; ``None`` where there is neither."""
    found = _RATING.search(said) or _RATING_IN_SINGLE_BRACKETS.search(said)
    value = None if found is None else float(found.group(1))
    return value if value is not None and value < BEYOND_NUMBERS else None


def verdict_in(said: str) -> Side | None:
    """Whom a judge names the better: ``[[A]]``, ``[[B]]`` or ``[[C]]``, looked for in this order; ``None``: nobody."""
    return next((side for mark, side in _VERDICTS if mark in said), None)


def joined(forward: Side | None, backward: Side | None) -> Side | None:
    """Two orders as one verdict of first and second as they stood in the first of them: any disagreement is a tie;
    ``None`` where one of the two cannot be read.

    Args:
        forward: Of the order in which they stand.
        backward: Of the other order, in which ``first`` is whom the other calls second.
    """
    if forward is None or backward is None:
        return None
    turned: Mapping[Side, Side] = {"first": "second", "second": "first", "tie": "tie"}
    return forward if forward == turned[backward] else "tie"

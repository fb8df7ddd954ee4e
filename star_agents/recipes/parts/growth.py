"""When the types of a skill are to be added to, what is a good new one, and when one is given up. Pure.

Design section 4: "`grow: N` lets an agent propose types from what the target lost". Rules and numbers are ours; no
paper has any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from star_agents.recipes.parts.elimination import content_words
from star_agents.recipes.parts.skills import Example, Skill, Type
from star_agents.recipes.reads import Json, Unreadable
from star_agents.records import Standing

ALIKE = 0.6
"""Share of common words, stop words aside, from which what two types ask for is the same (Jaccard)."""
LONGEST_NAME = 40
LONGEST_ASK = 400
LONGEST_EXAMPLE = 1_000
SHOWN = 8
"""Instructions that the target lost which the grower is shown, the newest."""
LONGEST_SHOWN = 1_500
"""Characters of each."""
MOST_PROPOSED = 3
"""Types that are asked for at once."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
NO_NAME = "its name is none: a small letter, then small letters, digits and _"
LONG_NAME = f"its name is longer than {LONGEST_NAME} characters"
TAKEN = "the skill has a type of that name"
TRIED = "a type of that name was given up before"
NO_WORDS = "it does not say what to ask for"
LONG_ASK = f"what it asks for is told in more than {LONGEST_ASK} characters"
LIKE_ONE = "it asks for the same as a type that the skill has"
LIKE_TRIED = "it asks for the same as a type that was given up before"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A type as the grower proposes it."""

    name: str
    ask: str
    example: str


@dataclass(frozen=True, slots=True)
class Proposals:
    """Reads the types that a grower proposes. What is wrong with one of them is no fault of the others."""

    most: int
    """So many are taken."""
    request: str = "Reply with one JSON object and nothing else."

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the reply can be bound to."""
        text = {"type": "string"}
        one = {
            "type": "object",
            "properties": {"name": text, "ask": text, "example": text},
            "required": ["name", "ask", "example"],
            "additionalProperties": False,
        }
        return {
            "type": "object",
            "properties": {"types": {"type": "array", "items": one}},
            "required": ["types"],
            "additionalProperties": False,
        }

    def read(self, text: str) -> list[Proposal]:
        """The first ones. Raises ``Unreadable`` where there are none."""
        found = Json(self.schema).read(text)["types"]
        if not found:
            raise Unreadable("the list of types is empty")
        return [Proposal(_name(one["name"]), _line(one["ask"]), one["example"].strip()) for one in found[: self.most]]


def _name(text: str) -> str:
    """As names of types are written: ``Odd one out`` becomes ``odd_one_out``."""
    return "_".join(text.casefold().replace("-", " ").replace("_", " ").split())


def _line(text: str) -> str:
    """In one line, of what can be shown."""
    return "".join(one if one.isprintable() else " " for one in " ".join(text.split()))


def refusal(proposal: Proposal, skill: Skill, given_up: Iterable[Type]) -> str:
    """Why a proposal is no new type of a skill, in words of which there are few; empty where it is one.

    Args:
        proposal: As it was read.
        skill: With the types that it has now.
        given_up: Types that it had.
    """
    if len(proposal.name) > LONGEST_NAME:
        return LONG_NAME
    if not _NAME.fullmatch(proposal.name):
        return NO_NAME
    if not content_words(proposal.ask):
        return NO_WORDS
    if len(proposal.ask) > LONGEST_ASK:
        return LONG_ASK
    for types, has_name, is_like in ((skill.types, TAKEN, LIKE_ONE), (given_up, TRIED, LIKE_TRIED)):
        for one in types:
            if one.name == proposal.name:
                return has_name
            if _likeness(one.ask, proposal.ask) >= ALIKE:
                return is_like
    return ""


def type_of(proposal: Proposal, skill: Skill) -> Type:
    """A proposal as a type of a skill; its example stays where the skill's form has no more to it than words."""
    plain = Type(name=proposal.name, source="grown", ask=proposal.ask)
    if skill.form != "text" or not 0 < len(proposal.example) <= LONGEST_EXAMPLE:
        return plain
    example = Example(instruction=proposal.example)
    return plain if skill.written_flaw(plain, example.written) else plain.model_copy(update={"example": example})


def _likeness(one: str, other: str) -> float:
    """The Jaccard similarity of their words."""
    words, others = set(content_words(one)), set(content_words(other))
    return len(words & others) / len(words | others) if words | others else 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about the types that were added, and those that are to come."""

    retired: Mapping[str, str]
    """Arms that are given up, each with why."""
    on_trial: Sequence[str]
    """Arms that have not had their first draws, the one with the fewest first."""
    due: Mapping[str, int]
    """Skills to which types are to be added, each with how many times that was due so far."""
    room: int
    """How many more may be drawn at once."""

    def to_plain(self) -> dict[str, Any]:
        """As it is recorded."""
        retired, on_trial, due = dict(self.retired), list(self.on_trial), dict(self.due)
        return {"retired": retired, "on_trial": on_trial, "due": due, "room": self.room}


def planned(
    standings: Mapping[str, Standing],
    given: Mapping[str, Sequence[str]],
    grown: Mapping[str, Sequence[str]],
    *,
    most: int,
    after: int,
    tries: int,
) -> Plan:
    """What is to be done as things stand.

    A new type is drawn ``tries`` times before its worth is looked at. A skill is due each time its types have earned
    ``after`` more, in draws whose instructions the target all lost, while fewer than ``most`` added types are drawn.

    Args:
        standings: What each type did so far, by arm; of those that did nothing there is none.
        given: The types that each skill came with, by its name.
        grown: The types that were added to it and are drawn.
        most: Added types that may be drawn at once, in all skills together.
        after: What types earn between two proposals.
        tries: Draws of a new type.
    """
    retired: dict[str, str] = {}
    for skill, arms in grown.items():
        others = [standings[arm] for arm in given[skill] if arm in standings]
        for arm in arms:
            if arm in standings and (why := why_retired(standings[arm], others, tries)):
                retired[arm] = why
    staying = [arm for arms in grown.values() for arm in arms if arm not in retired]
    draws = {arm: standings[arm].draws if arm in standings else 0 for arm in staying}
    earned = {
        skill: sum(standings[arm].earned for arm in (*arms, *grown.get(skill, ())) if arm in standings)
        for skill, arms in given.items()
    }
    times = {skill: int(sum_ / after) for skill, sum_ in earned.items()}
    return Plan(
        retired=retired,
        on_trial=sorted((arm for arm in staying if draws[arm] < tries), key=lambda arm: draws[arm]),
        due={skill: n for skill, n in times.items() if n} if len(staying) < most else {},
        room=max(0, most - len(staying)),
    )


def why_retired(standing: Standing, others: Sequence[Standing], tries: int) -> str:
    """Why an added type is given up; empty while it is not.

    After its first draws it stays for as long as it earns more than a type that the skill came with does on average: a
    place is for what is worth more than what there was. To give up by bad luck one that is about as good loses nothing;
    one that is much better rarely looks worse after so many draws. The average is over types, not over draws: draws
    turn to the best, and a new type need not be one of these.

    Args:
        standing: What the added type did so far.
        others: Those of the given types of its skill.
        tries: Rewards before which it stays.
    """
    if standing.rewards < tries:
        return ""
    if not standing.earned:
        return f"it earned nothing in {standing.rewards:,} draws"
    means = [one.earned / one.rewards for one in others if one.rewards]
    mean, usual = standing.earned / standing.rewards, fmean(means) if means else 0.0
    if mean > usual:
        return ""
    return (
        f"it earned {mean:.2f} in each of {standing.rewards:,} draws, and a type that its skill came with {usual:.2f}"
    )

"""The planted pool: twelve response agents with a skill, a flaw and a voice, and fifteen pairs made of them.

World. The numbers were written down before any candidate was scored, and were not changed after the first result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from star_agents.offline import world
from star_agents.offline.families import FAMILIES
from star_agents.offline.words import FILLERS
from star_agents.records import KEEP, AgentPair

_ALL = frozenset(FAMILIES)
_ARITHMETIC = frozenset({"add", "unit", "sort", "sequence", "compare"})
_CALENDAR = frozenset({"weekday", "month", "unit"})
_LANGUAGE = frozenset({"edit", "fact", "category", "count"})
_REASONING = frozenset({"sort", "compare", "count", "table", "logic"})

COACH = "coach"
"""Instruction agent that makes a question more demanding where its family knows how: longer lists, more steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """A response agent."""

    skill: float
    """Share of sound responses in ``strong``."""
    strong: frozenset[str] = _ALL
    elsewhere: float = 0.0
    """Share of sound responses in every other family."""
    sound: world.Kind = "good"
    flaw: world.Kind = "wrong"
    remarks: tuple[int, int] = (0, 0)
    """Empty remarks before and after what it says."""


AGENTS: Mapping[str, Agent] = {
    "arithmetic": Agent(strong=_ARITHMETIC, skill=0.9, elsewhere=0.35),
    "calendar": Agent(strong=_CALENDAR, skill=0.95, elsewhere=0.3),
    "linguist": Agent(strong=_LANGUAGE, skill=0.9, elsewhere=0.35),
    "reasoner": Agent(strong=_REASONING, skill=0.9, elsewhere=0.35),
    "steady": Agent(skill=0.8),
    "warm": Agent(skill=0.75, remarks=(1, 0)),
    "brief": Agent(skill=0.9, sound="terse", flaw="wrong_terse"),
    "chatty": Agent(skill=0.75, sound="padded"),
    "rambler": Agent(skill=0.15, remarks=(2, 2)),
    "bluffer": Agent(skill=0.15),
    "hasty": Agent(skill=0.3, flaw="cut"),
    "dreamer": Agent(skill=0.3, flaw="off"),
}
"""``brief`` is terse and right, ``rambler`` verbose and wrong; the last four are plainly bad."""

PAIRS: tuple[AgentPair, ...] = (
    *(AgentPair(instruction=KEEP, response=name) for name in AGENTS),
    *(AgentPair(instruction=COACH, response=name) for name in ("steady", "arithmetic", "linguist")),
)

SEED_KINDS: Mapping[str, Mapping[world.Kind, int]] = {
    "plain": {"good": 70, "wrong": 20, "cut": 5, "off": 5},
    "mixed": {"good": 30, "terse": 20, "padded": 20, "wrong": 20, "cut": 5, "off": 5},
}
"""Percent of each kind of response that the seeds come with, 70 % sound in both. In ``plain`` a sound response is the
very text that most agents write when they are right; in ``mixed`` it often is in a style that the gap ranks lower."""


def answer(agent: Agent, task: world.Task, rng: Random) -> str:
    """What an agent writes."""
    share = agent.skill if task.family in agent.strong else agent.elsewhere
    text = world.write(task, agent.sound if rng.random() < share else agent.flaw, rng)
    before, after = agent.remarks
    remarks = rng.sample(FILLERS, before + after)
    return " ".join([*remarks[:before], text, *remarks[before:]])


def seed_answer(task: world.Task, style: str, rng: Random) -> str:
    """The response that a seed comes with; ``style`` is a name in ``SEED_KINDS``."""
    kinds = SEED_KINDS[style]
    return world.write(task, rng.choices(tuple(kinds), tuple(kinds.values()))[0], rng)

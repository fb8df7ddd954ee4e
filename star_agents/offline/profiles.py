"""The sample agents: what each is good at, how it writes, and how it fails.

``tutor`` is the planted best: right nearly everywhere, and always in the full style that the dual-model gap favours.
``dreamer`` is the planted worst: it always answers some other question, which has a gap below zero and so can
never be chosen. The rest lie between: right in one half of the families, or in a style that seldom wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from star_agents.offline.families import FAMILIES, NUMBER_FAMILIES
from star_agents.offline.world import FACTS, Kind

_ALL = frozenset(FAMILIES) | {FACTS}
_REASONING = frozenset({"sort", "compare", "count", "table", "logic"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One sample agent."""

    line: str
    """What it is, for people."""
    strong: frozenset[str] = _ALL
    skill: float
    """Share of sound responses in the strong families."""
    elsewhere: float = 0.0
    """Share of sound responses in the other families."""
    sound: Kind = "good"
    flaw: Kind = "wrong"
    style: str
    """How it reshapes text outside the world; a name in ``styles.STYLES``."""
    rewrites: Literal["reword", "stretch"] = "reword"
    evolves: float = 0.6
    """Share of instructions that it evolves well, by the easiest operator."""
    referees: float = 0.65
    """Probability of the true verdict, in each order of showing."""
    checks: bool = False
    """Whether it grades benchmarks by the result alone, and without a mistake."""

    def kind_for(self, family: str, rng: Random) -> Kind:
        """How it responds to a task of a family this time."""
        share = self.skill if family in self.strong else self.elsewhere
        return self.sound if rng.random() < share else self.flaw


PROFILES: Mapping[str, Profile] = {
    "tutor": Profile(
        line="planted best: right almost everywhere, explains briefly",
        strong=_ALL - {"table", "month"}, skill=0.98, elsewhere=0.95, style="restructure", evolves=0.85,
    ),
    "scholar": Profile(
        line="strong with words and facts, weak with numbers",
        strong=_ALL - NUMBER_FAMILIES, skill=0.6, elsewhere=0.05, style="elaborate",
    ),
    "clerk": Profile(
        line="strong with numbers and dates, weak with words",
        strong=NUMBER_FAMILIES, skill=0.6, elsewhere=0.05, style="number",
    ),
    "analyst": Profile(
        line="strong at ordering, counting and looking up, weak elsewhere",
        strong=_REASONING, skill=0.65, elsewhere=0.05, style="number",
    ),
    "novice": Profile(line="right one time in five", skill=0.2, style="stumble", evolves=0.3),
    "terse": Profile(
        line="three times in four right, gives the bare answer",
        skill=0.75, sound="terse", flaw="wrong_terse", style="shorten",
    ),
    "chatty": Profile(
        line="three times in four right, buries the answer in small talk", skill=0.75, sound="padded", style="chat"
    ),
    "hasty": Profile(
        line="breaks off three times in four; mostly says so", skill=0.25, flaw="cut", style="cut"
    ),
    "bluffer": Profile(line="sure of itself and mostly wrong", skill=0.2, style="damage", evolves=0.3),
    "parrot": Profile(line="mostly evades the question", skill=0.2, flaw="unanswered", style="echo", evolves=0.1),
    "dreamer": Profile(
        line="planted worst: always answers some other question", skill=0.0, flaw="off", style="dream", evolves=0.05,
    ),
    "editor": Profile(line="instruction agent: puts a question into other words", skill=0.6, style="restructure"),
    "coach": Profile(
        line="instruction agent: makes a question more demanding", skill=0.6, style="elaborate", rewrites="stretch",
        evolves=0.95,
    ),
    "referee": Profile(
        line="compares two answers; right in 85 of 100", skill=0.6, style="restructure", referees=0.85
    ),
    "checker": Profile(
        line="knows the answers: grades and compares without a mistake", skill=0.6, style="restructure", referees=1.0,
        checks=True,
    ),
}  # fmt: skip

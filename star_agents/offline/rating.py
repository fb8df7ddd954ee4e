"""How a sample agent rates the difficulty of an instruction: by what its text shows, and it errs now and then."""

from __future__ import annotations

import re
from random import Random

from star_agents.arena.test_sets import EASIEST, HARDEST
from star_agents.offline.evolving import read_evolved

_MISJUDGED = 4
_OFF_BY = (-1, 0, 0, 0, 1)
_LONG_WORD = re.compile(r"\w{4,}")
_STEP = 2
_WORDS_OF_A_POINT = 8
_MOST_BY_LENGTH = 4


def rate(instruction: str, accuracy: float, rng: Random) -> str:
    """A rating and its reason in the form that the prompt asks for; off by four points where the agent errs."""
    true = difficulty_of(instruction)
    off = rng.choice(_OFF_BY)
    if rng.random() >= accuracy:
        off += _MISJUDGED if true < (EASIEST + HARDEST) / 2 else -_MISJUDGED
    return f"[[{min(max(true + off, EASIEST), HARDEST):g}]] because of its steps, and of what is to be read for them."


def difficulty_of(instruction: str) -> int:
    """True difficulty from 0 to 10, as far as the text tells: two points for each further step of a task of the closed
    world, and up to four for what there is to read."""
    evolved = read_evolved(instruction)
    reading = min(len(_LONG_WORD.findall(instruction)) // _WORDS_OF_A_POINT, _MOST_BY_LENGTH)
    steps = evolved.steps if evolved is not None else 2
    return min(1 + _STEP * (steps - 1) + reading, round(HARDEST))

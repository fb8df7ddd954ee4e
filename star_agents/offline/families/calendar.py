"""Families about the calendar: steps along the days of the week and the months of the year."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from star_agents.offline.family import Family, Result, Slots, Working, join
from star_agents.offline.words import DAYS, MONTHS, NAMES, NUMBERS

_LONGEST = 6


def _steps(cycle: tuple[str, ...], noun: str) -> Callable[[Slots], Working]:
    def work(slots: Slots) -> Working:
        start, count = cycle.index(slots["start"]), NUMBERS.index(slots["n"])
        if not 1 < count <= _LONGEST:
            raise ValueError("a walk takes two to six steps")

        def result(length: int) -> Result:
            path = [cycle[(start + step) % len(cycle)] for step in range(1, length + 1)]
            return Result(answer=path[-1], statement=f"the next {noun} are {join(path)} .")

        return Working(right=result(count), misses=(result(count - 1), result(count + 1)))

    return work


def _drawer(cycle: tuple[str, ...], longest: int) -> Callable[[Random], dict[str, str]]:
    def draw(rng: Random) -> dict[str, str]:
        count = NUMBERS[rng.randint(2, longest)]
        return {"name": rng.choice(NAMES), "start": rng.choice(cycle), "n": count}

    return draw


def _stretch(slots: Slots, rng: Random) -> dict[str, str]:
    return {**slots, "n": NUMBERS[min(_LONGEST, NUMBERS.index(slots["n"]) + rng.choice((1, 2)))]}


WEEKDAY = Family(
    name="weekday",
    wordings=(
        "{name} leaves on {start} and travels for {n} days . on which day does {name} arrive ?",
        "today is {start} . {name} has a test in {n} days . which day is that ?",
        "which day is {n} days after {start} ? {name} wants to know .",
        "a parcel for {name} is sent on {start} and takes {n} days . on which day does it come ?",
    ),
    draw=_drawer(DAYS, 5),
    work=_steps(DAYS, "days"),
    stretch=_stretch,
)

MONTH = Family(
    name="month",
    wordings=(
        "{name} starts to work in {start} and stops {n} months later . which month is that ?",
        "it is {start} now . {name} will move in {n} months . in which month ?",
        "which month is {n} months after {start} ? {name} wants to know .",
    ),
    draw=_drawer(MONTHS, 4),
    work=_steps(MONTHS, "months"),
    stretch=_stretch,
)

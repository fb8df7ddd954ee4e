"""The charts of a run as pictures that stand by themselves, for a page that is not ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from star_agents.report.curves import COLOURED
from star_agents.report.drawing import Drawing
from star_agents.report.facts import RunFacts
from star_agents.report.rendering import render
from star_agents.report.run_page import gap_chart, pair_chart, recipe_charts

MOST = 12
_UNSAFE = re.compile(r"[^a-z0-9]+")


class Plot(NamedTuple):
    """One picture."""

    file: str
    says: str
    """What it shows."""
    svg: str


def plots(facts: RunFacts) -> list[Plot]:
    """Up to ``MOST`` of them: what is drawn over time, gaps, measures."""
    made: dict[str, Plot] = {}
    for name, says, drawing in _drawings(facts):
        file = f"{_UNSAFE.sub('-', name.lower()).strip('-')}.svg"
        if len(made) < MOST and file not in made:
            made[file] = Plot(file, says, render("plot.svg.jinja", drawing=drawing, coloured=COLOURED))
    return list(made.values())


def _drawings(facts: RunFacts) -> Iterator[tuple[str, str, Drawing]]:
    """Names, what they show, and charts."""
    if (pairs := pair_chart(facts)) is not None:
        yield "probability of pairs", "How likely each pair is to be drawn, over the outcomes", pairs["drawing"]
    if (gaps := gap_chart(facts)) is not None:
        yield "gaps", "Gaps of the chosen candidates and of the others", gaps["drawing"]
    for recipe in recipe_charts(facts):
        name = recipe["name"]
        for pool in recipe["pools"]:
            if pool["curves"] is not None:
                says = f"How likely each arm of {pool['name']} ({name}) is to be drawn, over the outcomes"
                yield f"probability of {name} {pool['name']}", says, pool["curves"]
        for measure in recipe["measures"]:
            if measure["drawing"] is not None:
                yield (
                    f"{name} {measure['name']}",
                    f"{measure['name']} ({name}): {measure['what'] or 'as measured'}",
                    measure["drawing"],
                )

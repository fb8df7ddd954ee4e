"""The report of a run: curves, tables, costs, gaps, samples to read. Pure: from facts to one page of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.report import pools
from star_agents.report.axes import Axis
from star_agents.report.charts import Series, distribution, histogram, outside
from star_agents.report.curves import COLOURED, DRAWN, LOOKS, curves, rank
from star_agents.report.facts import GAPS, RunFacts
from star_agents.report.rendering import render
from star_agents.report.stories import stories
from star_agents.scheduling.win_rates import win_rate

REASONS_SHOWN = 20
STAR = "star"
"""It has places of its own; where it is not at work they are left out."""
Data = Mapping[str, Any]


def run_page(facts: RunFacts) -> str:
    """The whole page."""
    summary = facts.summary
    return render(
        "run.html.jinja",
        title=f"Star-Agents: {facts.name}",
        summary=summary,
        curves=pair_chart(facts),
        coloured=COLOURED,
        pairs=_pairs(summary["pairs"]),
        pairs_cost=any(one["cost_usd"] or one["candidates_of_unknown_cost"] for one in summary["pairs"].values()),
        gaps=gap_chart(facts),
        agents=sorted(summary["agents"].items()),
        recipes=recipe_charts(facts),
        has_star=STAR in summary["recipes"] or not summary["recipes"],
        reasons_given=list(summary["dropped_because"].items())[:REASONS_SHOWN],
        sorts=stories(facts.stories),
    )


def recipe_charts(facts: RunFacts) -> list[Data]:
    """Every recipe but Star, with the drawings of its measures, its pools with what they turned to, and how its seeds
    ended by what stands in their columns."""
    told: list[Data] = []
    for name, one in facts.summary["recipes"].items():
        if name != STAR:
            turns = facts.summary["turns"]
            told_pools = [
                pools.pool(
                    full.removeprefix(f"{name}."),
                    each["arms"],
                    turns.get(full),
                    facts.pools.get(full, ()),
                    facts.edits,
                )
                for full, each in facts.summary["pools"].items()
                if full.startswith(f"{name}.")
            ]
            columns = [
                pools.told(column, each)
                for column, each in turns.items()
                if each["recipe"] == name and not each["is_pool"]
            ]
            measures = _measures(one["measures"])
            told.append({**one, "name": name, "pools": told_pools, "columns": columns, "measures": measures})
    return told


def _measures(measures: Mapping[str, Data]) -> list[Data]:
    return [
        {**one, "drawing": distribution(name, one["low"], one["high"], one["histogram"]) if one["values"] else None}
        for name, one in measures.items()
    ]


def pair_chart(facts: RunFacts) -> Data | None:
    """The curve of every pair, where it has a history."""
    moments = facts.moments
    if len(moments) < 2:
        return None
    ranked = len(rank(moments))
    return {
        "drawing": curves(moments, facts.edits),
        "edits": len(facts.edits),
        "some_grey": ranked > LOOKS,
        "not_drawn": max(0, ranked - DRAWN),
    }


def _pairs(pairs: Mapping[str, Data]) -> list[Data]:
    """Those that are drawn most come first."""
    ranked = sorted(pairs.items(), key=lambda item: (-(item[1]["probability_now"] or -1), -item[1]["wins"], item[0]))
    return [{**one, "name": name, "won": win_rate(one["wins"], one["candidates"])} for name, one in ranked]


def gap_chart(facts: RunFacts) -> Data | None:
    """The gaps of the chosen and of the others, where there are any."""
    chosen, others = facts.gaps_chosen, facts.gaps_others
    if not chosen and not others:
        return None
    axis = Axis.over([*chosen, *others], also=0.0)
    series = [
        Series(name=name, css=name, values=values)
        for name, values in (("others", others), ("chosen", chosen))
        if values
    ]
    return {
        "drawing": histogram("gap", axis, series, mark=0.0),
        "not_drawn": outside(axis, chosen) + outside(axis, others),
        "sampled": GAPS if max(len(chosen), len(others)) >= GAPS else 0,
    }

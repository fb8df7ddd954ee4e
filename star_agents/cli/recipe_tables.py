"""What recipes did, as tables: the same for every method. Star has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.cli.tables import print_table
from star_agents.storage.recipe_facts import is_stars_alone
from star_agents.text.printing import say

ARMS_SHOWN = 20
"""Of one pool, the most probable."""
Facts = Mapping[str, Any]


def print_recipes(recipes: Facts, pools: Facts) -> None:
    """What each recipe did, its measures and its pools; nothing where only Star is at work."""
    if is_stars_alone(recipes):
        return
    rows = [_recipe_row(name, one) for name, one in recipes.items()]
    print_table("recipes", ["recipe", "kept", "dropped", "rows", "children", "trials", "failed"], rows)
    for name, one in recipes.items():
        if one["measures"]:
            columns = ["measure", "mean", "values", "range", "better"]
            print_table(f"measures of {name}", columns, [_measure_row(each) for each in one["measures"].values()])
    for name, pool in pools.items():
        ranked = sorted(pool["arms"].items(), key=lambda item: -(item[1]["probability"] or 0.0))
        columns = ["arm", "probability", "draws", "mean reward"]
        print_table(f"pool {name}", columns, [_arm_row(arm, facts) for arm, facts in ranked[:ARMS_SHOWN]])
        if len(ranked) > ARMS_SHOWN:
            say(f"  and {len(ranked) - ARMS_SHOWN:,} more arms")


def _recipe_row(name: str, one: Facts) -> list[str]:
    kept = one["outcomes"]["kept"] + one["outcomes"]["base"]
    numbers = [kept, one["outcomes"]["dropped"], sum(one["rows"].values()), one["children"], one["trials"]]
    return [name, *(f"{number:,}" for number in (*numbers, sum(one["failed_trials"].values())))]


def _measure_row(one: Facts) -> list[str]:
    mean = "-" if one["mean"] is None else f"{one['mean']:.4g}"
    return [one["name"], mean, f"{one['values']:,}", f"{one['low']:g} to {one['high']:g}", one["better"] or "-"]


def _arm_row(arm: str, one: Facts) -> list[str]:
    probability = "-" if one["probability"] is None else f"{one['probability']:.4f}"
    mean = "-" if one["mean_reward"] is None else f"{one['mean_reward']:.3f}"
    return [arm, probability, f"{one['draws']:,}", mean]

"""What recipes did, as tables: the same for every method. Star has its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from star_agents.cli.tables import all_of, print_table
from star_agents.observe.status import Arm, Measured, Pool, RecipeState, Turn, Turns, Values
from star_agents.records.failures import one_line
from star_agents.storage.recipe_facts import is_stars_alone
from star_agents.text.arm_names import shared_folder
from star_agents.text.printing import say

ARMS_SHOWN = 20
"""Of one pool, the most probable."""


def print_recipes(recipes: Mapping[str, RecipeState], pools: Mapping[str, Pool]) -> None:
    """What each recipe did, its measures and its pools; nothing where only Star is at work."""
    if is_stars_alone(recipes):
        return
    rows = [_recipe_row(name, one) for name, one in recipes.items()]
    print_table("recipes", ["recipe", "kept", "dropped", "rows", "children", "trials", "failed"], rows)
    for name, one in recipes.items():
        if one.measures:
            columns = ["measure", "mean", "values", "range", "better"]
            print_table(f"measures of {name}", columns, [_measure_row(each) for each in one.measures.values()])
    for name, pool in pools.items():
        ranked = sorted(pool.arms.items(), key=lambda item: -(item[1].probability or 0.0))
        columns = ["arm", "probability", "draws", "mean reward"]
        folder = shared_folder(pool.arms)
        rows = [_arm_row(arm.removeprefix(folder), one) for arm, one in ranked[:ARMS_SHOWN]]
        print_table(f"pool {name}{all_of(folder)}", columns, rows)
        if len(ranked) > ARMS_SHOWN:
            say(f"  and {len(ranked) - ARMS_SHOWN:,} more arms")
        _print_grown(name, pool)


def _print_grown(name: str, pool: Pool) -> None:
    """The arms that were added while the recipe worked, retired ones named with why."""
    added = {arm: one for arm, one in pool.arms.items() if one.grown is not None}
    if not added:
        return
    retired = sum(bool(one.grown and one.grown.retired) for one in added.values())
    say(f"added to {name} while it worked: {len(added):,} arms, {retired:,} of them retired")
    for arm, one in added.items():
        grown = one.grown
        assert grown is not None, "chosen above"
        share = "retired" if one.probability is None else f"drawn with {one.probability:.4f}"
        mean = "nothing earned yet" if one.mean_reward is None else f"mean reward {one.mean_reward:.3f}"
        say(f"  {arm}: {one_line(grown.what)}")
        say(f"    {share}, {one.draws:,} draws, {mean}; from {len(grown.evidence):,} seeds, outcome {grown.seq:,}")
        if grown.retired:
            say(f"    retired at outcome {grown.retired_seq:,}: {one_line(grown.retired)}")


def print_turns(turns: Mapping[str, Turns]) -> None:
    """What each pool turned to and why, a line each; how seeds ended by what stands in a column, as a table."""
    for name, one in turns.items():
        if one.sentences:
            say(f"what pool {name} turned to:")
            for sentence in one.sentences:
                say(f"  {sentence}")
        elif not one.is_pool:
            measures = list(one.all.measures)
            rows = [_value_row(each, measures) for each in one.rows]
            print_table(f"seeds of {one.recipe} by {name}", [name, "seeds", "dropped", *measures], rows)
            if one.rows_left_out:
                say(f"  and {one.rows_left_out:,} more")


def _value_row(one: Turn, measures: Sequence[str]) -> list[str]:
    found = (one.measures[name].all if name in one.measures else None for name in measures)
    return [one.name, f"{one.outcomes:,}", f"{one.dropped:,}", *map(_values, found)]


def _values(values: Values | None) -> str:
    if values is None or values.mean is None:
        return "-"
    if values.low is None or values.high is None:
        return f"{values.mean:.1f}"
    return f"{values.mean:.0%} ({values.low:.0%} to {values.high:.0%})"


def _recipe_row(name: str, one: RecipeState) -> list[str]:
    kept = one.outcomes["kept"] + one.outcomes["base"]
    numbers = [kept, one.outcomes["dropped"], sum(one.rows.values()), one.children, one.trials]
    return [name, *(f"{number:,}" for number in (*numbers, sum(one.failed_trials.values())))]


def _measure_row(one: Measured) -> list[str]:
    mean = "-" if one.mean is None else f"{one.mean:.4g}"
    return [one.name, mean, f"{one.values:,}", f"{one.low:g} to {one.high:g}", one.better or "-"]


def _arm_row(name: str, arm: Arm) -> list[str]:
    probability = "-" if arm.probability is None else f"{arm.probability:.4f}"
    mean = "-" if arm.mean_reward is None else f"{arm.mean_reward:.3f}"
    return [f"{name} ({arm.mark})" if arm.mark else name, probability, f"{arm.draws:,}", mean]

"""What recipes did, as metric families of a status snapshot (``status_metrics``): the same for every method.

Labels are what recipes declare: their names, measures, pools and arms. An arm may be called anything and there may be
many, so a name is cut, and of a pool no more than so many arms have series; how many have none is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from star_agents.observe.status import Arm, Pool, RecipeState, Status
from star_agents.records.failures import one_line
from star_agents.web.status_metrics import PREFIX, Reading, Row, family, readings

ARMS_EXPORTED = 100
"""Of one pool, those that it declares first."""
MEASURES_EXPORTED = 50
"""Of one recipe, likewise."""
LONGEST_LABEL = 80
_OF_AN_ARM: tuple[Reading[Arm], ...] = (
    Reading("gauge", "pool_probability", "Probability with which the arm is drawn.", lambda arm: arm.probability),
    Reading("counter", "pool_draws", "Draws of the arm.", lambda arm: arm.draws),
    Reading("counter", "pool_rewards", "Rewards that the arm was given.", lambda arm: arm.rewards),
    Reading("gauge", "pool_mean_reward", "Mean of its rewards, from 0 to 1.", lambda arm: arm.mean_reward),
)


def recipe_families(status: Status) -> Iterator[Metric]:
    """Every metric of the recipes and pools that agents.yaml has."""
    recipes = {_label(name): told for name, told in status.recipes.items() if told.in_chain}
    outcomes = [
        ({"recipe": recipe, "outcome": kind}, float(n))
        for recipe, told in recipes.items()
        for kind, n in told.outcomes.items()
    ]
    yield family("counter", "recipe_outcomes", "Outcomes by recipe and by what became of the seed.", outcomes)
    rows = [
        ({"recipe": recipe, "shape": shape}, float(n))
        for recipe, told in recipes.items()
        for shape, n in told.rows.items()
    ]
    yield family("counter", "recipe_rows", "Rows that a recipe gave to the dataset, by their shape.", rows)
    children: list[Row] = [({"recipe": recipe}, float(told.children)) for recipe, told in recipes.items()]
    yield family("counter", "recipe_children", "Seeds that a recipe gave to the next one.", children)
    yield _measures(recipes)
    yield from _pools(status.pools)


def _measures(recipes: Mapping[str, RecipeState]) -> Metric:
    """Histograms without a sum: a measure may be negative, and then a sum is no counter (OpenMetrics 1.0)."""
    metric = Metric(f"{PREFIX}recipe_measure", "What a recipe measured of its trials.", "histogram")
    for recipe, told in recipes.items():
        for name, measure in list(told.measures.items())[:MEASURES_EXPORTED]:
            below, bins, low, high = 0, measure.histogram, measure.low, measure.high
            labels = {"recipe": recipe, "measure": _label(name)}
            for number, count in enumerate(bins, 1):
                below += count
                edge = "+Inf" if number == len(bins) else str(low + (high - low) * number / len(bins))
                metric.add_sample(f"{PREFIX}recipe_measure_bucket", {**labels, "le": edge}, float(below))
    return metric


def _pools(pools: Mapping[str, Pool]) -> Iterator[Metric]:
    exported: list[tuple[Mapping[str, str], Arm]] = []
    left_out: list[Row] = []
    for pool, told in pools.items():
        arms = {name: arm for name, arm in told.arms.items() if arm.probability is not None}
        named: dict[str, Arm] = {}
        for name, arm in arms.items():
            if len(named) < ARMS_EXPORTED:
                named.setdefault(_label(name), arm)  # Two that are alike once cut would be one series twice.
        if arms:
            exported += [({"pool": _label(pool), "arm": name}, arm) for name, arm in named.items()]
            left_out.append(({"pool": _label(pool)}, float(len(arms) - len(named))))
    yield from readings(_OF_AN_ARM, exported)
    text = f"Arms without series: of each pool {ARMS_EXPORTED} have some."
    yield family("gauge", "pool_arms_left_out", text, left_out)


def _label(name: str) -> str:
    return one_line(name, LONGEST_LABEL)

"""What a recipe brings with it beside its coroutine, found by what it declares: a workbench and a pool of its own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from star_agents.bench.bench import Bench
from star_agents.bench.stage import Stage
from star_agents.errors import RecipeError
from star_agents.scheduling.own_pool import MakeOwnPool, NoPool


def bench_of(stage: Stage) -> type[Bench]:
    """The workbench that a recipe is worked at: the one that every recipe has, or its own."""
    return cast(type[Bench], _named(stage.recipe.bench)) if stage.recipe.bench else Bench


def own_pool_of(stages: Mapping[str, Stage]) -> MakeOwnPool:
    """What makes the pool that a recipe of the chain brings with it.

    Raises:
        RecipeError: two recipes bring one.
    """
    bring = [stage.recipe for stage in stages.values() if stage.recipe.own_pool]
    if len(bring) > 1:
        names = " and ".join(recipe.name for recipe in bring)
        raise RecipeError(f"recipes {names} each bring a pool of their own, and one line has place for one")
    return cast(MakeOwnPool, _named(bring[0].own_pool)) if bring else NoPool


@lru_cache(maxsize=64)
def _named(place: str) -> Any:
    """What stands at ``module:name``."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)

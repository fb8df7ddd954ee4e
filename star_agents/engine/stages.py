"""The recipes of a line in their order, each with its settings, and what an outcome has to keep to."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import anyio

from star_agents.agents.prompts import overrides_of
from star_agents.bench.bench import Bench
from star_agents.bench.cancellation import is_being_cancelled, raise_if_cancelled
from star_agents.bench.stage import Stage
from star_agents.config.models import Config
from star_agents.engine.outcome_rules import check_outcome, check_rewards
from star_agents.engine.recipe_faults import Fault, breach_in, came_by_bench, fault_in, overrun_in
from star_agents.errors import RecipeError, ReplyUnreadable, WorkBlocked, first_of_ours
from star_agents.limits.numbers import MOST_MEASURED
from star_agents.recipes.protocol import Recipe
from star_agents.recipes.registry import find_chain
from star_agents.records import Declaration, GrownArm, Outcome, Row, Sample, Seed
from star_agents.records.claims import with_claims_of_rows
from star_agents.scheduling.grown import Grown
from star_agents.text.prompt_templates import PromptTemplates

_NONE_GROWN = Grown()


def stages_of(config: Config, grown: Grown = _NONE_GROWN) -> dict[str, Stage]:
    """Every stage by the name of its recipe, in order of the chain.

    Args:
        config: Names the recipes, and holds their settings.
        grown: Arms that they added to their pools.

    Raises:
        RecipeError: a recipe cannot be found or loaded.
    """
    chain = find_chain(config.recipe)
    return {
        one.name: Stage(
            recipe=one,
            settings=settings_with(one, one.settings_from(config), grown.of_recipe(one.name)),
            following=following,
            prompts=_prompts_of(one, config),
        )
        for one, following in zip(chain, [*chain[1:], None], strict=True)
    }


def settings_with(recipe: Recipe[Any], settings: Any, grown: Sequence[GrownArm]) -> Any:
    """Settings with the arms in them that were added to a recipe's pools.

    Raises:
        RecipeError: its own code for that fails, or gives something else.
    """
    if recipe.with_grown is None or not grown:
        return settings
    try:
        made = recipe.with_grown(settings, [replace(one, pool=one.pool.partition(".")[2]) for one in grown])
        if not isinstance(made, recipe.settings):
            raise TypeError(f"it gives {type(made).__name__}, and has to give {recipe.settings.__name__}")
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise RecipeError(f"recipe {recipe.name}: its settings with added arms cannot be made: {told}") from None
    return made


def takes_documents(config: Config) -> bool:
    """Whether the first recipe of the chain takes documents, and nothing else."""
    return find_chain(config.recipe)[0].takes == {"document"}


def _prompts_of(recipe: Recipe[Any], config: Config) -> PromptTemplates | None:
    if recipe.prompts is None:
        return None
    own = overrides_of(recipe.name, config.prompt_texts)
    return _read_once(recipe.prompts, recipe.name, tuple(sorted(own.items())))


@lru_cache(maxsize=256)
def _read_once(folder: Path, recipe: str, overrides: tuple[tuple[str, str], ...]) -> PromptTemplates:
    """A recipe's file is read once in the life of a process, and so are the templates beside it."""
    return PromptTemplates(folder, prefix=f"{recipe}/", overrides=dict(overrides))


def arms_of(stages: Mapping[str, Stage], agents: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The arms of every pool that recipes declare, by ``recipe.pool``."""
    found: dict[str, tuple[str, ...]] = {}
    for stage in stages.values():
        found |= stage.recipe.arms(stage.settings, agents)
    return found


def fed_back_pools(stages: Mapping[str, Stage], config: Config) -> frozenset[str]:
    """The pools that learn by what becomes of children: of recipes that another follows, unless ``feedback: off``."""
    following = {name: stage for name, stage in stages.items() if stage.following is not None}
    return frozenset(arms_of(following, tuple(config.agents))) if config.feedback else frozenset()


def why_not_taken(stage: Stage, seed: Seed) -> str:
    """Why a seed cannot be worked by its stage; empty where it can. A sample is an instruction, too."""
    if stage.recipe.works_on(seed.kind):
        return ""
    return f"recipe {stage.recipe.name} takes {' or '.join(sorted(stage.recipe.takes))}, and this is a {seed.kind}"


def stage_for(seed: Seed, stages: Mapping[str, Stage]) -> Stage | None:
    """Who works a seed: the recipe that it was made for, or else the first one; ``None`` where it has to wait for one
    that is not in the chain."""
    if seed.recipe:
        return stages.get(seed.recipe)
    first = next(iter(stages.values()))
    return None if why_not_taken(first, seed) else first


def declarations_of(stages: Mapping[str, Stage]) -> list[Declaration]:
    """What the recipes of a chain say of themselves, for the store."""
    return [
        Declaration(recipe=name, takes=tuple(sorted(stage.recipe.takes)), measures=stage.recipe.measures)
        for name, stage in stages.items()
    ]


def complete_outcome(
    outcome: Outcome,
    stage: Stage,
    seed: Seed,
    pools: Mapping[str, Collection[str]],
    drawn: Sequence[tuple[str, str]] = (),
) -> Outcome:
    """The outcome as it is committed: named, held to what the recipe declares, equal children once, and children
    without a next stage as rows of instructions.

    Args:
        outcome: What the recipe gave.
        stage: Whose outcome it is.
        seed: Of what.
        pools: The arms of every pool.
        drawn: Pool and arm of what was drawn for the seed, be it from arms that agents.yaml no longer has.

    Raises:
        RecipeError: it breaks a rule.
    """
    name = stage.recipe.name
    if outcome.seed_id != seed.id:
        raise RecipeError(f"recipe {name} gave the outcome of another seed")
    declared = {measure.name: measure for measure in stage.recipe.measures}
    for trial in outcome.trials:
        for measure, value in trial.measures.items():
            if measure not in declared:
                raise RecipeError(f"recipe {name} measures {measure!r}, which it does not declare")
            if value is not None and not (math.isfinite(value) and abs(value) <= MOST_MEASURED):
                raise RecipeError(f"recipe {name} measured {measure!r} as {value}, which is no number up to 1e15")
    earned = tuple(replace(one, pool=f"{name}.{one.pool}") for one in outcome.earned)
    for reward in earned:
        _check_arm(f"recipe {name} rewards", reward.pool, reward.arm, pools, drawn)
        if not 0 <= reward.value <= 1:
            raise RecipeError(f"recipe {name} rewards {reward.arm!r} with {reward.value}, and 0 to 1 is possible")
    if outcome.worth is not None and not 0 <= outcome.worth <= 1:
        raise RecipeError(f"recipe {name} says that the seed is worth {outcome.worth}, and 0 to 1 is possible")
    first: dict[str, Seed] = {}
    for child in outcome.children:
        first.setdefault(child.id, child)
        if stage.following is not None and not stage.following.works_on(child.kind):
            taken = " or ".join(sorted(stage.following.takes))
            raise RecipeError(f"recipe {name} makes a {child.kind} for recipe {stage.next}, which takes {taken}")
        for pool, arm in child.drawn_labels.items():
            if seed.labels.get(pool) != arm:
                _check_arm(f"recipe {name} labels a child with", pool, arm, pools, drawn)
    check_rewards(replace(outcome, earned=earned), name, seed.labels, drawn)
    outcome = _with_arms(outcome, stage)
    rows, children = outcome.rows, tuple(first.values())
    if children and not stage.next:
        rows = (*rows, *with_claims_of_rows(outcome, children, list(map(_as_row, children))))
        children = ()
    claims = tuple(
        replace(one, arms={f"{name}.{pool}": arm for pool, arm in one.arms.items()}) for one in outcome.claims
    )
    return replace(outcome, recipe=name, earned=earned, rows=rows, children=children, claims=claims)


def _with_arms(outcome: Outcome, stage: Stage) -> Outcome:
    """The outcome with the pools named in full whose arms it adds or retires. Raises RecipeError."""
    if not (outcome.added or outcome.retired):
        return outcome
    name, declared = stage.recipe.name, stage.recipe.pools
    for pool in [*(one.pool for one in outcome.added), *(one.pool for one in outcome.retired)]:
        if stage.recipe.with_grown is None:
            fix = "declare `with_grown`, which puts them into its settings"
            raise RecipeError(f"recipe {name} changes the arms of pool {pool!r} while it works; {fix}")
        if pool not in declared:
            raise RecipeError(f"recipe {name} changes the arms of a pool {pool!r} that it does not declare")
    return replace(
        outcome,
        added=tuple(replace(one, pool=f"{name}.{one.pool}") for one in outcome.added),
        retired=tuple(replace(one, pool=f"{name}.{one.pool}") for one in outcome.retired),
    )


def _check_arm(
    what: str, pool: str, arm: str, pools: Mapping[str, Collection[str]], drawn: Collection[tuple[str, str]]
) -> None:
    if (pool, arm) in drawn:
        return
    if pool not in pools:
        raise RecipeError(f"{what} a pool {pool!r} that it does not declare")
    if arm not in pools[pool]:
        raise RecipeError(f"{what} {arm!r} of pool {pool!r}, which has no such arm")


async def work_seed(seed: Seed, bench: Bench, pools: Mapping[str, Collection[str]]) -> Outcome:
    """The outcome that a seed's recipe gives, held to what it declares.

    A fault of a recipe of somebody's own, whatever it raises, is told as one: the seed is dropped, and may be queued
    again once mended. So is whoever takes longer than `failure_limits.seed_timeout_s`. What is wrong with agents,
    budget, store or scorer goes on, also out of a group of tasks.
    """
    stood_at: list[BaseException] = []
    scope = anyio.CancelScope()
    try:
        with bench.time.limits(scope):
            try:
                return await _worked(seed, bench, pools)
            except BaseException as error:
                stood_at.append(error)
                raise
    except BaseException as error:
        # What a recipe raises while it is being ended is no more than that.
        if not scope.cancel_called or is_being_cancelled() or first_of_ours(error) is not None:
            raise
    return fault_outcome(seed, bench, overrun_in(bench.stage.recipe, bench.time.limit_s, stood_at))


async def _worked(seed: Seed, bench: Bench, pools: Mapping[str, Collection[str]]) -> Outcome:
    recipe = bench.stage.recipe
    if not recipe.is_built_in:
        bench.tries.worked("recipe", recipe.name, seed.id)
    try:
        so_far = await bench.so_far() if recipe.catch_up is not None else None
        if recipe.catch_up is None or so_far is None:
            outcome = await recipe.work(bench.seed, bench, bench.stage.settings)
        else:
            outcome = await recipe.catch_up.work(bench.seed, bench, bench.stage.settings, so_far)
        if not recipe.is_built_in:
            outcome = check_outcome(outcome, recipe.name, seed, bench.stage.next)
        return complete_outcome(outcome, bench.stage, seed, pools, bench.drawn)
    except BaseException as error:
        raise_if_cancelled(error)
        ours = first_of_ours(error)
        if ours is not None and not (recipe.is_built_in or came_by_bench(ours) or isinstance(ours, WorkBlocked)):
            ours = None  # One of ours that its own code raises, such as for a store that it looks into itself.
        if isinstance(ours, ReplyUnreadable):
            return Outcome(seed_id=seed.id, kind="dropped", reason=str(ours), recipe=recipe.name)
        if isinstance(ours, RecipeError):
            return fault_outcome(seed, bench, breach_in(recipe, ours))
        if ours is not None and ours is not error:
            raise ours from None
        if ours is not None or recipe.is_built_in:
            raise
        return fault_outcome(seed, bench, fault_in(recipe, error))


def fault_outcome(seed: Seed, bench: Bench, fault: Fault) -> Outcome:
    """The outcome of a seed for which the recipe's code is at fault, which is noted among what was tried."""
    name = bench.stage.recipe.name
    bench.tries.failed("recipe", name, seed.id, fault.reason, fault.said)
    return Outcome(seed_id=seed.id, kind="dropped", reason=fault.sentence, recipe=name, is_fault=True)


def _as_row(child: Seed) -> Row:
    if isinstance(child.content, Sample):
        return Row(shape="instruction", data={"sample": child.content.to_dict()}, labels=child.labels)
    fix = "add a recipe that takes them"
    raise RecipeError(f"the last recipe of the chain makes documents, which no dataset holds; {fix}")

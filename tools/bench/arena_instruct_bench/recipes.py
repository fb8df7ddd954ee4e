"""Two recipes that stand for AgentInstruct and the arena: they draw and are worth as these do, and call nobody."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import anyio

from arena_instruct_bench.planted import World, planted
from star_agents.recipes.agent_instruct_settings import level_arm
from star_agents.recipes.protocol import Measure, Settings, Workbench, done, recipe, sft
from star_agents.records import Outcome, Sample, Seed, Trial


class WorldSettings(Settings):
    """Which world, and how much one document is asked for."""

    world: int = 0
    """Its number."""
    draws: int = 4
    """Types drawn for a document."""
    each: int = 2
    """Instructions of each."""


def arms_of(world: World, kind: str) -> list[str]:
    """The levels of a type."""
    return [level_arm(kind, level) for level in range(world.levels)]


def _types(settings: WorldSettings, _: object) -> list[str]:
    return list(planted(settings.world).types)


def _levels(settings: WorldSettings, _: object) -> list[str]:
    world = planted(settings.world)
    return [arm for kind in world.types for arm in arms_of(world, kind)]


@recipe(takes="document", gives="instruction", settings=WorldSettings, pools={"types": _types, "levels": _levels})
async def ask(seed: Seed, bench: Workbench, settings: WorldSettings) -> Outcome:
    """Instructions of drawn types, each at the level that is drawn for its type."""
    children = []
    world = planted(settings.world)
    for kind in await bench.draw("types", settings.draws):
        (arm,) = await bench.draw("levels", among=arms_of(world, kind))
        for number in range(settings.each):
            sample = Sample(instruction=f"{seed.document.text} {arm} {number}")
            children.append(bench.child(sample, labels={"types": kind, "levels": arm}))
    return done(seed, children=children)


@recipe(
    takes="instruction",
    settings=WorldSettings,
    measures=[
        Measure("lost", by_label=True),
        Measure("best_score", low=1, high=10, by_label=True),
        Measure("usefulness", by_label=True),
    ],
)
async def fight(seed: Seed, bench: Workbench, settings: WorldSettings) -> Outcome:
    """The battles over one instruction, as the planted world has them."""
    kind, _, level = seed.labels["ask.levels"].rpartition("@")
    await anyio.lowlevel.checkpoint()
    played = planted(settings.world).play(kind, int(level), Random(seed.sample.instruction))
    rows = [sft(replace(seed.sample, response="So."))] if played.is_useful else []
    measures = {"lost": played.lost, "best_score": played.best, "usefulness": played.worth}
    trial = Trial(arm="target", sample=seed.sample, measures=measures if played.lost is not None else {})
    return done(seed, rows=rows, trials=[trial], worth=played.worth)

"""Makes a test set of a file of instructions: vectors, clusters, ratings by a judge; rules are in ``arena.test_sets``.

Whatever is asked of an agent, a vector or a rating, goes through journal and budget of a work folder, so the same
command goes on where it stopped and pays for nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np

import star_agents
from star_agents.arena.k_means import Grouping, Vectors, k_means
from star_agents.arena.test_sets import DIVERSE_EACH, RATED_EACH, clusters_for, in_turns, to_rate, without_repeats
from star_agents.bench.paid_calls import PaidCalls
from star_agents.bench.tries import SeedTries
from star_agents.bench.vectors import SeedVectors
from star_agents.config.models import Config
from star_agents.engine.derived_config import with_recipe
from star_agents.engine.engine import Engine
from star_agents.engine.failure_limits import FailureLimits
from star_agents.engine.wiring import open_engine, refuse_early
from star_agents.errors import AgentUnavailable, UsageError
from star_agents.observe.bus import Bus
from star_agents.observe.logs import log_event
from star_agents.recipes.difficulty import MEASURE
from star_agents.records import Outcome, Seed
from star_agents.scheduling.memory import Vector
from star_agents.storage.incoming.seed_files import row_of_seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE, Store

RECIPE = "difficulty"
COLUMNS = ("set", "cluster", "difficulty", "source")
"""What a row of a set says beside its seed."""
EMBEDDED_AT_ONCE = 64
"""Instructions whose vectors are asked for side by side: enough to fill a request to the scorer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedded:
    """Instructions that have a vector."""

    seeds: tuple[Seed, ...]
    vectors: Vectors
    """Float32 [n, d], of these seeds in their order."""
    repeated: int
    """Seeds left out since they ask what one before them asks."""
    without: int
    """Seeds left out since no vector of them could be had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which instructions a set is made of; places are those of ``seeds``."""

    seeds: tuple[Seed, ...]
    grouping: Grouping
    diverse: tuple[int, ...]
    rated: tuple[int, ...]
    """To be rated: candidates of the hard part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rated:
    """What a judge said of the candidates."""

    ratings: Mapping[int, float]
    """By place; those that could not be read are missing."""
    models: tuple[str, ...]
    """Of the judge, as its endpoints name themselves in agents.yaml."""
    prompts: tuple[str, ...]
    """Versions of its prompt."""


def config_for_set(config: Config, judge: str, embedder: str | None, random_seed: int, *, where: str) -> Config:
    """agents.yaml as a set is made under it: the recipe rates, and vectors are those of the memory bank.

    Raises:
        ConfigError: there is no such judge or embedder.
    """
    memory = {**config.memory.model_dump(), "enabled": True, "embedder": embedder or config.embedder}
    return with_recipe(config, RECIPE, {"judge": judge}, where=where, memory=memory, random_seed=random_seed)


def without_memory(config: Config) -> Config:
    """The same for the ratings, which need no vector any more, and so no model that makes them."""
    return config.model_copy(update={"memory": config.memory.model_copy(update={"enabled": False})})


async def embed_instructions(config: Config, seeds: Sequence[Seed], work: Path) -> Embedded:
    """The vector of each instruction, of each text once.

    Args:
        config: As ``config_for_set`` gives it.
        seeds: Samples or instructions.
        work: Folder of the store whose journal keeps what an agent is asked.

    Raises:
        AgentUnavailable: More of them failed than `failure_limits` allows.
        BudgetExhausted: Of everybody.
        ConfigError: An agent cannot be called.
        ScorerError: The embedder cannot be loaded.
    """
    refuse_early(config)
    apart = without_repeats(seeds, _text)
    bus, found = Bus(), dict[int, Vector]()
    bus.subscribe(log_event)
    async with (
        await Store.open(work) as store,
        open_engine(config, store, bus=bus, seeds_expected=None, ends_when_empty=True) as line,
    ):
        if config.embedder.startswith("agent:"):
            await store.add_seeds(apart)  # The journal keeps calls of seeds that it knows.
        limits, waiting = FailureLimits(config.failure_limits, EMBEDDED_AT_ONCE), iter(enumerate(apart))
        async with anyio.create_task_group() as workers:
            for _ in range(EMBEDDED_AT_ONCE):
                workers.start_soon(_embed, waiting, line, limits, found)
    if why := limits.passed(at_end=True) or ("" if found else "no instruction could be embedded"):
        raise AgentUnavailable(why)
    places = sorted(found)
    return Embedded(
        seeds=tuple(apart[place] for place in places),
        vectors=np.stack([found[place] for place in places]).astype(np.float32, copy=False),
        repeated=len(seeds) - len(apart),
        without=len(apart) - len(places),
    )


async def _embed(
    waiting: Iterator[tuple[int, Seed]], line: Engine, limits: FailureLimits, found: dict[int, Vector]
) -> None:
    rooms = line.rooms()
    for place, seed in waiting:
        calls = PaidCalls(seed.id, rooms.revision, rooms.store, rooms.bus, time.monotonic)
        tries = SeedTries()
        vector = await SeedVectors(seed, rooms.embed, rooms.config.embedder, rooms.client, calls, tries).of_seed()
        limits.add(Outcome(seed_id=seed.id, kind="kept", recipe=RECIPE, tried=tries.tried))
        if vector is not None:
            found[place] = vector
        elif why := limits.passed():
            raise AgentUnavailable(why)
        await anyio.lowlevel.checkpoint()  # The embedder of hashed words never waits for anything.


def refuse_too_few(instructions: int, diverse: int, hard: int) -> None:
    """Refuse a set that is as large as what it is chosen from.

    Raises:
        UsageError: with sizes that fit as the paper's do.
    """
    if instructions < diverse + hard:
        fit = max(1, instructions * DIVERSE_EACH // (DIVERSE_EACH + RATED_EACH))
        told = f"{instructions:,} instructions are too few for {diverse:,} diverse and {hard:,} hard ones"
        raise UsageError(f"{told}; ask for fewer, such as --diverse {fit} --hard {fit}")


def choose(embedded: Embedded, *, clusters: int, diverse: int, hard: int, random_seed: int) -> Choice:
    """Group the instructions, and say which are taken as they are and which are to be rated.

    Raises:
        UsageError: there are too few for as many as are asked for.
    """
    refuse_too_few(len(embedded.seeds), diverse, hard)
    grouping = k_means(embedded.vectors, clusters_for(len(embedded.seeds), clusters), random_seed)
    taken = tuple(in_turns(grouping)[:diverse])
    rated = tuple(to_rate(grouping, frozenset(taken))) if hard else ()
    return Choice(seeds=embedded.seeds, grouping=grouping, diverse=taken, rated=rated)


def ratings_in(work: Path, choice: Choice, judge: str) -> Rated:
    """The ratings that stand in the work folder.

    Raises:
        UsageError: another judge gave them: the two have no scale in common.
    """
    places = {choice.seeds[place].id: place for place in choice.rated}
    ratings: dict[int, float] = {}
    models: dict[str, None] = {}
    prompts: dict[str, None] = {}
    if (work / STORE_FILE).is_file():
        with StoreReader(work) as reader:
            for result in reader.results():
                for trial in result.outcome.trials:
                    if trial.arm != judge:
                        fix = f"name that one, or another -o, or remove {work}"
                        raise UsageError(f"{work} holds ratings by {trial.arm}, not by {judge}; {fix}")
                    if result.seed.id in places and (value := trial.measures.get(MEASURE)) is not None:
                        ratings[places[result.seed.id]] = value
                        models |= dict.fromkeys(trial.models.values())
                        prompts |= dict.fromkeys(trial.prompts)
    return Rated(ratings=ratings, models=tuple(models), prompts=tuple(prompts))


def set_rows(choice: Choice, hard: Sequence[int], rated: Rated) -> Iterator[dict[str, Any]]:
    """The set as rows that are read as seeds, the diverse ones first; a column of theirs that has the name of one of
    ours goes under a name beside it."""
    for part, places in (("diverse", choice.diverse), ("hard", hard)):
        for place in places:
            seed = choice.seeds[place]
            meta = {f"beside_{name}" if name in COLUMNS else name: value for name, value in seed.meta.items()}
            own = {"set": part, "cluster": int(choice.grouping.labels[place])}
            if part == "hard":
                own["difficulty"] = rated.ratings[place]
            yield {**row_of_seed(replace(seed, meta=meta)), **own, "source": seed.source}


def card_of(
    config: Config, source: str, embedded: Embedded, choice: Choice, hard: Sequence[int], rated: Rated
) -> dict[str, Any]:
    """How the set was made, as plain data: who reads the set has to know by whose eyes it is diverse and hard."""
    found = sorted((rated.ratings[place] for place in hard), reverse=True)
    return {
        "method": "in the manner of WizardArena (arXiv 2407.10627): K-means, nearest to each centre; rated by a judge",
        "made_by": f"star-agents {star_agents.__version__}, numpy {np.__version__}",
        "source": source,
        "instructions": len(embedded.seeds),
        "repeated": embedded.repeated,
        "without_vector": embedded.without,
        "embedder": config.embedder,
        "clusters": len(choice.grouping.centres),
        "random_seed": config.random_seed,
        "diverse": len(choice.diverse),
        "hard": len(hard),
        "rated": len(rated.ratings),
        "not_rated": len(choice.rated) - len(rated.ratings),
        "judge": {"agent": _judge_of(config), "models": list(rated.models), "prompts": list(rated.prompts)}
        if choice.rated
        else None,
        "difficulty": {
            "mean_of_rated": _mean(rated.ratings.values()),
            "mean_of_hard": _mean(found),
            "lowest_of_hard": found[-1],
            "of_lowest_taken": found.count(found[-1]),
            "of_lowest_rated": sum(one == found[-1] for one in rated.ratings.values()),
        }
        if found
        else None,
    }


def _mean(values: Collection[float]) -> float:
    return round(fmean(values), 3)


def _judge_of(config: Config) -> str:
    judge: str = getattr(config, RECIPE).judge
    return judge


def _text(seed: Seed) -> str:
    """All that a model would be asked."""
    return "\n".join([*(turn.content for turn in seed.sample.history), seed.sample.question])

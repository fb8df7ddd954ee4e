"""What scoring on actors costs beside scoring in a process here, and what nodes that are lost cost: nothing but time.

The scorer is the offline pair, one thread each. Pairs per CPU second are those of the process that scores, so that
other work on the machine does not count; what the parent pays per pair is its own CPU, Ray's threads among it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from calls_bench.rows import Row, ratios, spread
from counting_scorer import CountingScorer
from ray_cluster import LocalCluster, local_cluster

from cluster_bench.portions import added_up
from star_agents import offline
from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.config.sections import ScoringConfig
from star_agents.engine.scorer_places import ClusterPlaces
from star_agents.records import Sample, Score
from star_agents.scoring import Scorer
from star_agents.scoring.proc import signs_of

PAIRS = 2_000
LEAST_PAIRS = 400
KILLS = 100
CALLS = 100
"""In flight when a node is lost."""
MACHINES = 100
MOST_DEARER = 1.2
"""Times the parent's CPU per pair of a process here: the target."""


def _samples(count: int) -> list[Sample]:
    return [
        Sample(instruction=f"Name {number} colours and say why.", response="red, green and blue " * (1 + number % 9))
        for number in range(count)
    ]


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """One pass over the pairs."""

    parent_us: float
    """CPU of this process per pair."""
    per_cpu_s: float
    """Pairs per CPU second of the process that scores."""
    scores: list[Score]


def _scorer(places: ClusterPlaces | None) -> Scorer:
    return Scorer(ScoringConfig(device="cpu", threads=1), resolve=offline.resolve_model, places=places)


async def _timed(scorer: Scorer, samples: list[Sample]) -> _Timed:
    (pid,) = scorer.pids
    here, there = time.process_time(), signs_of(pid).cpu_s
    found = await scorer.score(samples)
    parent, worker = time.process_time() - here, signs_of(pid).cpu_s - there
    return _Timed(parent_us=1e6 * parent / len(samples), per_cpu_s=len(samples) / worker, scores=found)


@asynccontextmanager
async def _cluster() -> AsyncIterator[tuple[LocalCluster, Connection]]:
    with local_cluster() as cluster:
        cluster.add()
        async with Connection(ClusterConfig(ray=cluster.address), tell=lambda line: None, look_s=0.2) as connection:
            yield cluster, connection


def scoring(rounds: int, scale: float, cpus: set[int], portions: Path | None) -> list[Row]:
    """What a pair costs."""
    del cpus, portions
    os.environ["OMP_NUM_THREADS"] = "1"
    return asyncio.run(_measure(rounds, max(LEAST_PAIRS, round(PAIRS * scale))))


def losses(rounds: int, scale: float, cpus: set[int], portions: Path | None) -> list[Row]:
    """A hundred nodes lost at scale 1, one row."""
    del rounds, cpus
    return [_row_of_losses(added_up(portions, "losses", asyncio.run(_lost(max(3, round(KILLS * scale))))))]


async def _measure(rounds: int, pairs: int) -> list[Row]:
    samples = _samples(pairs)
    here, there = list[_Timed](), list[_Timed]()
    async with (
        _cluster() as (_, connection),
        _scorer(None) as alone,
        _scorer(ClusterPlaces(connection, device="cpu")) as lent,
    ):
        for scorer in (alone, lent):
            await scorer.score(samples[:64])
        for _ in range(rounds):
            here.append(await _timed(alone, samples))
            there.append(await _timed(lent, samples))
    equal = all(one.scores == here[0].scores for one in (*here, *there))
    return _rows(here, there, pairs, equal)


def _rows(here: list[_Timed], there: list[_Timed], pairs: int, equal: bool) -> list[Row]:
    dearer = ratios([one.parent_us for one in there], [one.parent_us for one in here])
    slower = ratios([one.per_cpu_s for one in there], [one.per_cpu_s for one in here])
    parent_us = median(one.parent_us for one in there)
    return [
        Row(
            key="scoring.parent",
            what="CPU of the parent per scored pair: an actor ÷ a process here",
            measured=f"{spread(dearer)}×; {parent_us:.0f} µs against {median(one.parent_us for one in here):.0f} µs",
            target=f"≤ {MOST_DEARER}×",
            holds=median(dearer) <= MOST_DEARER,
        ),
        Row(
            key="scoring.worker",
            what=f"pairs per CPU second of the process that scores, offline pair, one thread, {pairs:,} pairs: "
            "an actor ÷ a process here",
            measured=f"{spread(slower)}×; {median(one.per_cpu_s for one in there):.0f} a second",
            target="≥ 0.95×",
            holds=median(slower) >= 0.95,
        ),
        Row(
            key="scoring.equal",
            what="the same scores to the last bit, on an actor and here",
            measured="yes" if equal else "no",
            target="yes",
            holds=equal,
        ),
        Row(
            key="scoring.paper",
            what=f"on paper, by the parent's core alone: scorers of 1,000 pairs a second that keep it busy; {MACHINES} "
            "machines of one GPU each ask for",
            measured=f"{1e6 / parent_us / 1000:.0f}; {MACHINES * 1000 * parent_us / 1e6:.1f} cores. `score --on ray` "
            "passes no row through the parent",
            target="",
        ),
    ]


async def _lost(kills: int) -> Mapping[str, int]:
    """Lose the node that scores, again and again, while calls are in flight; another one has joined before."""
    samples = _samples(512)
    wrong = done = 0
    async with (
        _cluster() as (cluster, connection),
        _scorer(ClusterPlaces(connection, device="cpu", actor=CountingScorer)) as scorer,
    ):
        expected = await scorer.score(samples)
        for _ in range(kills):
            old = set(connection.nodes)
            try:
                cluster.add()
            except Exception as error:  # on a machine at its limits Ray gives one up that takes 30 s to start
                print(f"  ended early: {error}", file=sys.stderr, flush=True)
                break
            await connection.look()
            while scorer.stats().workers < 2:
                await connection.look()
            asked = [asyncio.ensure_future(scorer.score(samples)) for _ in range(CALLS)]
            await asyncio.sleep(0)
            cluster.kill(next(id for id in old if connection.nodes[id].cpus))
            wrong += sum(found != expected for found in await asyncio.gather(*asked))
            while len(scorer.stats().places) > 1:
                await connection.look()
            done += 1
            print(f"  lost {done} of {kills}", file=sys.stderr, flush=True)
        stats = scorer.stats()
    return {"kills": done, "calls": CALLS * done, "wrong": wrong, "moved": stats.moved, "deaths": stats.deaths}


def _row_of_losses(found: Mapping[str, int]) -> Row:
    return Row(
        key="losses.nodes",
        what=f"a node lost {found['kills']} times (raylet by SIGKILL, another one joined before) under {CALLS} calls "
        "of 512 items; the actor counts letters, so that a start is short",
        measured=f"{found['wrong']} of {found['calls']:,} calls wrong or missing; {found['moved']:,} items asked "
        f"again, {found['deaths']} deaths charged to an item",
        target="0",
        holds=found["wrong"] == 0,
    )

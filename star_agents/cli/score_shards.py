"""`score --on ray`: what the command does and prints where a cluster scores shards."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from functools import partial

import anyio
from pydantic import ValidationError

from star_agents import offline
from star_agents.cli.main import INTERRUPTED
from star_agents.cli.tables import print_json
from star_agents.config.cluster import ClusterConfig
from star_agents.engine.clusters import connected, scorer_places
from star_agents.engine.score_dataset.shards import ScoredShards, ShardsJob, score_shards
from star_agents.errors import UsageError
from star_agents.scoring import Scorer
from star_agents.text.printing import say

REASONS_SHOWN = 10
SOME_FAILED = 1
"""Exit code where shards are left out."""


def cluster_config(ray: str, gpus_per_scorer: float) -> ClusterConfig:
    """The cluster that the options name. Raises UsageError."""
    try:
        return ClusterConfig(ray=ray, gpus_per_scorer=gpus_per_scorer)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        option = "--" + str(wrong["loc"][0]).replace("_", "-")
        raise UsageError(f"{option}: {wrong['msg']}") from None


def run_on_cluster(job: ShardsJob, cluster: ClusterConfig, *, as_json: bool) -> None:
    """Score, and print what came of it. Exit code 1 where shards are left out, 130 where somebody stopped it."""
    found = anyio.run(_score, job, cluster)
    if found.stopped_by:
        again = shlex.join(argument for argument in sys.argv[1:] if argument != "--fresh" or not found.done)
        say(
            f"stopped by {found.stopped_by}: {found.done:,} of {found.shards:,} shards are scored, in {job.out}\n"
            f"to go on: python -m star_agents {again}",
            err=True,
        )
        sys.exit(INTERRUPTED)
    if as_json:
        print_json({**asdict(found), "reasons": dict(found.reasons.most_common()), "out": job.out})
    else:
        _show(found, job)
    if found.failed:
        sys.exit(SOME_FAILED)


async def _score(job: ShardsJob, cluster: ClusterConfig) -> ScoredShards:
    tell = partial(say, err=True)
    async with connected(cluster, tell) as connection:
        places = scorer_places(connection, device=job.config.device)
        scorer = Scorer(job.config, embedder=None, resolve=offline.resolve_model, tell=tell, places=places)
        return await score_shards(job, scorer)


def _show(found: ScoredShards, job: ShardsJob) -> None:
    before = f", {found.resumed:,} of them before" if found.resumed else ""
    say(f"scored {found.scored:,} of {found.rows:,} rows in {found.done:,} of {found.shards:,} shards{before}")
    say(f"gap above 0 in {found.positive:,} rows; the shards are in {job.out}")
    for reason, count in found.reasons.most_common(REASONS_SHOWN):
        say(f"  {count:,} rows: {reason}")
    if found.moved:
        say(f"{found.moved:,} shards were scored elsewhere after their node was lost")
    for shard, why in sorted(found.failed.items()):
        say(f"left out: {shard}: {why}")

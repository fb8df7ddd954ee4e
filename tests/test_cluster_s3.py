"""`score --on ray` over S3: whatever is lost in the middle of a shard, nobody sees half of one, and it goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync
from counting_scorer import CountingScorer
from ray_cluster import LocalCluster
from s3_server import SECRET, S3Server, s3_server
from scoring_mortal_worker import count

from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.columns import COLUMNS, columns_of
from star_agents.engine.score_dataset.shards import ScoredShards, ShardsJob, score_shards
from star_agents.engine.scorer_places import ClusterPlaces
from star_agents.records import Sample
from star_agents.scoring import Scorer

pytestmark = pytest.mark.ray
BUCKET = "a-bucket-of-rays"
SHARDS = 3
PATIENCE_S = 120.0
LAST_PART = "uploadId="
"""Of the request that makes a written draft a file: S3 shows it from then on."""


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server() as one:
        one.client.create_bucket(Bucket=BUCKET)
        for shard in range(SHARDS):
            one.put(BUCKET, f"rows/{shard}.parquet", rows_of(shard))
        yield one


def rows_of(shard: int) -> list[dict[str, Any]]:
    return [{"instruction": f"say {number} .", "output": "the answer is july ."} for number in range(40 + shard)]


def job(s3: S3Server) -> ShardsJob:
    config = ScoringConfig(small="gate")
    return ShardsJob(source=s3.address(f"{BUCKET}/rows"), out=s3.address(f"{BUCKET}/out"), config=config)


def hold_one_shard(s3: S3Server) -> None:
    """The second shard waits where its draft is written and not yet complete."""
    begun = list[str]()

    def holds(request: str) -> bool:
        if not request.startswith("POST /") or "_scored" in request or LAST_PART not in request:
            return False
        begun.append(request)
        return len(begun) == 2

    s3.holds = holds


async def test_a_node_that_is_lost_while_it_writes_leaves_no_half_shard_and_another_one_writes_it(
    ray_cluster: LocalCluster, s3: S3Server
) -> None:
    (lost,) = ray_cluster.nodes(1)
    hold_one_shard(s3)
    found: list[ScoredShards] = []
    async with Connection(ClusterConfig(ray=ray_cluster.address), tell=print, look_s=0.1) as connection:
        scorer = Scorer(ScoringConfig(), places=ClusterPlaces(connection, actor=CountingScorer), tell=print)

        async def score() -> None:
            found.append(await score_shards(job(s3), scorer))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(score)
            assert await run_sync(s3.held.wait, PATIENCE_S)
            assert len(shards_in(s3)) == 1
            ray_cluster.kill(lost)
            ray_cluster.add()
    s3.let_go.set()
    assert (found[0].done, found[0].moved, found[0].failed) == (SHARDS, 1, {})
    assert shards_in(s3) == [f"out/{shard}.parquet" for shard in range(SHARDS)]
    for shard in range(SHARDS):
        rows = s3.rows(BUCKET, f"out/{shard}.parquet")
        samples = [Sample(instruction=row["instruction"], response=row["output"]) for row in rows_of(shard)]
        assert [{name: row[name] for name in COLUMNS} for row in rows] == [
            dict(columns_of(count(one))) for one in samples
        ]


@pytest.mark.slow
def test_a_command_that_is_killed_while_a_shard_is_written_goes_on_with_it_and_no_secret_is_written_anywhere(
    ray_cluster: LocalCluster, s3: S3Server, tmp_path: Path
) -> None:
    ray_cluster.nodes(1)
    hold_one_shard(s3)
    source, out = s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/out")
    models = ["--small", "offline/small", "--large", "offline/large", "--device", "cpu"]
    command = [sys.executable, "-m", "star_agents", "score", source, *models, "--on", "ray", "-o", out]
    command += ["--ray", ray_cluster.address]
    said = tmp_path / "said"
    with ExitStack() as stack, said.open("wb") as file:
        killed = subprocess.Popen(command, stdout=file, stderr=file)
        stack.callback(killed.kill)
        assert s3.held.wait(PATIENCE_S), said.read_text()
        killed.kill()
        assert killed.wait() == -signal.SIGKILL
        done = shards_in(s3)
        assert len(done) == 1
        s3.let_go.set()
        again = subprocess.run(command, stdout=file, stderr=file, check=False)
    assert again.returncode == 0, said.read_text()
    assert "in 3 of 3 shards, 1 of them before" in said.read_text()
    assert shards_in(s3) == [f"out/{shard}.parquet" for shard in range(SHARDS)]
    for shard in range(SHARDS):
        rows = s3.rows(BUCKET, f"out/{shard}.parquet")
        assert ([row["reason"] for row in rows], len(rows)) == ([""] * len(rows), 40 + shard)
    logs = [path for path in (ray_cluster.session / "logs").rglob("*") if path.is_file()]
    assert len(logs) > 5
    assert [path.name for path in [said, *logs] if SECRET.encode() in path.read_bytes()] == []


def shards_in(s3: S3Server) -> list[str]:
    """What a reader of the output would take for one."""
    return [
        name for name in s3.files(BUCKET) if name.startswith("out/") and not name.split("/")[1].startswith(("_", "."))
    ]

"""Shards in a bucket: read, written and gone on with as in a folder, and what goes wrong there is told for people."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from counting_scorer import CountingScorer
from in_this_process import OnePlace
from s3_server import KEY, SECRET, S3Server, s3_server

from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.shards import MOST_FAILED, ScoredShards, ShardsJob, score_shards
from star_agents.errors import UsageError
from star_agents.scoring import Scorer
from star_agents.storage.formats.file_system_advice import advice
from star_agents.storage.formats.parquet_shards import MOST_COPIED, READERS
from star_agents.text.printing import printable

BUCKET = "a-bucket"
ROWS = 300


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as one:
        yield one


@pytest.fixture
def s3(server: S3Server) -> Iterator[S3Server]:
    """With two shards in a bucket."""
    server.client.create_bucket(Bucket=BUCKET)
    for shard in range(2):
        server.put(BUCKET, f"rows/year={shard}/part.parquet", rows_of(shard))
    yield server
    server.empty()


def rows_of(shard: int) -> list[dict[str, Any]]:
    return [
        {"id": shard * ROWS + number, "instruction": f"Say {number}.", "output": "x" * (1 + number % 7)}
        for number in range(ROWS)
    ]


async def score(source: str | Path, out: str | Path, **options: Any) -> ScoredShards:
    config = ScoringConfig(small="gate")
    job = ShardsJob(source=str(source), out=str(out), config=config, **options)
    return await score_shards(job, Scorer(config, places=OnePlace(CountingScorer(os.environ.get("OMP_NUM_THREADS")))))


async def test_shards_of_a_bucket_are_those_of_a_folder(s3: S3Server, tmp_path: Path) -> None:
    found = await score(s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/out"))
    assert (found.done, found.scored, found.failed) == (2, 2 * ROWS, {})
    for shard in range(2):
        path = tmp_path / "rows" / f"year={shard}" / "part.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows_of(shard)), path)
    await score(tmp_path / "rows", tmp_path / "out")
    for shard in range(2):
        name = f"out/year={shard}/part.parquet"
        assert s3.rows(BUCKET, name) == pq.read_table(tmp_path / name, partitioning=None).to_pylist()
    shards = [f"year={shard}/part.parquet" for shard in range(2)]
    assert s3.files(BUCKET) == sorted(
        [f"{part}/{name}" for part in ("out", "rows") for name in shards]
        + [f"out/_scored/{name}.json" for name in shards]
    )
    assert (await score(s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/out"))).resumed == 2
    assert (await score(s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/out"), fresh=True)).resumed == 0


@pytest.mark.parametrize(
    "refused",  # making its folder, writing a part of the draft, giving that its name
    ["PUT /a-bucket/out/year=1/?", "PUT /a-bucket/out/year=1/.", "PUT /a-bucket/out/year=1/part.parquet?"],
)
async def test_a_shard_that_could_not_be_written_leaves_nothing_to_be_seen_and_is_scored_by_the_same_command(
    s3: S3Server, refused: str
) -> None:
    source, out = s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/out")
    s3.refuses = lambda request: 403 if request.startswith(refused) else 0
    found = await score(source, out)
    assert (found.done, list(found.failed)) == (1, ["year=1/part.parquet"])
    assert not [name for name in s3.files(BUCKET) if name.startswith("out/year=1/")]
    why = found.failed["year=1/part.parquet"]
    assert "HTTP status 403" in why
    assert "may they list, read, write and delete there?) (on node " in why
    s3.refuses = lambda request: 0
    found = await score(source, out)
    assert (found.done, found.resumed, found.failed) == (2, 1, {})
    assert len(s3.rows(BUCKET, "out/year=1/part.parquet")) == ROWS


async def test_where_most_shards_fail_the_others_are_not_tried(s3: S3Server) -> None:
    for number in range(3 * MOST_FAILED):
        s3.put(BUCKET, f"rows/more-{number}.parquet", rows_of(0)[:1])
    s3.refuses = lambda request: 403 if request.startswith("GET") and "/rows/" in request else 0
    with pytest.raises(
        UsageError,
        match=rf"^{MOST_FAILED} of {MOST_FAILED} shards could not be scored, so the others are not tried; 0 are",
    ):
        await score(s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/out"))


@pytest.mark.parametrize(
    ("source", "out", "said"),
    [
        (
            "no-bucket/rows",
            f"{BUCKET}/out",
            r"no-bucket/rows.*cannot be read: .*NO_SUCH_BUCKET.*\(make the bucket, or cor",
        ),
        (
            f"{BUCKET}/rows",
            "no-bucket/out",
            r"no-bucket/out.*cannot be written: Bucket 'no-bucket' not found.*\(make the",
        ),
        (
            f"{BUCKET}/none",
            f"{BUCKET}/out",
            r"a-bucket/none.*cannot be read: .*does not exist.*\(is the address right\?",
        ),
    ],
)
async def test_a_bucket_or_folder_that_there_is_not_is_told_before_models_are_loaded(
    s3: S3Server, source: str, out: str, said: str
) -> None:
    job = ShardsJob(source=s3.address(source), out=s3.address(out), config=ScoringConfig(small="./no_model"))
    with pytest.raises(UsageError, match=said):
        await score_shards(job, Scorer(job.config, places=None))


async def test_a_key_or_a_secret_that_is_wrong_is_told_and_not_shown(s3: S3Server, tmp_path: Path) -> None:
    with s3.asks_for_keys() as (key, secret):
        for user in (f"{KEY}:{SECRET}@", f"{key}:{SECRET}@"):
            with pytest.raises(UsageError, match=r"cannot be read: .*ACCESS_DENIED.*are the credentials right") as told:
                await score(s3.address(f"{BUCKET}/rows", user=user), tmp_path / "out")
            assert SECRET not in printable(str(told.value))
            with pytest.raises(UsageError, match=r"cannot be written: .*ACCESS_DENIED.*are the credentials right"):
                await score(
                    s3.address(f"{BUCKET}/rows", user=f"{key}:{quote(secret, safe='')}@"),
                    s3.address(f"{BUCKET}/out", user=user),
                )
        right = f"{key}:{quote(secret, safe='')}@"
        found = await score(s3.address(f"{BUCKET}/rows", user=right), s3.address(f"{BUCKET}/out", user=right))
        assert found.done == 2
    assert secret not in printable(f"as it is, {secret}, and as it was written, {quote(secret, safe='')}")


async def test_a_server_that_answers_503_is_told_with_what_to_do(s3: S3Server, tmp_path: Path) -> None:
    s3.refuses = lambda request: 503
    before = len(s3.requests)
    with pytest.raises(UsageError, match=r"cannot be read: .*HTTP status 503.*\(its server has too much to do"):
        await score(s3.address(f"{BUCKET}/rows"), tmp_path / "out")
    assert len(s3.requests) > before + 3, "it was asked again"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
async def test_an_output_in_the_source_is_refused_whatever_else_its_address_says(s3: S3Server, region: str) -> None:
    with pytest.raises(UsageError, match="the output needs a folder outside the source"):
        await score(s3.address(f"{BUCKET}/rows"), s3.address(f"{BUCKET}/rows", region=region), fresh=True)


async def test_a_shard_that_s3_cannot_give_its_name_is_left_out_before_it_is_scored(
    s3: S3Server, tmp_path: Path
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    with (folder / "large.parquet").open("wb") as file:
        file.truncate(MOST_COPIED + 1)
    found = await score(folder, s3.address(f"{BUCKET}/out"))
    assert "has more than the 5 GB that S3 copies at once" in found.failed["large.parquet"]


async def test_manifests_are_read_side_by_side(s3: S3Server) -> None:
    for number in range(READERS):
        s3.put(BUCKET, f"many/{number}.parquet", rows_of(0)[:1])
    source, out = s3.address(f"{BUCKET}/many"), s3.address(f"{BUCKET}/out")
    await score(source, out)
    together = threading.Barrier(READERS)

    def waits(request: str) -> bool:
        if request.startswith("GET") and ".json" in request:
            together.wait(60)
        return False

    s3.holds = waits
    found = await score(source, out)
    assert found.resumed == READERS


@pytest.mark.parametrize(
    ("address", "said", "todo"),
    [
        ("s3://b/x", "AWS Error UNKNOWN (HTTP status 301) during HeadObject operation: No response body.", "?region="),
        ("s3://b/x", "AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: No response body.", "AWS_SES"),
        (
            "s3://b/x",
            "AWS Error NETWORK_CONNECTION during HeadBucket operation: curlCode: 6",
            "the same command goes on",
        ),
        ("gs://b/x", "google::cloud::Status(PERMISSION_DENIED: no access)", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("abfs://b/x", "403 AuthorizationFailure", "AZURE_CLIENT_ID"),
        ("/rows", "[Errno 13] Permission denied", ""),
        ("s3://b/x", "Unexpected query parameter in S3 URI: 'endpoint'", ""),
    ],
)
def test_what_to_do_is_said_where_it_is_known(address: str, said: str, todo: str) -> None:
    found = advice(address, said)
    assert todo in found
    assert bool(found) == bool(todo)

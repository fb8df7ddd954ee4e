"""`score --on ray`: shards are scored where they lie, once each, and look like what `score` writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from counting_scorer import CountingScorer
from in_this_process import OnePlace
from scoring_mortal_worker import count

from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.columns import COLUMNS, columns_of
from star_agents.engine.score_dataset.shards import ScoredShards, ShardsJob, score_shards
from star_agents.errors import UsageError
from star_agents.records import Sample
from star_agents.scoring import Scorer
from star_agents.storage.formats.parquet_shards import Dataset
from star_agents.text.printing import printable

ROWS = 300


def rows_of(shard: int) -> list[dict[str, Any]]:
    return [
        {
            "id": shard * ROWS + number,
            "instruction": f"Say {number}." if number % 5 else "",
            "output": "x" * (1 + number % 7),
            "reason": "mine",
        }
        for number in range(ROWS)
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for shard in range(3):
        path = folder / f"year={shard % 2}" / f"part-{shard}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema(
            [("id", pa.int32()), ("instruction", pa.string()), ("output", pa.string()), ("reason", pa.string())]
        )
        pq.write_table(pa.Table.from_pylist(rows_of(shard), schema=schema), path)
    (folder / "_common_metadata").write_bytes(b"no shard")
    return folder


async def score(source: Path, out: Path | str, **options: Any) -> ScoredShards:
    config = ScoringConfig(small=options.pop("small", "gate"))
    job = ShardsJob(source=str(source), out=str(out), config=config, **options)
    return await score_shards(job, Scorer(config, places=OnePlace(CountingScorer(os.environ.get("OMP_NUM_THREADS")))))


async def test_every_row_keeps_its_columns_and_their_types_and_gets_those_of_score(
    source: Path, tmp_path: Path
) -> None:
    found = await score(source, tmp_path / "out")
    assert (found.shards, found.done, found.rows, found.scored) == (3, 3, 3 * ROWS, 3 * ROWS * 4 // 5)
    table = pq.read_table(tmp_path / "out" / "year=1" / "part-1.parquet", partitioning=None)
    assert table.schema.names == ["id", "instruction", "output", *COLUMNS]
    assert table.schema.field("id").type == pa.int32()
    for row, before in zip(table.to_pylist(), rows_of(1), strict=True):
        if before["instruction"]:
            sample = Sample(instruction=before["instruction"], response=before["output"])
            assert {name: row[name] for name in COLUMNS} == dict(columns_of(count(sample)))
        else:
            assert (row["ifd_small"], row["reason"].startswith("unreadable row: instruction")) == (None, True)
    assert sum(found.reasons.values()) == 3 * ROWS // 5


async def test_a_shard_that_is_done_is_never_scored_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    await score(source, out)
    kept, gone = out / "year=0" / "part-0.parquet", out / "_scored" / "year=0" / "part-2.parquet.json"
    before = kept.stat().st_mtime_ns
    gone.unlink()
    found = await score(source, f"file://{out}")
    assert (found.done, found.resumed, found.rows) == (3, 2, 3 * ROWS)
    assert (kept.stat().st_mtime_ns, gone.exists()) == (before, True)
    assert not [path for path in out.rglob("*") if path.name.endswith(".part")]


async def test_shards_of_other_work_are_refused_until_fresh(source: Path, tmp_path: Path) -> None:
    await score(source, tmp_path / "out")
    with pytest.raises(UsageError, match=r"of other work .small: gate, now another"):
        await score(source, tmp_path / "out", small="another")
    found = await score(source, tmp_path / "out", small="another", fresh=True)
    assert (found.done, found.resumed) == (3, 0)


async def test_a_shard_that_cannot_be_read_is_left_out_with_why_and_the_others_are_scored(
    source: Path, tmp_path: Path
) -> None:
    torn = source / "year=0" / "part-0.parquet"
    torn.write_bytes(torn.read_bytes()[:500])
    found = await score(source, tmp_path / "out")
    assert (found.done, list(found.failed)) == (2, ["year=0/part-0.parquet"])
    assert "cannot be scored" in found.failed["year=0/part-0.parquet"]
    assert not (tmp_path / "out" / "year=0" / "part-0.parquet").exists()


@pytest.mark.parametrize("place", ["nowhere", "nosuch://bucket/data"])
async def test_a_dataset_that_is_not_there_is_told(place: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=place):
        await score(tmp_path / place if ":" not in place else place, tmp_path / "out")  # type: ignore[arg-type]


async def test_a_shard_whose_file_is_gone_is_scored_again_and_a_torn_manifest_is_told(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    await score(source, out)
    (out / "year=1" / "part-1.parquet").unlink()
    found = await score(source, out)
    assert (found.done, found.resumed, (out / "year=1" / "part-1.parquet").exists()) == (3, 2, True)
    (out / "_scored" / "year=1" / "part-1.parquet.json").write_text("[]")
    with pytest.raises(UsageError, match=r"part-1\.parquet\.json is no manifest"):
        await score(source, out)


async def test_an_output_that_would_be_written_over_something_is_refused(source: Path, tmp_path: Path) -> None:
    before = (source / "year=1" / "part-1.parquet").read_bytes()
    for out in (source, source / "scored"):
        with pytest.raises(UsageError, match="outside the source"):
            await score(source, out, fresh=True)
    with pytest.raises(UsageError, match="the output is a folder"):
        await score(source, tmp_path / "out.parquet")
    other = tmp_path / "out" / "year=1" / "part-1.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"somebody else's")
    with pytest.raises(UsageError, match=r"holds year=1/part-1\.parquet already"):
        await score(source, tmp_path / "out")
    assert (other.read_bytes(), (source / "year=1" / "part-1.parquet").read_bytes()) == (b"somebody else's", before)
    assert (await score(source, tmp_path / "out", fresh=True)).done == 3


async def test_what_is_done_is_not_forgotten_by_a_fresh_start_that_never_begins(source: Path, tmp_path: Path) -> None:
    await score(source, tmp_path / "out")
    with pytest.raises(UsageError, match="nowhere"):
        await score(tmp_path / "nowhere", tmp_path / "out", fresh=True)
    assert (await score(source, tmp_path / "out")).resumed == 3


async def test_a_file_that_is_no_parquet_is_refused_before_models_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    with pytest.raises(UsageError, match=r"rows\.jsonl is no \.parquet file"):
        await score(tmp_path / "rows.jsonl", tmp_path / "out")


@pytest.mark.parametrize("secret", ["wJalrXUtnFEMI-canary", "wJalr%2FXUtn%2FFEMI"])
def test_no_password_of_a_datasets_address_is_printed(secret: str) -> None:
    with pytest.raises(UsageError) as refused:
        Dataset(f"nowhere://AKIAEXAMPLE:{secret}@bucket/data").shards()
    shown = printable(f"{refused.value} {unquote(secret)}")
    assert "AKIAEXAMPLE:***@bucket/data" in shown
    assert secret not in shown
    assert unquote(secret) not in shown

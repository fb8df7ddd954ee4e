"""`browse`: rows looked for in a real store by the real HTTP door, reviewed there, and followed by every export."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from browse_store import SEEDS, browsing, fill
from click.testing import CliRunner
from lines import read_jsonl

from star_agents.cli.main import cli
from star_agents.engine.publishing.gathering import gather
from star_agents.errors import StoreError, UsageError
from star_agents.storage.lock import FolderLock
from star_agents.storage.outgoing.training_rows import TaughtRow, taught_rows
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE

DROPPED = SEEDS // 9
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    """A store of the test's own."""
    return Path(shutil.copytree(filled, tmp_path / "out"))


async def get(url: str, path: str, status: int = 200, **headers: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{url}{path}", headers=headers) as response:
        assert response.status == status, await response.text()
        return await response.json(content_type=None)


async def review(url: str, row: dict[str, Any], verdict: str, status: int = 200, **texts: str) -> Any:
    body = {"verdict": verdict, **({"texts": texts} if texts else {})}
    path = f"{url}/v1/browse/rows/{row['seq']}/{row['ord']}/review"
    async with aiohttp.ClientSession() as session, session.post(path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def every(url: str, query: str = "", limit: int = 7) -> list[dict[str, Any]]:
    """All pages of a search."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await get(url, f"/v1/browse/rows?limit={limit}&cursor={cursor}&{query}")
        rows += page["rows"]
        cursor = page["next"]
    return rows


def places(rows: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(row["seq"], row["ord"]) for row in rows]


def export(folder: Path, *options: str) -> tuple[list[dict[str, Any]], str]:
    out = folder / "export.jsonl"
    ended = CliRunner().invoke(cli, ["export", str(folder), "-o", str(out), *options], catch_exceptions=False)
    return list(read_jsonl(out)), ended.output


async def test_every_row_and_every_seed_without_one_is_found_once_in_either_order(filled: Path) -> None:
    async with browsing(filled) as url:
        newest, oldest = await every(url, "order=newest"), await every(url, "order=oldest", limit=500)
    assert Counter(row["shape"] for row in newest)[""] == DROPPED
    assert len(places(newest)) == len(set(places(newest))) == len(oldest)
    assert places(oldest) == sorted(places(newest))
    assert [seq for seq, _ in places(newest)] == sorted((seq for seq, _ in places(newest)), reverse=True)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("words=DEEPER", lambda row: "deeper" in row["texts"].get("instruction", "")),
        ("words=gr%C3%B6sse+7", lambda row: "Größe" in str(row["texts"]) and "7" in str(row["texts"].values())),
        ("words=%22and+%5C%22quoted%5C%22%22", lambda row: False),
        ("words=%22and+%22+quoted", lambda row: row["texts"].get("response", "").startswith("Wide")),
        ("words=sample+instruction", lambda row: False),
        ("kind=dropped", lambda row: row["kind"] == "dropped"),
        ("shape=none", lambda row: row["ord"] == -1),
        ("shape=preference", lambda row: row["shape"] == "preference"),
        ("recipe=other", lambda row: False),
        ("arm=gpt", lambda row: row["arm"] == "wide/gpt"),
        ("arm=wide%2Fgpt", lambda row: row["arm"] == "wide/gpt"),
        ("label=type&value=second", lambda row: row["labels"].get("mine:type") == "second"),
        ("label=mine:type", lambda row: "mine:type" in row["labels"]),
        ("ranges=depth:0.2:0.4", lambda row: 0.2 <= (row["measures"].get("depth") or 0) <= 0.4),
        ("ranges=margin:50:", lambda row: row["measures"].get("margin", 0) >= 50),
        ("ranges=cost_usd::0.02&shape=sft", lambda row: row["shape"] == "sft" and row["cost_usd"] <= 0.02),
    ],
)
async def test_a_search_finds_what_it_says_and_nothing_else(filled: Path, query: str, holds: Any) -> None:
    async with browsing(filled) as url:
        found, everything = await every(url, query), await every(url, limit=500)
    assert places(found) == places([row for row in everything if holds(row)])


async def test_a_measure_orders_rows_and_its_pages_follow_each_other(filled: Path) -> None:
    async with browsing(filled) as url:
        highest, lowest = await every(url, "order=depth"), await every(url, "order=-depth")
    depths = [row["measures"]["depth"] for row in highest]
    assert depths == sorted(depths, reverse=True)
    assert len(depths) == SEEDS - DROPPED, "rows that were not measured are not among them"
    assert [row["measures"]["depth"] for row in lowest] == depths[::-1]


async def test_a_search_whose_time_is_up_says_so_and_goes_on_behind_what_it_saw(filled: Path) -> None:
    async with browsing(filled) as url:
        first = await get(url, "/v1/browse/rows?words=nowhere&seconds=0.0000001")
        assert (first["rows"], first["is_cut"], first["looked_at"]) == ([], True, 64)
        rest = await get(url, f"/v1/browse/rows?words=nowhere&cursor={first['next']}")
        assert (rest["is_cut"], rest["next"], rest["looked_at"]) == (False, None, SEEDS)
        cut = await get(url, "/v1/browse/rows?order=depth&seconds=0.0000001")
        assert (cut["is_cut"], cut["looked_at"]) == (True, 64)


@pytest.mark.parametrize(
    "query",
    [
        "ranges=depth",
        "ranges=depth:x:",
        "cursor=no",
        "kind=other",
        "unknown=1",
        "limit=0",
        "order=",
        "words=" + "w" * 201,
    ],
)
async def test_a_search_that_cannot_be_read_is_refused_with_words(filled: Path, query: str) -> None:
    async with browsing(filled) as url:
        assert (await get(url, f"/v1/browse/rows?{query}", 400))["detail"]


async def test_the_facts_name_what_can_be_looked_for(filled: Path) -> None:
    async with browsing(filled, reviewer="") as url:
        facts = await get(url, "/v1/browse")
    assert (facts["outcomes"], facts["recipes"]) == (SEEDS, ["mine"])
    assert set(facts["labels"]["mine:type"]) == {"type 0", "type 1", "type 2", "type 3", "second", "pair"}
    assert "--reviewer" in facts["why_no_review"]


async def test_exports_leave_rejected_rows_out_and_say_what_edited_ones_were_changed_to(folder: Path) -> None:
    before, _ = export(folder)
    async with browsing(folder) as url:
        rows = {row["texts"]["instruction"]: row for row in await every(url, "shape=sft&arm=deep", limit=500)}
        await review(url, rows["Ask 1 deeper."], "rejected")
        detail = await review(url, rows["Ask 2 deeper."], "edited", response="As a person says it.")
        await review(url, rows["Ask 3 deeper."], "accepted")
        assert detail["row"]["review"]["texts"]["response"] == "As a person says it."
        assert detail["row"]["texts"]["response"].startswith("Deep 2"), "the row itself stays as it is"
        found = {kind: len(await every(url, f"review={kind}")) for kind in ("accepted", "rejected", "edited", "any")}
        assert found == {"accepted": 1, "rejected": 1, "edited": 1, "any": 3}
        assert len(await every(url, "review=none&shape=sft")) == len(before) - 3
    after, said = export(folder)
    assert "left out: 1 rejected by a person" in said
    assert len(after) == len(before) - 1
    changed = [row for row in after if row["messages"][-1]["content"] == "As a person says it."]
    assert [json.loads(row["provenance"])["review"] for row in changed] == [
        {"verdict": "edited", "reviewer": "Ada", "at": 1000.0}
    ]
    only, said = export(folder, "--reviewed", "only")
    assert len(only) == 2
    assert f"{len(before) - 3} not accepted by a person" in said
    assert export(folder, "--reviewed", "as-is")[0] == before


async def test_what_is_trained_on_published_and_told_follows_reviews_of_every_shape(folder: Path) -> None:
    async with browsing(folder) as url:
        (pair,) = await every(url, "shape=preference&words=%22Better+3.%22")
        (reward,) = await every(url, "shape=reward&words=%22Better+3.%22")
        await review(url, pair, "edited", rejected="Much worse.")
        await review(url, reward, "rejected")
    taught = [row for row in taught_rows(folder) if isinstance(row, TaughtRow)]
    assert [row.rejected for row in taught if row.shape == "preference" and row.sample.response == "Better 3."] == [
        "Much worse."
    ]
    assert "Better 3." not in [row.sample.response for row in taught if row.shape == "reward"]
    with StoreReader(folder) as reader:
        gathered = gather(reader)
        assert reader.count_reviews() == {"edited": 1, "rejected": 1}
    assert gathered.skipped_rows == {"rejected by a person": 1}
    assert gathered.rows["reward"] == SEEDS // 3 - 1


async def test_a_review_is_added_to_those_before_and_the_newest_counts_until_it_is_taken_back(folder: Path) -> None:
    async with browsing(folder) as url:
        row = (await every(url, "shape=sft"))[0]
        for verdict in ("rejected", "accepted", "withdrawn"):
            detail = await review(url, row, verdict)
        assert [one["verdict"] for one in detail["reviews"]] == ["withdrawn", "accepted", "rejected"]
        assert detail["row"]["review"] is None
        assert (await get(url, "/v1/browse"))["reviews"] == {}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({}, "nothing was changed"),
        ({"response": " "}, "reject the row instead"),
        ({"chosen": "x"}, "it has instruction, response"),
    ],
)
async def test_an_edit_that_makes_no_row_is_refused_and_changes_nothing(
    folder: Path, texts: dict[str, str], says: str
) -> None:
    async with browsing(folder) as url:
        row = (await every(url, "shape=sft"))[0]
        assert says in (await review(url, row, "edited", 400, **texts))["detail"]
        assert "go with an edit" in (await review(url, row, "accepted", 400, response="x"))["detail"]
        assert (await review(url, {"seq": 9999, "ord": 0}, "accepted", 404))["detail"] == "there is no such row"
        dropped = (await every(url, "shape=none"))[0]
        assert await review(url, dropped, "accepted", 404)
    with StoreReader(folder) as reader:
        assert reader.reviews() == {}


async def test_while_somebody_works_on_the_folder_it_is_read_and_not_reviewed(folder: Path) -> None:
    lock = FolderLock.acquire(folder)
    try:
        async with browsing(folder) as url:
            row = (await every(url, "shape=sft"))[0]
            refused = await review(url, row, "accepted", 409)
            assert "once nobody works on the folder" in refused["detail"]
    finally:
        lock.release()


async def test_without_a_reviewer_nothing_is_written(folder: Path) -> None:
    async with browsing(folder, reviewer="") as url:
        row = (await every(url, "shape=sft"))[0]
        assert "--reviewer NAME" in (await review(url, row, "accepted", 400))["detail"]


async def test_reviews_leave_every_other_table_of_the_store_as_it_was(folder: Path) -> None:
    def told() -> dict[str, list[Any]]:
        with closing(sqlite3.connect(folder / STORE_FILE)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {
                name: connection.execute(f"SELECT * FROM {name}").fetchall()
                for name in names
                if name not in ("reviews", "sqlite_sequence")
            }

    before = told()
    async with browsing(folder) as url:
        for row in await every(url, "shape=sft"):
            await review(url, row, "rejected")
    assert told() == before


@pytest.mark.parametrize("file", ["jsonl", "json"])
async def test_a_selection_is_the_rows_that_are_looked_for_as_an_export_writes_them(folder: Path, file: str) -> None:
    everything, _ = export(folder)
    async with browsing(folder) as url, aiohttp.ClientSession() as session:
        asked = f"{url}/v1/browse/selection?label=type&value=second&file={file}"
        async with session.get(asked) as response:
            text = await response.text()
    found = json.loads(text) if file == "json" else [json.loads(line) for line in text.splitlines()]
    of_second = [row for row in everything if json.loads(row["provenance"])["labels"].get("mine:type") == "second"]
    assert len(found) == SEEDS // 3
    assert sorted(found, key=json.dumps) == sorted(of_second, key=json.dumps)


async def test_other_hosts_and_sites_and_whoever_has_no_token_are_kept_out(filled: Path) -> None:
    token = "t" * 40
    async with browsing(filled, token=token) as url:
        await get(url, "/v1/browse", 401)
        await get(url, "/v1/browse", 200, Authorization=f"Bearer {token}")
        await get(url, "/v1/browse", 421, Host="evil.example")
        await get(url, "/v1/browse", 403, **{"Sec-Fetch-Site": "cross-site"})


def test_a_folder_of_exported_files_alone_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "dataset.jsonl").write_text("{}\n")
    ended = CliRunner().invoke(cli, ["browse", str(tmp_path)])
    assert isinstance(ended.exception, UsageError)
    assert "dataset.jsonl and no store.sqlite3" in str(ended.exception)
    assert isinstance(CliRunner().invoke(cli, ["browse", str(tmp_path / "none")]).exception, StoreError)


@pytest.mark.parametrize("options", [["--reviewer", "A\nB"], ["--token", "secret-itself"], ["--host", "0.0.0.0", "x"]])
def test_options_that_cannot_be_used_end_it_with_words(tmp_path: Path, options: list[str]) -> None:
    ended = CliRunner().invoke(cli, ["browse", str(tmp_path), *options])
    assert ended.exit_code != 0
    assert "secret-itself" not in ended.output or "os.environ" in ended.output

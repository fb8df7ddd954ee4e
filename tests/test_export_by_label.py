"""Exports by a label: capped, balanced and grouped, the same rows each time, and told what was left out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lines import read_jsonl

from star_agents.cli.main import cli
from star_agents.errors import UsageError
from star_agents.recipes.giving import done, sft
from star_agents.records import Document, Sample, Seed
from star_agents.records.row_labels import NONE, value_of
from star_agents.storage.outgoing.row_labels import Cap, Values, labels_of, write_groups
from star_agents.storage.store import Store

TYPES = ["one"] * 5 + ["two"] * 3 + ["../Ü two"] * 2
"""Of the rows of each document."""
DOCUMENTS = 6


async def filled(folder: Path) -> None:
    """A store of six documents with ten rows each; of the last one no row has a type."""
    async with await Store.open(folder) as store:
        seeds = [Seed.of(Document(text=f"Text {number}."), source=f"{number}.md") for number in range(DOCUMENTS)]
        await store.add_seeds(seeds)
        await store.add_revision("d", "{}")
        for number, seed in enumerate(await store.lease(DOCUMENTS)):
            rows = [
                sft(
                    Sample(instruction=f"Ask {number} {place}.", response="So."),
                    labels={"document:path": f"{number}.md", **({"type": kind} if number < DOCUMENTS - 1 else {})},
                )
                for place, kind in enumerate(TYPES)
            ]
            await store.commit_outcome(done(seed, rows=rows), foresee=lambda completed: {}, memory=None, revision=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("store")
    asyncio.run(filled(made))
    return made


def export(folder: Path, out: Path, *options: object) -> tuple[int, str]:
    ended = CliRunner().invoke(cli, ["export", str(folder), "-o", str(out), *map(str, options)])
    if isinstance(ended.exception, UsageError):
        return 2, str(ended.exception)
    return ended.exit_code, ended.output


def by(path: Path, label: str) -> Counter[str]:
    return Counter(value_of(labels_of(row), label) for row in read_jsonl(path))


def test_at_most_so_many_rows_of_each_value_stay_and_the_table_says_which_were_left_out(
    folder: Path, tmp_path: Path
) -> None:
    code, said = export(folder, tmp_path / "a.jsonl", "--by", "type", "--at-most", 12)
    assert code == 0, said
    assert by(tmp_path / "a.jsonl", "type") == {"one": 12, "two": 12, "../Ü two": 10, NONE: 10}
    assert "left out: at most 12 of one type" in said
    assert [cell.strip() for cell in said.split("│ one")[1].split("\n")[0].split("│")][1:4] == ["25", "12", "13"]


def test_the_same_number_keeps_the_same_rows_and_another_one_others(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert export(folder, tmp_path / f"{name}.jsonl", "--by", "type", "--at-most", 4, "--seed", seed)[0] == 0
    a, b, c = ((tmp_path / f"{name}.jsonl").read_bytes() for name in "abc")
    assert a == b != c
    documents = by(tmp_path / "a.jsonl", "path")
    assert len(documents) > 3, "they are not the first ones of the file"


@pytest.mark.parametrize("share", ["0.3", "30%"])
def test_no_value_has_more_than_its_share_of_what_stays_and_no_more_is_left_out_than_that_needs(
    folder: Path, tmp_path: Path, share: str
) -> None:
    code, said = export(folder, tmp_path / "a.jsonl", "--by", "type", "--at-most", share, "--json")
    assert code == 0, said
    told, kept = json.loads(said), by(tmp_path / "a.jsonl", "type")
    assert kept == {"one": 15, "two": 15, "../Ü two": 10, NONE: 10}
    assert max(kept.values()) <= 0.3 * kept.total()
    assert (told["rows"], told["by_label"]["left_out"]) == (50, {"one": 10})


def test_balance_keeps_as_many_of_each_as_there_are_of_the_rarest(folder: Path, tmp_path: Path) -> None:
    code, said = export(folder, tmp_path / "a.parquet", "--balance", "type", "--no-provenance", "--json")
    assert code == 0, said
    assert json.loads(said)["rows"] == 40
    code, said = export(folder, tmp_path / "b.jsonl", "--balance", "document:path", "--split", "train=0.5")
    assert code == 0, said
    assert sum(len(read_jsonl(path)) for path in tmp_path.glob("b-*.jsonl")) == 60


def test_group_writes_a_file_for_each_value_under_a_name_that_is_safe(folder: Path, tmp_path: Path) -> None:
    code, said = export(folder, tmp_path / "g" / "a.jsonl", "--group", "type", "--by", "path", "--at-most", 9)
    assert code == 0, said
    files = {path.name: path for path in (tmp_path / "g").iterdir()}
    assert sorted(files) == ["a-U_two.jsonl", "a-none.jsonl", "a-one.jsonl", "a-two.jsonl"]
    assert sum(len(read_jsonl(path)) for path in files.values()) == 9 * DOCUMENTS
    assert set(by(files["a-U_two.jsonl"], "type")) == {"../Ü two"}
    assert "left out: at most 9 of one path" in said


@pytest.mark.parametrize("options", [[], ["--group", "type"]])
def test_what_is_left_out_counts_once_also_where_rows_are_read_twice(
    folder: Path, tmp_path: Path, options: list[str]
) -> None:
    code, said = export(folder, tmp_path / "a.jsonl", "--format", "tools", *options)
    assert (code != 0, f"left out {len(TYPES) * DOCUMENTS} without tools" in said) == (True, True), said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--by", "type"], "--by and --at-most go together"),
        (["--by", "type", "--at-most", "0"], "write a number of rows, as 50, or a share"),
        (["--by", "type", "--at-most", "1.5"], "write a number of rows"),
        (["--by", "type", "--at-most", "nan"], "write a number of rows"),
        (["--by", "type", "--at-most", "inf"], "write a number of rows"),
        (["--by", "type", "--at-most", "20%"], "there are 4 values of type, of which one at least has 25.0%"),
        (["--by", "kind_of", "--at-most", "3"], "no row has a label kind_of; there are: document:path, "),
        (["--by", "type", "--at-most", "3", "--balance", "type"], "--balance leaves out rows by itself"),
        (["--group", "type", "--split", "train=0.9"], "--group writes files by a label alone"),
    ],
)
def test_what_cannot_be_is_refused_in_words(folder: Path, tmp_path: Path, options: list[str], told: str) -> None:
    code, said = export(folder, tmp_path / "a.jsonl", *options)
    assert code != 0
    assert told in said
    assert not list(tmp_path.iterdir())


def test_group_refuses_a_kind_of_file_that_it_cannot_write_row_by_row(folder: Path, tmp_path: Path) -> None:
    code, said = export(folder, tmp_path / "a.parquet", "--group", "type")
    assert (code != 0, "--group writes .jsonl alone" in said) == (True, True)


def test_values_that_would_have_one_name_have_two_files(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"provenance": json.dumps({"seed_id": str(number), "labels": {"type": kind}})}
        for number, kind in enumerate(["a b", "a/b", "A_b", "x" * 300, "", "日本"])
    ]
    values = Values.counted(rows, "type", 0)
    written = write_groups(rows, values, tmp_path / "r.jsonl", provenance=True)
    assert len({path for path, _ in written.values()}) == 6
    assert all(len(path.name) < 120 and path.parent == tmp_path for path, _ in written.values())
    assert [count for _, count in written.values()] == [1] * 6


def test_a_cap_by_share_is_the_largest_that_keeps_to_it() -> None:
    counts = {"a": 1000, "b": 90, "c": 7, "d": 7}
    for share in (0.3, 0.4, 0.5, 0.9):
        most = Cap(share=share).of(counts, "x")

        def holds(cap: int, share: float = share) -> bool:
            return cap <= share * sum(min(one, cap) for one in counts.values())

        assert holds(most)
        assert most == 1000 or not holds(most + 1)

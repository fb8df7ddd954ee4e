"""`decontaminate`, as a user runs it: any dataset, any benchmark, what it prints and what it writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from storage_commands import star as run_in_this_process

from star_agents.admission.nearest_rows import NearestRows
from star_agents.cli.decontaminate import CONTAMINATED
from star_agents.config.contamination import BenchmarkColumns, BenchmarkFile
from star_agents.errors import SeedFileError
from star_agents.records.contamination import BenchmarkItem
from star_agents.storage.formats.row_writing import write_rows
from star_agents.storage.incoming.benchmark_files import read_benchmarks
from star_agents.storage.incoming.row_texts import texts_of_row

ASKED = "How many of the seventeen sheep are still on the farm at noon after all but nine of them ran away?"
OTHER = "Name three rivers of Europe that flow into the Black Sea, and the countries in which each of them rises."


@pytest.fixture
def star() -> Any:
    """Run a command line in this process."""
    return run_in_this_process


def lines(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return lines(tmp_path / "question.jsonl", {"question_id": 81, "category": "math", "turns": [ASKED, "And why?"]})


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return lines(
        tmp_path / "train.jsonl",
        {"instruction": OTHER, "output": "The Danube, the Dnieper and the Dniester.", "kept": {"as": ["it", "is"]}},
        {"messages": [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": f"Well: {ASKED}"}]},
        {"prompt": [{"role": "user", "content": "Ask me."}], "chosen": "What?", "rejected": f"{ASKED} I wonder."},
    )


# As a user meets it.


def test_it_tells_what_was_found_and_writes_the_dataset_without_it(
    star: Any, bench: Path, dataset: Path, tmp_path: Path
) -> None:
    clean, report = tmp_path / "clean.jsonl", tmp_path / "report.jsonl"
    shown = star("decontaminate", dataset, "--against", bench, "-o", clean, "--report", report)
    assert shown.code == 0
    assert "2 of 3 rows of train.jsonl hold items of benchmarks" in shown.out
    assert "train.jsonl:2: 100% of the question of" in shown.out
    assert "81 (question.jsonl:1)" in shown.out
    assert read(clean) == read(dataset)[:1]
    assert [(one["row"], one["item"], one["coverage"]) for one in read(report)] == [
        ("train.jsonl:2", "81", 1.0),
        ("train.jsonl:3", "81", 1.0),
    ]


def test_it_ends_with_its_own_code_where_that_is_asked_for_and_something_was_found(
    star: Any, bench: Path, dataset: Path, tmp_path: Path
) -> None:
    assert star("decontaminate", dataset, "--against", bench, "--fail").code == CONTAMINATED
    good = lines(tmp_path / "good.jsonl", {"instruction": OTHER})
    assert star("decontaminate", good, "--against", bench, "--fail").code == 0


def test_rows_may_be_kept_and_marked(star: Any, bench: Path, dataset: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.jsonl"
    shown = star("decontaminate", dataset, "--against", bench, "--keep", "-o", marked, "--json")
    told = json.loads(shown.out)
    assert (told["rows"], told["rows_found"], told["rows_written"]) == (3, 2, 3)
    assert told["benchmarks"][0]["items_found"] == 1
    assert [[one["item"] for one in row["contamination"]] for row in read(marked)] == [[], ["81"], ["81"]]


@pytest.mark.parametrize("suffix", [".json", ".csv", ".parquet"])
def test_datasets_and_benchmarks_may_be_of_any_kind(star: Any, tmp_path: Path, suffix: str) -> None:
    bench, data, clean = (tmp_path / f"{name}{suffix}" for name in ("bench", "data", "clean"))
    write_rows(bench, [{"question": ASKED, "answer": "Nine."}])
    write_rows(data, [{"instruction": OTHER, "output": "..."}, {"instruction": ASKED, "output": "Nine."}])
    assert star("decontaminate", data, "--against", bench, "-o", clean, "--fail").code == CONTAMINATED
    if suffix == ".parquet":
        assert [row["instruction"] for row in pyarrow.parquet.read_table(clean).to_pylist()] == [OTHER]


def test_a_row_of_an_unknown_form_is_read_whole_and_that_is_told(star: Any, bench: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "train.jsonl", {"instruction": "", "notes": [{"deep": ASKED}]}, {"text": ASKED})
    shown = star("decontaminate", data, "--against", bench)
    assert "2 of 2 rows" in shown.out
    assert "2 rows are in no form of a dataset: all their texts were read" in shown.out
    assert (
        "0 of 2 rows"
        in star("decontaminate", lines(data, *[{"a": "x", "b": ASKED}] * 2), "--against", bench, "--columns", "a").out
    )


def test_a_bad_row_stops_it_with_its_line_and_nothing_is_written(
    star: Any, bench: Path, dataset: Path, tmp_path: Path
) -> None:
    with dataset.open("a") as file:
        file.write("{broken\n")
    clean, report = tmp_path / "clean.jsonl", tmp_path / "report.jsonl"
    shown = star("decontaminate", dataset, "--against", bench, "-o", clean, "--report", report)
    assert shown.code == 2
    assert "train.jsonl:4: not JSON" in shown.err
    assert not clean.exists()
    assert not report.exists()
    shown = star("decontaminate", dataset, "--against", bench, "-o", clean, "--skip-bad")
    assert shown.code == 0
    assert "1 bad rows left out" in shown.err
    assert len(read(clean)) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--against", "{bench}", "-o", "{dataset}"], "is the dataset that is read"),
        (["--against", "{bench}", "-o", "{bench}"], "is there already; --force replaces it"),
        (["--against", "{bench}", "-o", "x.txt"], "unknown kind of file"),
        (["--against", "{bench}", "--report", "x.csv"], "let the name end in .jsonl"),
        (["--against", "none.jsonl"], "no such file"),
        (["--against", "{bench}", "--against-columns", "prompt=x"], "write question=NAME"),
        (["--against", "{bench}", "--against-columns", "id=x"], "name the column of the question"),
        (["--against", "{bench}", "--against-columns", "question=x"], "question.jsonl:1: x: is no column of the row"),
        (["--against", "{bench}", "--columns", "x"], "train.jsonl:1: x: is no column of the row"),
    ],
)
def test_a_mistake_is_told_in_words(star: Any, bench: Path, dataset: Path, arguments: list[str], told: str) -> None:
    shown = star("decontaminate", dataset, *(one.format(bench=bench, dataset=dataset) for one in arguments))
    assert shown.code == 2
    assert told in shown.err
    assert len(read(dataset)) == 3


def test_the_rows_nearest_to_each_item_are_written_for_a_person_to_look_at(
    star: Any, bench: Path, tmp_path: Path
) -> None:
    rows = [f"What is the height of mountain {number}?" for number in range(300)]
    near = "Of seventeen sheep on the farm, how many are still there at noon after some ran away?"
    data = lines(tmp_path / "train.jsonl", *({"instruction": one} for one in [*rows, near, OTHER]))
    out = tmp_path / "near.jsonl"
    shown = star("decontaminate", data, "--against", bench, "--neighbours", out, "--fail")
    assert shown.code == 0, "a neighbour is no contamination"
    found = read(out)
    assert [one["row"] for one in found][:1] == ["train.jsonl:301"]
    assert len(found) == 5
    assert found == sorted(found, key=lambda one: -one["similarity"])
    assert near in shown.out
    assert "sees shared words and no meaning" in shown.out
    shown = star("decontaminate", data, "--against", bench, "--neighbours", out, "--force", "--embedder", "agent:x")
    assert (shown.code, "write hashing, or sentence-transformers:NAME" in shown.err) == (2, True)


def test_the_nearest_rows_are_the_same_however_they_come() -> None:
    chance = np.random.default_rng(0)
    items, rows = (chance.standard_normal((n, 8)).astype(np.float32) for n in (3, 100))
    nearest = NearestRows[int](items, most=5)
    for first in range(0, 100, 7):
        nearest.add(rows[first : first + 7], list(range(first, min(first + 7, 100))))
    for item in range(3):
        likest = np.argsort(-(rows @ items[item]), kind="stable")[:5].tolist()
        assert [row for row, _ in nearest.of(item)] == likest


# Files of benchmarks.


def items_of(path: Path, columns: BenchmarkColumns | None = None) -> list[BenchmarkItem]:
    return list(read_benchmarks([BenchmarkFile(file=path.name, columns=columns)], path.parent))


def test_the_forms_of_benchmarks_are_known(tmp_path: Path) -> None:
    def parts(*rows: Mapping[str, Any]) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
        return [(one.id, one.parts) for one in items_of(lines(tmp_path / "b.jsonl", *rows))]

    assert parts({"question_id": 1, "turns": ["a", "b"], "reference": ["c", ""]}) == [
        ("1", (("question", "a"), ("follow-up", "b"), ("answer", "c")))
    ]
    assert parts({"question_id": "x", "turns": [{"content": "a"}]}) == [("x", (("question", "a"),))]
    assert parts({"question_id": 1, "choices": [{"turns": ["a", "b"]}]}) == [("1", (("answer", "a"), ("answer", "b")))]
    assert parts({"idx": 3, "Instruction": "a", "Skill": "Math"}) == [("3", (("question", "a"),))]
    assert parts({"question": "a", "answer": "b"}) == [("b.jsonl:1", (("question", "a"), ("answer", "b")))]
    two = {"id": "t", "instruction": "a", "instances": [{"input": "b", "output": "c"}, {"input": "", "output": "d"}]}
    assert parts(two) == [
        ("t", (("question", "a\n\nb"), ("answer", "c"))),
        ("t", (("question", "a"), ("answer", "d"))),
    ]


def test_any_other_form_is_read_by_its_columns(tmp_path: Path) -> None:
    row = {"passage": "a", "query_text": "b", "choices": {"text": ["c", "d"], "label": ["A", "B"]}, "gold": 1, "n": 7}
    path = lines(tmp_path / "mmlu.jsonl", row)
    columns = BenchmarkColumns(question=("passage", "query_text", "choices"), answer=("gold",), id="n")
    (one,) = items_of(path, columns)
    assert (one.benchmark, one.id, one.where) == ("mmlu", "7", "mmlu.jsonl:1")
    assert one.parts == (("question", "a\nb\nc\nd\nA\nB"), ("answer", "1"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds no rows"),
        ('{"question_id": 1, "turns": []}\n', "b.jsonl:1: turns: is empty"),
        ('{"question": "a"}\n{"question": ""}\n', "b.jsonl:2: question: is empty"),
        ('{"question": "a"}\n{"question"\n', "b.jsonl:2: not JSON"),
        ('{"sentence": "a"}\n', "name its columns"),
        ('{"question_id": 1, "choices": []}\n', "b.jsonl:1: choices: holds no answer"),
    ],
)
def test_a_benchmark_that_cannot_be_read_whole_is_refused(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(content)
    with pytest.raises(SeedFileError, match=told):
        items_of(path)


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        lines(tmp_path / folder / "test.jsonl", {"question": "a"})
    files = [BenchmarkFile(file=f"{folder}/test.jsonl") for folder in ("one", "two")]
    assert [one.benchmark for one in read_benchmarks(files, tmp_path)] == ["test", "two/test.jsonl"]


# Rows.


def test_everything_that_a_row_says_is_read_whatever_its_form() -> None:
    dialogue = {
        "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}],
        "chosen": {"from": "gpt", "value": "b"},
        "rejected": {"from": "gpt", "value": "c"},
    }
    assert texts_of_row(dialogue).texts == ("s", "a", "b", "c")
    assert texts_of_row({"instruction": "a", "input": "b", "output": "c", "source": "d"}).texts == ("a\n\nb", "c")
    unknown = texts_of_row({"chosen": [{"role": "user", "content": "a"}], "rejected": ["b"]})
    assert (unknown.texts, unknown.is_known) == (("a", "b"), False)


# Real data.


def test_a_real_dataset_that_was_made_of_a_benchmark_is_found_and_one_that_was_not_is_clean(
    star: Any, shared_data: Path
) -> None:
    """PandaLM's test set was written for self-instruct's user-oriented instructions; GPTeacher's roleplay was not."""
    against = ["--against", str(shared_data / "self_instruct" / "user_oriented_instructions.jsonl"), "--json"]
    found = json.loads(star("decontaminate", shared_data / "pandalm" / "testset-v1.json", *against).out)
    assert found["rows_found"] >= 0.99 * found["rows"]
    roleplay = shared_data / "gpteacher" / "roleplay-simple-deduped-roleplay-instruct.json"
    against += ["--against", str(shared_data / "fastchat" / "mt_bench_question.jsonl")]
    against += ["--against", str(shared_data / "arena_hard" / "question.jsonl")]
    clean = json.loads(star("decontaminate", roleplay, *against).out)
    assert (clean["rows"], clean["rows_found"]) == (1923, 0)

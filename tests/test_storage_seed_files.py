"""Seed files: every format, every kind of bad row, real data, and rows in and out."""

from __future__ import annotations

import datetime
import json
import math
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from star_agents.errors import SeedFileError, UsageError
from star_agents.records import Message, Sample
from star_agents.storage.incoming.seed_files import SeedFile, read_rows, read_seeds, seed_from_row, write_rows

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

SYSTEM = Message(role="system", content="Be brief.")
EARLIER = (Message(role="user", content="Hello?"), Message(role="assistant", content="Hello."))
ONE = Sample(instruction="Add.", input="1 + 1", response="2")
BARE = Sample(instruction="Add.")
LONG = Sample(instruction="And now?", response="Now this.", history=(SYSTEM, *EARLIER))
OPEN = Sample(instruction="And now?", history=EARLIER)

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello?"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "Now this."},
]
NAMES = {"system": "system", "user": "human", "assistant": "gpt"}
SHAREGPT = [{"from": NAMES[turn["role"]], "value": turn["content"]} for turn in TALK]

GOOD_ROWS: list[tuple[dict[str, Any], Sample]] = [
    ({"instruction": "Add.", "input": "1 + 1", "output": "2"}, ONE),
    ({"instruction": "Add.", "input": "1 + 1", "response": "2"}, ONE),
    ({"instruction": "Add.", "input": "1 + 1", "response": "2", "output": "2"}, ONE),
    ({"instruction": "Add.", "input": "", "output": ""}, BARE),
    ({"instruction": "Add.", "input": None, "output": None, "history": None, "system": None}, BARE),
    ({"instruction": "Add."}, BARE),
    (
        {"instruction": "And now?", "output": "Now this.", "system": "Be brief.", "history": [["Hello?", "Hello."]]},
        LONG,
    ),
    ({"instruction": "Add.", "instances": [{"input": "1 + 1", "output": "2"}]}, ONE),
    ({"messages": TALK}, LONG),
    ({"messages": TALK[1:], "system": "Be brief."}, LONG),
    ({"messages": TALK[1:4]}, OPEN),
    ({"messages": [*TALK[1:4], {"role": "assistant", "content": " "}]}, OPEN),
    ({"messages": [{"role": "system", "content": ""}, *TALK[1:4]]}, OPEN),
    ({"messages": SHAREGPT}, LONG),
    ({"conversations": SHAREGPT}, LONG),
    ({"conversations": SHAREGPT[1:], "system": "Be brief."}, LONG),
    ({"conversations": SHAREGPT[1:4]}, OPEN),
    ({"prompt": "Add."}, BARE),
    ({"prompt": "Add.", "response": "2"}, Sample(instruction="Add.", response="2")),
    ({"prompt": "Add.", "completion": "2"}, Sample(instruction="Add.", response="2")),
    ({"prompt": "other", "messages": TALK}, LONG),
    ({"instruction": None, "messages": TALK}, LONG),
]

BAD_ROWS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", "no column at all"),
    ({"headline": "Add.", "id": 1}, "", "found headline, id"),
    ({"instruction": ""}, "instruction", "is empty"),
    ({"instruction": " \n"}, "instruction", "is empty"),
    ({"instruction": None}, "instruction", "is null"),
    ({"instruction": 7}, "instruction", "must be text; found the number 7"),
    ({"instruction": True}, "instruction", "found true"),
    ({"instruction": ["Add."]}, "instruction", "found a list of 1"),
    ({"instruction": {"text": "Add."}}, "instruction", "found an object"),
    ({"instruction": "a\0b"}, "instruction", "NUL character at position 2"),
    ({"instruction": "ab\ud800"}, "instruction", "(U+D800) at position 3"),
    ({"instruction": "Add.", "input": 3}, "input", "found the number 3"),
    ({"instruction": "Add.", "input": 0}, "input", "found the number 0"),
    ({"instruction": "Add.", "context": False}, "context", "found false"),
    ({"instruction": "Add.", "output": ["2"]}, "output", "found a list"),
    ({"instruction": "Add.", "output": "a\0"}, "output", "NUL"),
    ({"instruction": "Add.", "output": "2", "response": "3"}, "response", "differs from `output`"),
    ({"instruction": "Add.", "system": 1}, "system", "must be text"),
    ({"instruction": "Add.", "history": "Hello?"}, "history", "must be a list; found text"),
    ({"instruction": "Add.", "history": [["Hello?"]]}, "history[0]", "question and answer; found a list of 1"),
    ({"instruction": "Add.", "history": [["a", "b"], ["a", None]]}, "history[1][1]", "found null"),
    ({"instances": [{"input": "", "output": ""}]}, "instruction", "found null"),
    ({"instruction": "Add.", "instances": {}}, "instances", "must be a list; found an object"),
    ({"instruction": "Add.", "instances": ["2"]}, "instances[0]", "found text"),
    ({"instruction": "Add.", "instances": [{"output": 2}]}, "instances[0].output", "found the number 2"),
    ({"messages": []}, "messages", "is empty"),
    ({"messages": "Hello?"}, "messages", "must be a list; found text"),
    ({"messages": ["Hello?"]}, "messages[0]", "must be an object with role and content"),
    ({"messages": [{"content": "Hello?"}]}, "messages[0].role", "unknown role: found null"),
    ({"messages": [{"role": "judge", "content": "x"}]}, "messages[0].role", "unknown role: found 'judge'"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "must be text; found null"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content", "is empty"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content", "is empty"),
    ({"messages": TALK[2:]}, "messages[0]", "a turn of the assistant where one of the user belongs"),
    ({"messages": [*TALK, TALK[4]]}, "messages[5]", "a turn of the assistant where one of the user belongs"),
    ({"messages": [TALK[1], TALK[1]]}, "messages[1]", "a turn of the user where one of the assistant belongs"),
    ({"messages": [*TALK[1:3], TALK[0]]}, "messages[2]", "a turn of the system where one of the user belongs"),
    ({"messages": TALK[:1]}, "messages", "no user turn"),
    ({"messages": TALK, "system": "Be long."}, "system", "as a column and in messages[0]"),
    ({"conversations": [{"from": "bing", "value": "x"}]}, "conversations[0].from", "unknown role: found 'bing'"),
    ({"conversations": [{"from": "human", "value": 3}]}, "conversations[0].value", "found the number 3"),
    ({"prompt": [{"role": "user", "content": 3}]}, "prompt[0].content", "must be text; found the number 3"),
    ({"prompt": "Add.", "response": "2", "completion": "3"}, "completion", "differs from `response`"),
]


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def places(file: SeedFile) -> list[tuple[str, str]]:
    return [(problem.where, problem.field) for problem in file.problems]


@pytest.mark.parametrize(("row", "sample"), GOOD_ROWS)
def test_every_format_becomes_the_same_sample(row: dict[str, Any], sample: Sample, tmp_path: Path) -> None:
    seed = seed_from_row({**row, "category": "sums"}, "api")
    assert seed.sample == sample
    assert (seed.source, seed.meta["category"]) == ("api", "sums")
    file = read_seeds(write_lines(tmp_path / "seeds.jsonl", row))
    assert [seed.sample for seed in file.seeds] == [sample]
    assert file.problems == ()


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
@pytest.mark.parametrize(("row", "sample"), [(row, sample) for row, sample in GOOD_ROWS if "instances" not in row])
def test_every_format_reads_the_same_from_every_kind_of_file(
    suffix: str, row: dict[str, Any], sample: Sample, tmp_path: Path
) -> None:
    path = tmp_path / f"seeds{suffix}"
    row = {name: value for name, value in row.items() if value is not None}
    assert write_rows(path, [row]) == 1
    file = read_seeds(path)
    assert file.problems == ()
    assert [seed.sample for seed in file.seeds] == [sample]


@pytest.mark.parametrize(("row", "field", "message"), BAD_ROWS)
def test_every_bad_row_is_named_with_line_field_and_reason(
    row: dict[str, Any], field: str, message: str, tmp_path: Path
) -> None:
    good = {"instruction": "Good."}
    file = read_seeds(write_lines(tmp_path / "seeds.jsonl", good, row, {"instruction": "Also good."}))
    assert places(file) == [("seeds.jsonl:2", field)]
    assert message in file.problems[0].message
    assert [seed.sample.instruction for seed in file.seeds] == ["Good.", "Also good."]
    with pytest.raises(SeedFileError) as caught:
        seed_from_row(row, "request")
    assert [(problem.where, problem.field) for problem in caught.value.problems] == [("request", field)]


def test_an_unknown_role_is_told_which_are_allowed() -> None:
    with pytest.raises(SeedFileError, match="system, user, human, assistant, gpt"):
        seed_from_row({"messages": [{"role": "bot", "content": "x"}]}, "request")


def test_a_task_with_several_instances_is_several_seeds_but_no_single_one(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "instances": [{"input": "1 + 1", "output": "2"}, {"input": "2 + 2", "output": "4"}]}
    file = read_seeds(write_lines(tmp_path / "seeds.jsonl", row))
    assert [seed.sample.response for seed in file.seeds] == ["2", "4"]
    with pytest.raises(SeedFileError, match="2 instances"):
        seed_from_row(row, "request")


def test_equal_rows_are_taken_once_whatever_their_format_and_other_columns(tmp_path: Path) -> None:
    rows = [{"instruction": "Add.", "id": 1}, {"prompt": "Add.", "id": 2}, {"instruction": "Sub."}]
    file = read_seeds(write_lines(tmp_path / "seeds.jsonl", *rows))
    assert (len(file.seeds), file.repeated) == (2, 1)
    assert file.seeds[0].meta == {"id": 1}


JSONL_CASES = [
    (b"\xef\xbb\xbf" + b'{"instruction": "A"}\n', [], 1),
    (b'{"instruction": "A"}\r\n\r\n{"instruction": "B"}', [], 2),
    ('{"instruction": "line\u2028separator"}'.encode(), [], 1),
    (b'{"instruction": "A"}\n\n{"instruction": "\xff"}\n{"instruction": "B"}\n', [("s.jsonl:3", "byte 0xff")], 2),
    (b'{"instruction": "A"}\n{"instruction": \n', [("s.jsonl:2", "Expecting value at column")], 1),
    (b'{"instruction": "A", "x": NaN}\n', [("s.jsonl:1", "NaN is no number")], 0),
    (b"[1, 2]\n", [("s.jsonl:1", "must be an object; found [1, 2]")], 0),
    (b"[" * 100_000 + b"\n", [("s.jsonl:1", "not JSON")], 0),
    (b'{"instruction": "A", "x": ' + b"9" * 5000 + b"}\n", [("s.jsonl:1", "not JSON")], 0),
    (b"", [("s.jsonl", "no rows")], 0),
    ('{"instruction": "A"}'.encode("utf-16"), [("s.jsonl", "is UTF-16 text")], 0),
]


@pytest.mark.parametrize(("data", "problems", "seeds"), JSONL_CASES)
def test_json_lines_are_read_with_true_line_numbers(
    data: bytes, problems: list[tuple[str, str]], seeds: int, tmp_path: Path
) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(data)
    file = read_seeds(path)
    assert len(file.seeds) == seeds
    assert len(file.problems) == len(problems)
    for problem, (where, message) in zip(file.problems, problems, strict=True):
        assert problem.where == where
        assert message in problem.message


JSON_CASES = [
    (b'\xef\xbb\xbf[{"instruction": "A"}, {"instruction": "B"}]', [], 2),
    (b'{"instruction": "A"}\n{"instruction": "B"}\n', [], 2),
    (b'{\n"instruction": "A"\n}', [], 1),
    (b'[{"instruction": "A"}, 3, {"instruction": ""}]', [("s.json:row 2", "found 3"), ("s.json:row 3", "empty")], 1),
    (b'[\n{"instruction": "A"},\n{"instruction" "B"}]', [("s.json:3", "Expecting ':' delimiter at column 16")], 0),
    (b'[\n{"instruction": "\xe9"}]', [("s.json:2", "byte 0xe9 at column 18")], 0),
    (b"3", [("s.json", "must be a list")], 0),
    (b" ", [("s.json", "no rows")], 0),
    (b"[]", [("s.json", "no rows")], 0),
]


@pytest.mark.parametrize(("data", "problems", "seeds"), JSON_CASES)
def test_json_is_read_with_row_numbers_and_a_torn_file_names_line_and_column(
    data: bytes, problems: list[tuple[str, str]], seeds: int, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(data)
    file = read_seeds(path)
    assert len(file.seeds) == seeds
    assert len(file.problems) == len(problems)
    for problem, (where, message) in zip(file.problems, problems, strict=True):
        assert problem.where == where
        assert message in problem.message


CSV_CASES = [
    ('\ufeffinstruction,output\nA,"x\ny"\n\nB,\n'.encode(), [], 2),
    (b'instruction,output\nA,"x\ny"\n,z\n', [("s.csv:4", "is empty")], 1),
    (b"instruction,output\nA\n", [("s.csv:2", "1 cells, but the header names 2 columns")], 0),
    (b"instruction,output\nA,b,c\nB,c\n", [("s.csv:2", "3 cells")], 1),
    (b"instruction,instruction\nA,b\n", [("s.csv:1", "twice")], 0),
    (b"instruction,output\nA,\xff\nB,c\n", [("s.csv:2", "byte 0xff")], 1),
    (b"instr\xff,output\nA,b\n", [("s.csv:1", "not UTF-8")], 0),
    (b'instruction\nA\n"B\n', [("s.csv:3", "not CSV")], 1),
    (b"messages\nhello\n", [("s.csv:2", "must be a list; found text")], 0),
    (b"instruction,output\n" + b"A" * 300_000 + b",b\n", [], 1),
    (b"instruction,output\n", [("s.csv", "no rows")], 0),
]


@pytest.mark.parametrize(("data", "problems", "seeds"), CSV_CASES)
def test_csv_is_read_with_true_line_numbers(
    data: bytes, problems: list[tuple[str, str]], seeds: int, tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(data)
    file = read_seeds(path)
    assert len(file.seeds) == seeds
    assert len(file.problems) == len(problems)
    for problem, (where, message) in zip(file.problems, problems, strict=True):
        assert problem.where == where
        assert message in problem.message


def test_parquet_rows_are_numbered_and_their_odd_columns_become_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    columns = {
        "instruction": pa.array(["A", None, "C"]),
        "when": pa.array([datetime.date(2025, 1, 2), None, None]),
        "number": pa.array([math.nan, 1.5, math.inf]),
        "data": pa.array([b"\x00\xff", None, None]),
    }
    pq.write_table(pa.table(columns), path)
    file = read_seeds(path)
    assert places(file) == [("s.parquet:row 2", "instruction")]
    assert file.seeds[0].meta == {"when": "2025-01-02", "number": None, "data": "AP8="}
    assert file.seeds[1].meta == {"when": None, "number": None, "data": None}


def test_a_parquet_row_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    raw = pa.array([b"A", b"\xff", b"C"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"instruction": raw}), path)
    file = read_seeds(path)
    assert places(file) == [("s.parquet:row 2", "")]
    assert "0xff" in file.problems[0].message
    assert [seed.sample.instruction for seed in file.seeds] == ["A", "C"]


def test_a_torn_parquet_file_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    path.write_bytes(b"PAR1 this is not it")
    file = read_seeds(path)
    assert places(file) == [("s.parquet", "")]
    assert "not a readable Parquet file" in file.problems[0].message


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedFileError, match="no such file"):
        read_seeds(tmp_path / "none.jsonl")
    with pytest.raises(SeedFileError, match="no such file"):
        read_seeds(tmp_path / "none.parquet")
    with pytest.raises(SeedFileError, match="no such file"):
        read_seeds(tmp_path / "seeds.txt")
    (tmp_path / "seeds.txt").touch()
    with pytest.raises(SeedFileError, match=r"unknown kind of file '\.txt'.*\.jsonl"):
        read_seeds(tmp_path / "seeds.txt")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(SeedFileError, match="cannot be read"):
        read_seeds(tmp_path / "folder.json")


def test_the_self_instruct_tasks_are_accepted_as_they_are() -> None:
    path = DATA / "self_instruct" / "seed_tasks.jsonl"
    if not path.exists():
        pytest.skip("the shared test data is not beside this checkout")
    file = read_seeds(path)
    assert (len(file.seeds), file.repeated, file.problems) == (175, 0, ())
    assert file.seeds[1].sample.input == "Night : Day :: Right : Left"
    assert file.seeds[1].meta["name"] == "antonym_relation"


def test_the_gpteacher_rows_are_accepted_as_they_are() -> None:
    path = DATA / "gpteacher" / "roleplay-simple-deduped-roleplay-instruct.json"
    if not path.exists():
        pytest.skip("the shared test data is not beside this checkout")
    file = read_seeds(path)
    assert (len(file.seeds), file.repeated, file.problems) == (1923, 0, ())
    assert all(seed.sample.response for seed in file.seeds)


# Rows in and out


ROWS: list[dict[str, Any]] = [
    {"instruction": 'A, "quoted"\nand broken', "score": 1.5, "tags": ["x"], "note": "漢字 \u2028"},
    {"instruction": "B", "score": None, "tags": [], "note": "late"},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_rows_come_back_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    assert write_rows(path, iter(ROWS)) == 2
    assert [row for _, row in read_rows(path)] == ROWS


def test_csv_rows_come_back_as_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows: list[dict[str, Any]] = [{"a": "x\ny", "b": 1.5}, {"a": "z", "c": [1]}]
    write_rows(path, iter(rows))
    assert [row for _, row in read_rows(path)] == [{"a": "x\ny", "b": "1.5", "c": ""}, {"a": "z", "b": "", "c": "[1]"}]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_writing_never_fails_on_what_models_say(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    odd = {"text": "lone \ud800, pair \ud83d\ude00", "deep": [{"a": "\udfff"}], "nan": math.nan, "open": {}, "at": None}
    mixed = {"text": 3, "deep": "none", "nan": math.inf, "open": {"k": 1}, "at": datetime.date(2025, 1, 2)}
    write_rows(path, [odd] * 2000 + [mixed])
    rows = [row for _, row in read_rows(path)]
    assert len(rows) == 2001
    assert rows[0]["text"] == "lone \ufffd, pair \U0001f600"


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_a_file_of_no_rows_can_be_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    assert write_rows(path, []) == 0
    assert list(read_rows(path)) == []


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "old"}\n')

    def rows() -> Any:
        yield {"a": "new"}
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        write_rows(path, rows())
    assert path.read_text() == '{"a": "old"}\n'
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_rows_that_cannot_be_written_or_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown kind of file '\.txt'"):
        write_rows(tmp_path / "rows.txt", [])
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        write_rows(tmp_path / "file" / "rows.jsonl", [])
    assert write_rows(tmp_path / "new" / "folder" / "rows.jsonl", [{"a": 1}]) == 1, "missing folders are made"
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\nnot json\n')
    with pytest.raises(SeedFileError, match=r"bad\.jsonl:2"):
        list(read_rows(tmp_path / "bad.jsonl"))

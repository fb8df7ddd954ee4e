"""Files as they come: packed, joined, saved by Excel, in another encoding. Each is read, or named with its remedy."""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lines import agents_yaml

from star_agents.config.reading import parse_config
from star_agents.engine.batch import load_seeds
from star_agents.engine.score_dataset.source import ScoreSource
from star_agents.errors import Problem, SeedFileError
from star_agents.storage.formats import unpacking
from star_agents.storage.incoming.seed_files import read_rows, read_seeds, write_rows

ROWS = [{"instruction": f"Say {n}, é.", "output": f"«{n}»"} for n in range(40)]
PLAIN = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def in_two(data: bytes) -> bytes:
    return gzip.compress(data[:700]) + gzip.compress(data[700:])


def one_problem(path: Path) -> Problem:
    file = read_seeds(path)
    assert len(file.problems) == 1, file.problems
    return file.problems[0]


# Packed


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstd, lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:])]
)
@pytest.mark.parametrize("name", ["s.jsonl.gz", "s.jsonl.zst", "s.jsonl", "S.JSONL.GZ", "s.json"])
def test_what_is_packed_is_read_whatever_the_file_is_called(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(PLAIN))
    file = read_seeds(path)
    assert (len(file.seeds), file.problems, file.ends_open) == (40, (), False)
    assert [row for _, row in read_rows(path)] == ROWS


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_every_kind_of_text_may_be_packed(tmp_path: Path, suffix: str) -> None:
    write_rows(tmp_path / f"s{suffix}", ROWS)
    path = tmp_path / f"s{suffix}.gz"
    path.write_bytes(gzip.compress((tmp_path / f"s{suffix}").read_bytes()))
    assert [row for _, row in read_rows(path)] == ROWS


def test_a_name_that_promises_gzip_may_hold_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    path.write_bytes(PLAIN)
    assert len(read_seeds(path).seeds) == 40


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_packed_file_that_is_cut_is_a_problem_and_may_still_be_written(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "s.jsonl.gz"
    path.write_bytes(pack(PLAIN)[:-6])
    problem = one_problem(path)
    assert "ends in the middle of its" in problem.message
    assert read_seeds(path).ends_open


def test_a_packed_file_that_is_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    packed = bytearray(gzip.compress(PLAIN))
    packed[-6] ^= 0xFF
    path.write_bytes(bytes(packed))
    problem = one_problem(path)
    assert "is damaged after" in problem.message
    assert "CRC" in problem.message
    assert not read_seeds(path).ends_open


def test_a_bomb_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    line = b'{"instruction": "A"}\n' * 50_000
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        for _ in range(unpacking.FREE_BYTES // len(line) + 2):
            file.write(packer.compress(line))
        file.write(packer.flush())
    assert path.stat().st_size < unpacking.FREE_BYTES / unpacking.MOST_TIMES
    with unpacking.open_unpacked(path) as stream, pytest.raises(unpacking.UnpackError, match="more than 250 times"):
        while stream.read(1 << 20):
            pass


@pytest.mark.parametrize(
    ("data", "name", "fix"),
    [
        (lzma.compress(PLAIN), "xz", "unxz --keep s.jsonl"),
        (b"PK\x03\x04" + b"x" * 40, "zip", "save a sheet as CSV"),
        (b"BZh9" + b"x" * 40, "bzip2", "bunzip2"),
    ],
)
def test_another_packing_is_named_with_what_unpacks_it(tmp_path: Path, data: bytes, name: str, fix: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(data)
    problem = one_problem(path)
    assert name in problem.message
    assert fix in problem.fix


def test_parquet_under_another_name_and_packed_parquet_are_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "s.parquet", ROWS)
    data = (tmp_path / "s.parquet").read_bytes()
    (tmp_path / "s.jsonl").write_bytes(data)
    (tmp_path / "s.parquet.gz").write_bytes(gzip.compress(data))
    assert "is a Parquet file" in one_problem(tmp_path / "s.jsonl").message
    assert "packed Parquet" in one_problem(tmp_path / "s.parquet.gz").message


def test_score_reads_packed_files(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    path.write_bytes(gzip.compress(PLAIN))
    assert [row for _, row in read_rows(ScoreSource(path).path)] == ROWS


# Encodings


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_text_of_two_or_four_bytes_a_character_is_named_once_with_the_command_that_mends_it(
    tmp_path: Path, encoding: str, suffix: str
) -> None:
    write_rows(tmp_path / f"s{suffix}", ROWS)
    path = tmp_path / f"wide{suffix}"
    path.write_bytes((tmp_path / f"s{suffix}").read_bytes().decode().encode(encoding))
    problem = one_problem(path)
    assert problem.message.startswith(f"is UTF-{encoding[4:6]}")
    assert "iconv -f UTF-" in problem.fix


def test_the_command_that_is_advised_mends_the_file(tmp_path: Path) -> None:
    for name, encoding in (("wide.jsonl", "utf-16"), ("latin.jsonl", "cp1252")):
        path = tmp_path / name
        path.write_bytes(PLAIN.decode().encode(encoding))
        fix = read_seeds(path).problems[0].fix
        subprocess.run(fix.partition(": ")[2], shell=True, cwd=tmp_path, check=True)
        assert len(read_seeds(tmp_path / f"utf8-{name}").seeds) == 40


@pytest.mark.parametrize(
    ("name", "data", "where", "field"),
    [
        ("s.jsonl", '{"instruction": "A"}\n{"instruction": "café"}\n', "s.jsonl:2", ""),
        ("s.json", '[{"instruction": "A"},\n{"instruction": "café"}]', "s.json:2", ""),
        ("s.csv", "instruction,output\nA,b\ncafé,d\n", "s.csv:3", "instruction"),
    ],
)
def test_a_byte_of_windows_1252_is_named_with_line_column_and_what_it_would_be(
    tmp_path: Path, name: str, data: str, where: str, field: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data.encode("cp1252"))
    problem = one_problem(path)
    assert (problem.where, problem.field) == (where, field)
    assert "byte 0xe9 at column" in problem.message
    assert "in Windows-1252 it is 'é'" in problem.message
    assert "iconv -f WINDOWS-1252" in problem.fix


@pytest.mark.parametrize(
    ("name", "part", "where"),
    [
        ("s.jsonl", b'{"instruction": "A"}\n', "s.jsonl:2"),
        ("s.csv", b"instruction\nA\n", "s.csv:3"),
        ("s.json", b'[{"instruction": "A"}]\n', "s.json:2"),
    ],
)
def test_a_byte_order_mark_may_lead_but_is_named_where_files_were_joined(
    tmp_path: Path, name: str, part: bytes, where: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + part)
    assert read_seeds(path).problems == ()
    path.write_bytes((b"\xef\xbb\xbf" + part) * 2)
    problem = read_seeds(path).problems[0]
    assert problem.where == where
    assert "byte order mark" in problem.message


def test_joined_csv_files_do_not_make_a_seed_of_the_second_header(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(b"instruction,output\nA,b\n" * 2)
    assert "repeats the header" in one_problem(path).message


# Delimiters


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", 'instruction;output\n"A; and, more";b\n'),
        ("s.csv", "instruction\toutput\nA; and, more\tb\n"),
        ("s.csv", "instruction|output\nA; and, more|b\n"),
        ("s.csv", 'instruction,output\n"A; and, more",b\n'),
        ("s.csv", 'sep=;\r\ninstruction;output\r\n"A; and, more";b\r\n'),
        ("s.tsv", "instruction\toutput\nA; and, more\tb\n"),
        ("s.csv", 'instruction;"a,b,c";output\n"A; and, more";x;b\n'),
    ],
)
def test_cells_between_semicolons_tabs_and_bars_are_read(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    file = read_seeds(path)
    assert file.problems == ()
    assert [(seed.sample.instruction, seed.sample.response) for seed in file.seeds] == [("A; and, more", "b")]


def test_a_row_with_an_unquoted_semicolon_is_told_which_cell_to_quote(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(b"instruction;output\nA;b;c\n")
    assert one_problem(path).fix == "put a cell that holds a semicolon in quotes"


# Ends


@pytest.mark.parametrize(
    ("name", "data", "ends_open"),
    [
        ("s.jsonl", b'{"instruction": "A"}\n{"instruction": "B', True),
        ("s.jsonl", b'{"instruction": "A"}\n{"instruction": "B"}', False),
        ("s.jsonl", b'{"instruction": "A"}\nnot json\n', False),
        ("s.jsonl", b"", True),
        ("s.json", b'[{"instruction": "A"}, {"instr', True),
        ("s.json", b'[{"instruction": "A"},', True),
        ("s.json", b'[{"instruction": "A"}', True),
        ("s.json", b'[{"instruction": "A"}]', False),
        ("s.json", b'[{"instruction" "A"}, {"instruction": "a long row to follow what is broken"}]', False),
        ("s.json", b'{\n"instruction": "A', True),
        ("s.csv", b"instruction,output\nA,b", True),
        ("s.csv", b'instruction,output\nA,"b\n', True),
        ("s.csv", b"instruction,output\nA,b\n", False),
        ("s.parquet", b"PAR1 and no end", True),
    ],
)
def test_a_file_that_ends_in_the_middle_of_something_is_known(
    tmp_path: Path, name: str, data: bytes, ends_open: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert read_seeds(path).ends_open is ends_open


# Bad instances


def test_a_bad_instance_leaves_its_siblings_in(tmp_path: Path) -> None:
    instances: list[dict[str, Any]] = [{"input": f"{n} + 1", "output": str(n)} for n in range(4)]
    instances[1]["output"] = 7
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"instruction": "Add.", "instances": instances}) + "\n", encoding="utf-8")
    config = parse_config(agents_yaml("http://127.0.0.1:1/v1"))
    with pytest.raises(SeedFileError, match=r"s\.jsonl:1: instances\[1\]\.output"):
        load_seeds(path, config, skip_bad=False, limit=None)
    file = load_seeds(path, config, skip_bad=True, limit=None)
    assert [seed.sample.input for seed in file.seeds] == ["0 + 1", "2 + 1", "3 + 1"]
    assert [problem.field for problem in file.problems] == ["instances[1].output"]
    assert [seed.source for seed in file.seeds] == [f"s.jsonl:1 instances[{n}]" for n in (0, 2, 3)]


def test_a_row_whose_instances_are_none_is_a_problem_and_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    rows = [{"instruction": "Add.", "instances": []}, {"instruction": "Add 1 and 1.", "output": "2"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    file = read_seeds(path)
    assert ([problem.field for problem in file.problems], len(file.seeds)) == (["instances"], 1)


def test_an_instance_that_nobody_could_answer_leaves_its_siblings_in(tmp_path: Path) -> None:
    instances = [{"input": f"{n} + 1", "output": "" if n == 2 else str(n)} for n in range(4)]
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"instruction": "Add.", "instances": instances}) + "\n", encoding="utf-8")
    config = parse_config(agents_yaml("http://127.0.0.1:1/v1"))
    file = load_seeds(path, config, skip_bad=True, limit=None)
    assert [seed.sample.input for seed in file.seeds] == ["0 + 1", "1 + 1", "3 + 1"]
    assert [problem.where for problem in file.problems] == ["s.jsonl:1 instances[2]"]

"""An export by several processes: the bytes and counts of one, and nothing left where it is ended."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from storage_commands import star
from storage_samples import HISTORY, fill_store, make_dropped, make_outcome, make_seed

from star_agents.errors import StoreError, UsageError
from star_agents.process.termination import TERMINATED
from star_agents.records import Outcome, Sample, Seed
from star_agents.records.reviews import Review
from star_agents.records.seeds import PART
from star_agents.storage.formats.row_writing import IN_PIECES, join_pieces
from star_agents.storage.outgoing.export import FORMATS, Wanted, dataset_rows, write_export
from star_agents.storage.outgoing.export_piece import Job, Piece
from star_agents.storage.outgoing.export_processes import CHILD, write_pieces
from star_agents.storage.reader import StoreReader
from star_agents.storage.reviews import add_review
from star_agents.storage.spans import WHOLE, Span
from star_agents.storage.split import Split

SEEDS = 11
LONG = "long " * 20_000


def finished(number: int) -> tuple[Seed, Outcome]:
    """A seed of a part, which is dropped, kept as its base, or made better; the last ones are long."""
    more: dict[str, Any] = {"response": LONG} if number > SEEDS - 3 else {}
    if number % 4 == 1 and not more:
        more = {"history": HISTORY}
    seed = replace(make_seed(number, **more), labels={PART: f"D{number % 2}"})
    if number % 5 == 4:
        return seed, make_dropped(seed)
    return seed, make_outcome(seed, kind="base", chosen=0, rewards=()) if number % 3 == 2 or more.get(
        "response"
    ) else make_outcome(seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose rows a person looked at."""
    made = tmp_path_factory.mktemp("export") / "store"
    asyncio.run(fill_store(made, *map(finished, range(SEEDS))))
    with StoreReader(made) as reader:
        given = [(one.header.seed_id, one.rows[0]) for one in reader.results() if one.rows]
    for (seed_id, row), verdict in zip(given, ("rejected", "accepted", "accepted"), strict=False):
        add_review(made, seed_id, row, Review(verdict=verdict, reviewer="ann", at=1.0))  # type: ignore[arg-type]
    return made


def pieces_of(folder: Path, count: int, **options: Any) -> list[Piece]:
    with StoreReader(folder) as reader:
        spans, newest = reader.spans(count, 1), reader.newest_review()
    assert len(spans) == count
    whole = Piece(**{"folder": folder, "suffix": ".jsonl", "format": "messages", "newest_review": newest, **options})
    return [replace(whole, span=span) for span in spans]


def in_one(folder: Path, path: Path, format: str, **options: Any) -> tuple[bytes, Counter[str]]:
    skipped: Counter[str] = Counter()
    with StoreReader(folder) as reader:
        write_export(dataset_rows(reader, format, skipped=skipped, **options), path)
    return path.read_bytes(), skipped


OPTIONS: Sequence[Mapping[str, Any]] = (
    {"reasoning": True},
    {"provenance": False, "reviews": "as-is"},
    {"reviews": "only"},
    {"wanted": Wanted(only_improved=True, min_pi=0.1)},
    {"wanted": Wanted(split=Split.parse("train=0.5"), part="test", only_parts=("D1",))},
)


@pytest.mark.parametrize("format", [one for one in FORMATS if one != "alpaca"])
@pytest.mark.parametrize("suffix", IN_PIECES)
def test_pieces_joined_are_the_bytes_and_counts_of_the_whole(
    folder: Path, tmp_path: Path, format: str, suffix: str
) -> None:
    for options in OPTIONS:
        whole, skipped = in_one(folder, tmp_path / f"rows{suffix}", format, **options)
        for count in (1, 2, SEEDS):
            files = [io.BytesIO() for _ in range(count)]
            made = pieces_of(folder, count, suffix=suffix, format=format, **options)
            told = [piece.write(file) for piece, file in zip(made, files, strict=True)]
            joined = io.BytesIO()
            join_pieces(joined, files, suffix)
            assert joined.getvalue() == whole
            assert sum((one.skipped for one in told), Counter()) == skipped


@pytest.mark.parametrize("options", [("--split", "train=0.6"), ("-f", "dpo"), ("--reviewed", "only", "--part", "D0")])
def test_a_command_with_processes_writes_and_says_what_it_does_with_one(
    folder: Path, tmp_path: Path, options: Sequence[str]
) -> None:
    told = {}
    for processes in (1, 3):
        place = tmp_path / str(processes)
        shown = star("export", folder, "-o", place / "rows.jsonl", *options, "--processes", str(processes))
        told[processes] = (
            shown.code,
            shown.out.replace(str(place), ""),
            {p.name: p.read_bytes() for p in place.iterdir()},
        )
    assert told[1] == told[3]
    assert told[1][0] == 0
    assert any(told[1][2].values())


def test_what_one_process_writes_is_not_asked_of_several(folder: Path, tmp_path: Path) -> None:
    for name, options in {"rows.parquet": [], "rows.jsonl": ["--group", "pair"]}.items():
        shown = star("export", folder, "-o", tmp_path / name, "--processes", "2", *options)
        assert (shown.code, "is written by one process" in shown.err) == (2, True)
    assert [*tmp_path.iterdir()] == []


def test_without_a_row_there_is_no_file(folder: Path, tmp_path: Path) -> None:
    written = write_pieces(pieces_of(folder, 2, format="tools"), tmp_path / "rows.json")
    assert (written.rows, [*tmp_path.iterdir()]) == (0, [])
    assert written.skipped["without tools"] > 0


def test_spans_hold_every_seed_once_and_what_is_queued_later_is_in_the_last(folder: Path) -> None:
    with StoreReader(folder) as reader:
        assert reader.spans(1, 1) == reader.spans(9, SEEDS) == [WHOLE]
        spans = reader.spans(3, 1)
        assert [one.after for one in spans] == [0, *(one.up_to for one in spans[:-1])]
        assert spans[-1].up_to == WHOLE.up_to
        found = [[one.header.seq for one in reader.row_sources(span)] for span in spans]
        assert [*chain.from_iterable(found)] == [one.header.seq for one in reader.results()]
        assert [*map(len, found)] == [3, 4, 4]
        assert len(reader.spans(9, 4)) == 2


@pytest.mark.parametrize(
    ("script", "how"), [("import os; os.kill(os.getpid(), 9)", "signal 9"), ("raise SystemExit(3)", "exit code 3")]
)
def test_a_process_that_is_lost_is_told_and_leaves_nothing(folder: Path, tmp_path: Path, script: str, how: str) -> None:
    with pytest.raises(StoreError, match=rf"read the seeds behind place 5 .* ended with {how}"):
        write_pieces(pieces_of(folder, 2), tmp_path / "rows.jsonl", child=(sys.executable, "-c", script))
    assert [*tmp_path.iterdir()] == []


def test_a_process_that_cannot_be_started_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no process for a part of the rows can be started: No such file"):
        write_pieces(pieces_of(folder, 2), tmp_path / "rows.jsonl", child=(str(tmp_path / "missing"),))
    assert [*tmp_path.iterdir()] == []


def test_an_error_of_a_process_is_that_of_the_command(tmp_path: Path) -> None:
    seed = make_seed(2, history=HISTORY)
    asyncio.run(fill_store(tmp_path / "store", finished(0), (seed, make_outcome(seed))))
    with pytest.raises(UsageError, match="alpaca has no place for the conversation"):
        write_pieces(pieces_of(tmp_path / "store", 2, format="alpaca"), tmp_path / "out" / "rows.jsonl")
    assert [*(tmp_path / "out").iterdir()] == []


DRIVER = """
import pickle, sys
from pathlib import Path
from star_agents.process.termination import exit_on_sigterm
from star_agents.storage.outgoing.export_processes import write_pieces

pieces, path, child = pickle.load(sys.stdin.buffer)
with exit_on_sigterm():
    write_pieces(pieces, path, child=child)
"""


def driver(folder: Path, path: Path, child: Sequence[str], *, most_bytes: int = -1) -> subprocess.Popen[bytes]:
    """A process that exports in two pieces."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )
    assert process.stdin is not None
    process.stdin.write(pickle.dumps((pieces_of(folder, 2), path, child)))
    process.stdin.flush()
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, TERMINATED), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_ends_the_export_with_its_processes_and_leaves_nothing(
    folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = driver(folder, tmp_path / "rows.jsonl", ("sh", "-c", 'head -c 1 >&2; echo " $$" >&2; exec sleep 600'))
    assert process.stderr is not None
    child = int(process.stderr.readline().split()[-1])
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert [*tmp_path.iterdir()] == []


def test_a_process_whose_file_gets_no_room_says_so_for_the_command(folder: Path, tmp_path: Path) -> None:
    process = driver(folder, tmp_path / "rows.jsonl", CHILD, most_bytes=90_000)
    _, told = process.communicate(timeout=120)
    assert process.returncode
    assert f"{tmp_path / 'rows.jsonl'}: cannot be written: File too large".encode() in told
    assert [*tmp_path.iterdir()] == []


def test_a_process_ends_with_the_one_that_started_it(folder: Path) -> None:
    nobody_reads, full = os.pipe()
    job = Job(replace(pieces_of(folder, 1)[0], span=Span()), full, "rows.jsonl")
    child = subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(full,))
    assert child.stdin is not None
    child.stdin.write(pickle.dumps(job))
    child.stdin.flush()
    os.close(full)
    assert os.read(nobody_reads, 1)  # It writes what does not fit into a pipe.
    child.stdin.close()
    assert child.wait(timeout=60) == 1
    os.close(nobody_reads)


def test_the_sample_of_this_file_is_longer_than_a_pipe_holds() -> None:
    assert len(LONG) > 1 << 16
    assert finished(SEEDS - 1)[0].sample == Sample(instruction=f"Question {SEEDS - 1}?", response=LONG)

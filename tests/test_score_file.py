"""`score` on a file: every format, gone on with where it was broken off, in flat memory.

Run as a script it scores a file with the model that counts letters and prints its peak memory in MiB.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Self

import anyio
import pytest
from rich.console import Console

from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.columns import COLUMNS
from star_agents.engine.score_dataset.job import ScoredFile, ScoreJob, score_file
from star_agents.engine.score_dataset.pipeline import IN_FLIGHT, Samples, score_in_order
from star_agents.errors import ScorerError, SeedFileError, StoreLocked, UsageError
from star_agents.records import Sample, Score
from star_agents.scoring import ModelFacts, ScorerFacts
from star_agents.storage.formats.json_array import BLOCK_BYTES, JsonError, array_elements
from star_agents.storage.formats.row_reading import read_rows
from star_agents.storage.formats.row_writing import write_rows
from star_agents.storage.outgoing.score_journal import ScoreJournal


class Letters:
    """A scorer without models: thirds and sevenths of lengths, so that no digit may get lost. Remembers what it read.

    Args:
        breaks_after: Samples after which it fails for good.
        dtype: What it says that its weights are.
        remembers: Whether it keeps what it read.
    """

    def __init__(self, *, breaks_after: int | None = None, dtype: str = "float32", remembers: bool = True) -> None:
        self._breaks_after = breaks_after
        self._dtype = dtype
        self._remembers = remembers
        self.entered = 0
        self.read: list[str] = []
        self.before: Callable[[Sequence[Sample]], None] = lambda samples: None

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        self.before(samples)
        if self._breaks_after is not None and len(self.read) + len(samples) > self._breaks_after:
            raise ScorerError("the models are gone")
        await anyio.lowlevel.checkpoint()
        if self._remembers:
            self.read += [sample.instruction for sample in samples]
        return [letters(sample) for sample in samples]

    def describe(self) -> ScorerFacts:
        facts: dict[str, Any] = {"device": "cpu", "parameters": 26, "max_length": 9, "forward": "own"}
        small, large = (ModelFacts(model=name, dtype=self._dtype, **facts) for name in ("a", "b"))
        return ScorerFacts(mode="perplexity_ratio", small=small, large=large, same_tokenizer=True)


def letters(sample: Sample) -> Score:
    return Score(ifd_small=len(sample.question) / 3, ifd_large=len(sample.response or "") / 7, response_tokens=1)


def rows_of(count: int) -> list[dict[str, Any]]:
    return [
        {"instruction": f"Say {'much ' * (n % 7)}{n}.", "input": "", "output": "x" * (n % 11 + 1), "id": str(n)}
        for n in range(count)
    ]


def job_of(folder: Path, rows: Sequence[dict[str, Any]] | None = None, **changes: Any) -> ScoreJob:
    """A job in that folder; with ``rows`` its source is written first."""
    job = ScoreJob(**{"source": folder / "in.jsonl", "out": folder / "out.jsonl", "config": ScoringConfig(), **changes})
    if rows is not None:
        write_rows(job.source, rows)
    return job


async def score(job: ScoreJob, scorer: Letters, said: StringIO | None = None) -> ScoredFile:
    return await score_file(job, scorer, console=Console(file=said or StringIO(), width=200))


def out_rows(job: ScoreJob) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(job.out)]


def expected(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        one = letters(Sample(instruction=row["instruction"], response=row["output"]))
        found.append(
            {**row, **dict(zip(COLUMNS, [one.ifd_small, one.ifd_large, one.gap, "", one.formula], strict=True))}
        )
    return found


async def broken_off(job: ScoreJob, after: int) -> int:
    """Score until the models fail; how many rows the journal holds then."""
    with pytest.raises(ScorerError, match="the models are gone"):
        await score(job, Letters(breaks_after=after))
    assert not job.out.exists()
    with ScoreJournal.open(job.journal) as journal:
        return journal.rows


async def test_columns_that_no_model_reads_are_told(tmp_path: Path) -> None:
    said = StringIO()
    await score(job_of(tmp_path, rows_of(3)), Letters(), said)
    assert "note: these columns are kept, but no model sees them: id (3 rows)" in said.getvalue()


# Every kind of file


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
async def test_every_kind_of_file_is_read_and_written_with_its_columns_and_in_its_order(
    suffix: str, tmp_path: Path
) -> None:
    rows = rows_of(700)
    into = await score(job_of(tmp_path, rows, source=tmp_path / f"in{suffix}"), Letters())
    assert out_rows(job_of(tmp_path)) == expected(rows)
    assert (into.rows, into.done, into.resumed) == (700, 700, 0)
    back = job_of(tmp_path, source=tmp_path / "out.jsonl", out=tmp_path / f"again{suffix}")
    await score(back, Letters())
    texts = [{name: str(value) for name, value in row.items()} for row in expected(rows)]
    assert [{name: str(value) for name, value in row.items()} for row in out_rows(back)] == texts
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({f"in{suffix}", "out.jsonl", back.out.name})


async def test_chunks_overlap_within_a_bound_and_keep_their_order() -> None:
    second_came = anyio.Event()
    read, kept = 0, list[str]()

    def chunks() -> Iterator[Samples]:
        nonlocal read
        for read in range(1, 100):
            yield [f"row {read}"]

    async def ask(samples: Samples) -> list[Score]:
        if samples == ["row 1"]:
            await second_came.wait()
        if samples == ["row 2"]:
            second_came.set()
        return [Score(reason=str(sample)) for sample in samples]

    async def keep(scores: list[Score]) -> None:
        assert read - len(kept) <= IN_FLIGHT + 1  # and the one that is being read
        kept.extend(score.reason for score in scores)

    await score_in_order(ask, chunks(), keep)
    assert kept == [f"row {n}" for n in range(1, 100)]


async def test_a_row_without_a_score_keeps_its_columns_and_says_why(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"instruction": 5, "id": 1}, *rows_of(2), {"headline": "x", "reason": "mine"}]
    job, said = job_of(tmp_path, rows, config=ScoringConfig(mode="cherry")), StringIO()
    scored = await score(job, Letters(), said)
    first, *_, last = out_rows(job)
    assert first["id"] == 1
    assert first["reason"] == "unreadable row: instruction: must be text; found the number 5"
    assert (first["ifd_small"], first["gap"], first["ifd_formula"]) == (None, None, "cherry")
    assert "no column to start from" in last["reason"]
    assert "the columns reason" in said.getvalue()
    assert scored.tally is not None
    assert (scored.tally.rows, scored.tally.scored, sum(scored.tally.reasons.values())) == (4, 2, 2)


# Gone on with


async def test_what_is_scored_is_not_scored_again(tmp_path: Path) -> None:
    rows = rows_of(500)
    job, scorer, said = job_of(tmp_path, rows), Letters(), StringIO()
    kept = await broken_off(job, after=200)
    assert 0 < kept <= 200
    scored = await score(job, scorer, said)
    assert scorer.read == [row["instruction"] for row in rows[kept:]]
    assert (scored.resumed, scored.done) == (kept, 500)
    assert f"going on after {kept} rows" in said.getvalue()
    assert out_rows(job) == expected(rows)
    assert not job.journal.exists()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: data + b'{"row": 9', lambda data: data + b"\0" * 99]
)
async def test_a_torn_end_of_the_journal_is_dropped(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    rows = rows_of(300)
    job, scorer = job_of(tmp_path, rows), Letters()
    kept = await broken_off(job, after=150)
    whole = job.journal.read_bytes()
    job.journal.write_bytes(damage(whole))
    await score(job, scorer)
    assert len(scorer.read) == 300 - kept + (len(damage(whole)) < len(whole))
    assert out_rows(job) == expected(rows)


@pytest.mark.parametrize("left", [b"", b'{"star_age', b'{"star_agents_scores": 1, "small": "off'])
async def test_a_journal_killed_at_its_first_line_is_begun_again(left: bytes, tmp_path: Path) -> None:
    job = job_of(tmp_path, rows_of(20))
    job.journal.write_bytes(left)
    await score(job, Letters())
    assert out_rows(job) == expected(rows_of(20))


async def test_when_all_is_scored_no_model_is_loaded_to_write_it(tmp_path: Path) -> None:
    rows = rows_of(40)
    job, scorer = job_of(tmp_path, rows), Letters()
    kept = await broken_off(job, after=24)
    with ScoreJournal.open(job.journal) as journal:
        journal.append([letters(Sample(instruction=row["instruction"], response=row["output"])) for row in rows[kept:]])
    await score(job, scorer)
    assert scorer.entered == 0
    assert out_rows(job) == expected(rows)


async def test_other_options_are_refused_with_their_difference_until_a_fresh_start(tmp_path: Path) -> None:
    job = job_of(tmp_path, rows_of(100))
    await broken_off(job, after=50)
    other = job_of(tmp_path, config=ScoringConfig(max_length=99, mode="cherry"))
    with pytest.raises(UsageError, match=r"mode was score_eos and is cherry; max_length was 2048 and is 99.*--fresh"):
        await score(other, Letters())
    with pytest.raises(UsageError, match="dtype of small was float32 and is bfloat16"):
        await score(job, Letters(dtype="bfloat16"))
    scorer = Letters()
    await score(job_of(tmp_path, config=other.config, fresh=True), scorer)
    assert len(scorer.read) == 100


async def test_another_input_is_refused_and_the_same_under_another_date_is_not(tmp_path: Path) -> None:
    job = job_of(tmp_path, rows_of(100))
    kept = await broken_off(job, after=50)
    os.utime(job.source, (1, 1))
    assert await broken_off(job, after=0) == kept
    job_of(tmp_path, [*rows_of(99), *rows_of(1)])
    with pytest.raises(UsageError, match="input was sha256:"):
        await score(job, Letters())


async def test_an_input_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    job, scorer = job_of(tmp_path, rows_of(100)), Letters()
    scorer.before = lambda samples: os.utime(job.source, (1, 1))
    with pytest.raises(UsageError, match="was changed while it was scored"):
        await score(job, scorer)
    assert not job.out.exists()


async def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    job = job_of(tmp_path, rows_of(9))
    with ScoreJournal.open(job.journal), pytest.raises(StoreLocked, match="another star_agents process"):
        await score(job, Letters())


async def test_a_fresh_start_over_a_result_is_gone_on_with_like_any_other(tmp_path: Path) -> None:
    first = job_of(tmp_path, rows_of(30))
    await score(first, Letters())
    old = first.out.read_bytes()
    other = job_of(tmp_path, rows_of(100), source=tmp_path / "other.jsonl", fresh=True)
    with pytest.raises(ScorerError, match="the models are gone"):
        await score(other, Letters(breaks_after=50))
    assert other.out.read_bytes() == old
    scored = await score(job_of(tmp_path, source=other.source), Letters())
    assert 0 < scored.resumed <= 50
    assert out_rows(other) == expected(rows_of(100))


async def test_a_kill_between_the_result_and_the_end_of_its_journal_is_gone_on_with(tmp_path: Path) -> None:
    rows = rows_of(40)
    job, scorer = job_of(tmp_path, rows), Letters()
    kept = await broken_off(job, after=24)
    with ScoreJournal.open(job.journal) as journal:
        journal.append([letters(Sample(instruction=row["instruction"], response=row["output"])) for row in rows[kept:]])
    write_rows(job.out, expected(rows))
    await score(job, scorer)
    assert scorer.entered == 0
    assert out_rows(job) == expected(rows)
    assert not job.journal.exists()


# Refused before anything is scored


@pytest.mark.parametrize("source", ["in.jsonl", "other.jsonl"])
async def test_a_result_that_is_there_is_kept_until_a_fresh_start(source: str, tmp_path: Path) -> None:
    finished = job_of(tmp_path, rows_of(30))
    await score(finished, Letters())
    old = finished.out.read_bytes()
    write_rows(tmp_path / "other.jsonl", rows_of(5))
    again, scorer = job_of(tmp_path, source=tmp_path / source), Letters()
    with pytest.raises(UsageError, match=r"out\.jsonl is there already: .*--fresh scores anew, or name another file"):
        await score(again, scorer)
    assert (finished.out.read_bytes(), scorer.entered, again.journal.exists()) == (old, 0, False)
    await score(job_of(tmp_path, source=again.source, fresh=True), scorer)
    assert out_rows(again) == expected(rows_of(30 if source == "in.jsonl" else 5))


async def test_a_file_that_is_not_whole_is_refused_with_all_that_is_wrong_before_a_model_is_loaded(
    tmp_path: Path,
) -> None:
    job, scorer = job_of(tmp_path), Letters()
    job.source.write_text('{"instruction": "A"}\nnot json\n{"instruction": "B"}\n[1]\n')
    with pytest.raises(SeedFileError) as caught:
        await score(job, scorer)
    assert [problem.where for problem in caught.value.problems] == ["in.jsonl:2", "in.jsonl:4"]
    assert scorer.entered == 0
    assert os.listdir(tmp_path) == ["in.jsonl"]


async def test_what_cannot_be_written_is_refused_before_it_is_scored(tmp_path: Path) -> None:
    scorer = Letters()
    job_of(tmp_path, rows_of(1))
    with pytest.raises(UsageError, match=r"unknown kind of file '\.txt'"):
        await score(job_of(tmp_path, out=tmp_path / "out.txt"), scorer)
    with pytest.raises(UsageError, match="no such folder"):
        await score(job_of(tmp_path, report=tmp_path / "none" / "report.html"), scorer)
    with pytest.raises(UsageError, match="a file of its own"):
        await score(job_of(tmp_path, report=tmp_path / "out.jsonl"), scorer)
    with pytest.raises(SeedFileError, match="No such file"):
        await score(job_of(tmp_path, source=tmp_path / "none.jsonl"), scorer)
    (tmp_path / "out.jsonl.part").write_text("somebody's notes\n")
    with pytest.raises(UsageError, match="is no journal of scores"):
        await score(job_of(tmp_path), scorer)
    assert (tmp_path / "out.jsonl.part").read_text() == "somebody's notes\n"
    assert scorer.entered == 0


# Of any length


@pytest.mark.parametrize(("source", "out"), [("in.json", "out.parquet"), ("in.csv", "out.jsonl")])
def test_memory_does_not_grow_with_the_file(source: str, out: str, tmp_path: Path) -> None:
    peaks = []
    for count in (5_000, 20_000):
        job = job_of(tmp_path, rows_of(count), source=tmp_path / source)
        command = [sys.executable, __file__, str(job.source), str(tmp_path / f"{count}-{out}")]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 8, peaks


def json_array(*, rows: int) -> tuple[list[Any], bytes]:
    values: list[Any] = []
    for n in range(rows):
        values += [{"text": 'é"\\\u2028' * (n % 300), "n": n / 7, "deep": [{"k": None}]}, n, "x", [], True]
    return values, json.dumps(values, indent=1).encode()


def test_a_json_array_is_read_over_the_borders_of_its_blocks() -> None:
    values, data = json_array(rows=7000)
    assert len(data) > 3 * BLOCK_BYTES
    assert list(array_elements(BytesIO(data))) == values
    values = [{"text": "漢字" * BLOCK_BYTES}, 10**3000, "end"]
    assert list(array_elements(BytesIO(json.dumps(values, ensure_ascii=False).encode()))) == values


@pytest.mark.parametrize("cut", [b'{"n" 3', b'{"n": tru', b"]", b'"\\u12', b'"open', b"-", b"1 2]", b""])
def test_a_torn_array_names_the_place_that_json_itself_names(cut: bytes) -> None:
    _, data = json_array(rows=3000)
    torn = data[: 2 * BLOCK_BYTES + 77].rsplit(b",\n", 1)[0] + b",\n " + cut
    with pytest.raises(json.JSONDecodeError) as theirs:
        json.loads(torn)
    with pytest.raises(JsonError) as ours:
        list(array_elements(BytesIO(torn)))
    place = f"{theirs.value.msg} at column {theirs.value.colno}"
    assert (ours.value.line, str(ours.value)) == (theirs.value.lineno, f"not JSON: {place}")


@pytest.mark.parametrize("bad", [b"[1, NaN]", b"[" * 100_000, b"[" + b"9" * 5000 + b"]", b"[1] 2", b"{}"])
def test_what_is_no_array_of_json_is_an_error_of_ours(bad: bytes) -> None:
    with pytest.raises(JsonError, match="not JSON"):
        list(array_elements(BytesIO(bad)))


if __name__ == "__main__":
    job = ScoreJob(source=Path(sys.argv[1]), out=Path(sys.argv[2]), config=ScoringConfig())
    anyio.run(score, job, Letters(remembers=False))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

"""The command `score` with real models, killed and stopped on its way."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import fork_server
import pytest
from in_this_process import real_models

from star_agents import offline
from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring import Scorer
from star_agents.storage.formats.row_reading import read_rows
from star_agents.storage.formats.row_writing import write_rows

pytestmark = pytest.mark.timeout(600)

PATIENCE_S = 90
MODELS = ("--small", "offline/small", "--large", "offline/large", "--threads", "1")


class Scoring:
    """`score` in a process of its own; its lines on standard error are read as they come."""

    def __init__(self, source: Path, out: Path, *options: str) -> None:
        self.process = fork_server.start(("score", source, "-o", out, *MODELS, *options))

    def wait_for(self, text: str) -> str:
        """The next line with that text."""
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without {text!r}: {seen}")

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        """Exit code, and what it said from here on; ``number`` is sent first."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate()
        return self.process.wait(PATIENCE_S), out, err

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        self.process.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The sample seeds, numbered."""
    seeds = [row for _, row in read_rows(offline.SEEDS_PATH)]
    write_rows(tmp_path / "in.jsonl", ({**row, "id": number} for number, row in enumerate(seeds)))
    return tmp_path / "in.jsonl"


def journaled(out: Path) -> list[bytes]:
    """Whole lines of the journal, its header left out."""
    lines = out.with_name(f"{out.name}.part").read_bytes().splitlines(keepends=True)
    return [line for line in lines[1:] if line.endswith(b"\n")]


def rows_in(path: Path) -> Iterator[dict[str, Any]]:
    return (row for _, row in read_rows(path))


async def test_killed_it_goes_on_and_ends_with_the_scores_of_one_direct_call(source: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    with Scoring(source, out) as run:
        acknowledged = int(run.wait_for("/300 rows").split("/")[0])
        assert run.end(signal.SIGKILL)[0] == -signal.SIGKILL
    kept = journaled(out)
    assert len(kept) >= acknowledged > 0
    assert not out.exists()

    with Scoring(source, out, "--json", "--report", str(report)) as run:
        run.wait_for(f"going on after {len(kept)} rows")
        code, said, _ = run.end()
    summary = json.loads(said)
    assert (code, summary["rows"], summary["scored"], summary["resumed"]) == (0, 300, 300, len(kept))
    assert "IFD scores of in.jsonl" in report.read_text()
    assert [row["id"] for row in rows_in(out)] == list(range(300))

    samples = [
        Sample(instruction=row["instruction"], input=row["input"], response=row["output"]) for row in rows_in(source)
    ]
    async with Scorer(ScoringConfig(threads=1), resolve=offline.resolve_model, places=real_models()) as scorer:
        direct = await scorer.score(samples)
    for row, one in zip(rows_in(out), direct, strict=True):
        assert (row["ifd_small"], row["ifd_large"]) == pytest.approx((one.ifd_small, one.ifd_large), abs=1e-4)
        assert row["reason"] == one.reason


def test_a_signal_ends_it_whole_and_it_says_how_to_go_on(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Scoring(source, out) as run:
        run.wait_for("/300 rows")
        code, _, err = run.end(signal.SIGTERM)
    assert code == 130
    assert f"stopped by SIGTERM: {len(journaled(out))} of 300 rows are scored" in err
    assert f"to go on: python -m star_agents score {source} -o {out}" in err
    assert not out.exists()


def test_a_fresh_start_that_is_stopped_before_a_row_is_scored_is_gone_on_with_as_a_fresh_start(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("{}\n")
    with Scoring(source, out, "--fresh") as run:
        run.wait_for("no model sees them")  # said before the models are loaded
        code, _, err = run.end(signal.SIGTERM)
    assert (code, out.read_text()) == (130, "{}\n")
    assert "stopped by SIGTERM: 0 of 300 rows are scored" in err
    assert err.rstrip().endswith("--fresh")


def test_a_sample_scorer_that_does_not_exist_is_one_sentence_and_exit_code_5(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Scoring(source, out, "--small", "offline/nope") as run:
        code, said, err = run.end()
    assert (code, said) == (5, "")
    assert [line for line in err.splitlines() if "offline/nope" in line] == err.splitlines()[-1:]
    assert "no sample scorer is called offline/nope; use offline/small and offline/large" in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_a_result_that_is_there_is_refused_with_exit_code_2(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("{}\n")
    with Scoring(source, out) as run:
        code, said, err = run.end()
    assert (code, said, out.read_text()) == (2, "", "{}\n")
    assert "is there already: it is another command's result" in err
    assert "Traceback" not in err

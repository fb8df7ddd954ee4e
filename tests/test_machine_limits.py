"""Limits of the machine and of a process, a terminal that closes, names that are too long: a line, no traceback."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import provider
from lines import agents_yaml

from star_agents.errors import SeedFileError, UsageError
from star_agents.storage.formats.row_reading import scan_rows
from star_agents.storage.formats.row_writing import write_rows

CONFIG = "agents:\n  tutor: {model: offline/tutor}\nselection: random\nmemory: {embedder: hashing}\n"
RUN = ("run", "-c", "agents.yaml", "-s", "seeds.jsonl", "-o", "out", "-q")


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    (tmp_path / "agents.yaml").write_text(CONFIG)
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "Count to three.", "output": "One, two, three."}\n')
    return tmp_path


def under(limit: str, ground: Path) -> subprocess.CompletedProcess[str]:
    """A run in a process on which the shell has set a limit."""
    command = f'ulimit {limit}; exec "$@"'
    arguments = ["sh", "-c", command, "sh", sys.executable, "-m", "star_agents", *RUN]
    return subprocess.run(arguments, cwd=ground, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("files", [8, 10])
def test_a_limit_of_open_files_is_named_with_its_number_and_not_taken_for_a_missing_folder(
    files: int, ground: Path
) -> None:
    done = under(f"-n {files}", ground)
    assert done.returncode in (3, 75)
    assert f"too many open files: this process may have {files} (ulimit -n)" in done.stderr
    assert "check that the folder exists" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_limit_of_memory_is_told_in_a_line(ground: Path) -> None:
    done = under("-v 250000", ground)
    assert done.returncode == 75
    assert "this process may have 0.2 GiB (ulimit -v)" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_terminal_that_closes_ends_a_run_as_other_signals_do(tmp_path: Path) -> None:
    with provider(tmp_path / "book") as url:
        (tmp_path / "agents.yaml").write_text(agents_yaml(url, replaced="concurrency: 4"))
        rows = ({"instruction": f"Count to {n}.", "output": "."} for n in range(9999))
        (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ours, theirs = pty.openpty()
        # `setsid --ctty` makes the terminal the process's own, as a shell does: closing it is a SIGHUP.
        process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "star_agents", *RUN[:-1], "-v"],
            cwd=tmp_path,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "LINE_TEST_KEY": "sk-line-test"},
            # Whoever runs the tests under nohup has it ignored, and a run rightly goes on then.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        os.close(theirs)
        said = b""
        while b"outcome_committed" not in said:
            said += os.read(ours, 65536)
        os.close(ours)
        assert process.wait(timeout=60) == 128 + signal.SIGHUP
    assert 0 < len((tmp_path / "out" / "dataset.jsonl").read_text().splitlines()) < 9999


def test_a_run_under_nohup_outlives_the_terminal(ground: Path) -> None:
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "star_agents", *RUN], cwd=ground, stdout=-1, stderr=-1, text=True
    )
    while not ignores_hangup(process.pid):
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=120)
    assert process.returncode == 0


def ignores_hangup(pid: int) -> bool:
    """As Linux tells it: until `nohup` has begun, a hang-up ends it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (ignored,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) >> (signal.SIGHUP - 1) & 1)


LONG = "n" * 300


@pytest.mark.parametrize("name", [LONG, f"{LONG}.jsonl", f"{LONG}/seeds.jsonl", f"{LONG}/seeds"])
def test_a_seed_file_whose_name_is_too_long_is_a_problem(name: str, tmp_path: Path) -> None:
    with pytest.raises(SeedFileError, match="File name too long"):
        list(scan_rows(tmp_path / name))


def test_a_file_that_cannot_be_written_names_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"cannot be written: .*/file is a file, no folder"):
        write_rows(tmp_path / "file" / "rows.jsonl", [{"a": 1}])
    with pytest.raises(UsageError, match=r"the folder .* cannot be made: File name too long"):
        write_rows(tmp_path / LONG / "rows.jsonl", [{"a": 1}])
    with pytest.raises(UsageError, match=r"rows\.jsonl: cannot be written|the folder"):
        write_rows(tmp_path / "file" / "deeper" / "rows.jsonl", [{"a": 1}])


def test_a_file_may_have_the_longest_name_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 249}.jsonl"
    assert write_rows(path, [{"a": 1}]) == 1
    assert [one.name for one in tmp_path.iterdir()] == [path.name]

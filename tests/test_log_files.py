"""The log file and the verb that reads it: rotation, a full disk, following through both, and a daemon from afar."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from click.testing import CliRunner
from daemons import PATIENCE_S, Running, post, provider, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import agents_yaml

from star_agents.cli.logs import command
from star_agents.errors import StoreError
from star_agents.observe.logs.file import LogFile, log_files
from star_agents.observe.logs.reading import LogTail

LOGS = [sys.executable, "-m", "star_agents", "logs"]


def line(number: int, **fields: Any) -> bytes:
    return (
        json.dumps({"timestamp": f"{number:06d}", "level": "info", "event": "x", "number": number, **fields}).encode()
        + b"\n"
    )


def fail(message: str) -> None:
    raise AssertionError(message)


def numbers(tail: LogTail) -> list[int]:
    return [data["number"] for _, data in tail.read()]


# The file


def test_a_file_is_made_with_the_first_line_after_its_folder_exists(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    file = LogFile(folder, tell=fail)
    file.write(line(1))
    assert not folder.exists()
    folder.mkdir()
    file.write(line(2))
    file.close()
    assert (folder / "log.jsonl").read_bytes() == line(2)


def test_files_are_rotated_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    file = LogFile(tmp_path, tell=fail, size=3 * len(line(0)))
    for number in range(14):
        file.write(line(number))
    file.close()
    assert [path.name for path in log_files(tmp_path)] == ["log.jsonl.3", "log.jsonl.2", "log.jsonl.1", "log.jsonl"]
    assert all(path.stat().st_size <= 3 * len(line(0)) for path in log_files(tmp_path))
    with LogTail(tmp_path) as tail:
        kept = numbers(tail)
    assert kept == list(range(14))[-len(kept) :]
    assert 8 <= len(kept) < 12


def test_a_start_goes_on_with_the_file_that_is_there(tmp_path: Path) -> None:
    for number in range(2):
        file = LogFile(tmp_path, tell=fail)
        file.write(line(number))
        file.close()
    with LogTail(tmp_path) as tail:
        assert numbers(tail) == [0, 1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_once_and_again_with_the_count_when_it_is_over(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    now, told = 0.0, list[str]()
    file = LogFile(tmp_path, tell=told.append, clock=lambda: now)
    for number in range(3):
        file.write(line(number))
        now += 10
    assert (len(told), file.dropped) == (1, 3)
    assert "No space left" in told[0]
    (tmp_path / "log.jsonl").unlink()
    file.write(line(3))
    file.close()
    assert told[1:] == [f"{tmp_path / 'log.jsonl'} is written again; 3 lines are missing from it"]
    assert (tmp_path / "log.jsonl").read_bytes() == line(3)


def test_a_file_that_cannot_be_written_is_left_alone_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    now, told = 0.0, list[str]()
    file = LogFile(tmp_path, tell=told.append, clock=lambda: now)
    file.write(line(0))
    (tmp_path / "log.jsonl").rmdir()
    file.write(line(1))
    assert not (tmp_path / "log.jsonl").exists()
    now = 6.0
    file.write(line(2))
    file.close()
    assert (tmp_path / "log.jsonl").read_bytes() == line(2)


# Reading it


@settings(deadline=None)
@given(steps=st.lists(st.integers(0, 5), max_size=30), size=st.integers(100, 600))
def test_a_reader_that_looks_often_enough_misses_nothing_through_any_rotation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], size: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    file, read, written = LogFile(folder, tell=fail, size=size), list[int](), 0
    with LogTail(folder) as tail:
        for step in steps:
            # Three rotations lose nothing; a line is longer than a fourth of the smallest file.
            for _ in range(min(step, 3)):
                file.write(line(written))
                written += 1
            read += numbers(tail)
    file.close()
    assert read == list(range(written))


def test_half_a_line_is_read_when_it_is_whole_and_rubbish_is_passed_over(tmp_path: Path) -> None:
    whole = line(1)
    with (tmp_path / "log.jsonl").open("ab", buffering=0) as file, LogTail(tmp_path) as tail:
        file.write(whole[:20])
        assert numbers(tail) == []
        file.write(whole[20:] + b"\x00\x00 torn\n[1]\n" + line(2))
        assert numbers(tail) == [1, 2]


def test_a_folder_that_is_none_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no log here"):
        LogTail(tmp_path / "nowhere")


# The verb


def logs(*arguments: str | Path) -> list[dict[str, Any]]:
    done = CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)
    return [json.loads(one) for one in done.stdout.splitlines()]


@contextmanager
def following(*arguments: str | Path) -> Iterator[Queue[dict[str, Any]]]:
    """The lines of `logs -f` as they come."""
    process = subprocess.Popen(
        [*LOGS, "-f", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    seen: Queue[dict[str, Any]] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for one in process.stdout:
            seen.put(json.loads(one))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield seen
    finally:
        process.terminate()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def test_the_newest_lines_that_fit_are_shown(tmp_path: Path) -> None:
    file = LogFile(tmp_path, tell=fail, size=500)
    for number in range(20):
        file.write(line(number, agent="gpt" if number % 2 else "phi", seed_id=f"{number:02d}ab"))
    file.write(line(20, level="error", event="call_failed"))
    file.close()
    assert [one["number"] for one in logs(tmp_path, "-n", "3")] == [18, 19, 20]
    assert [one["number"] for one in logs(tmp_path, "-n", "2", "--agent", "gpt")] == [17, 19]
    assert [one["number"] for one in logs(tmp_path, "--seed", "17")] == [17]
    assert [one["number"] for one in logs(tmp_path, "--level", "warning")] == [20]
    assert [one["number"] for one in logs(tmp_path, "--event", "call_failed", "--event", "nothing")] == [20]


def test_follow_goes_on_through_rotations(tmp_path: Path) -> None:
    file = LogFile(tmp_path, tell=fail, size=300)
    file.write(line(0))
    with following(tmp_path) as seen:
        assert seen.get(timeout=PATIENCE_S)["number"] == 0
        for number in range(1, 8):
            file.write(line(number))
            assert seen.get(timeout=PATIENCE_S)["number"] == number
    file.close()
    assert len(log_files(tmp_path)) > 1


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_daemon_is_followed_through_its_restart(tmp_path: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with provider(tmp_path / "book.jsonl") as url:
        (tmp_path / "agents.yaml").write_text(agents_yaml(url))
        serve = ("serve", "-c", tmp_path / "agents.yaml", "--data-dir", tmp_path / "data", "--port", str(port))
        with Running(*serve) as daemon:
            daemon.wait_for("state_changed", lambda one: one["state"] == "ready")
            with following("--url", base, "-e", "outcome_committed", "-e", "seeds_added") as seen:
                post(base, rows(0, 3))
                before = [seen.get(timeout=PATIENCE_S) for _ in range(4)]
                assert before[0]["event"] == "seeds_added"
                assert [one["seq"] for one in logs("--url", base, "-e", "outcome_committed")] == [1, 2, 3]
                assert daemon.end() == 0
                with Running(*serve) as again:
                    again.wait_for("state_changed", lambda one: one["state"] == "ready")
                    post(base, rows(10, 2))
                    after = [seen.get(timeout=PATIENCE_S) for _ in range(3)]
                    again.end()
    assert [one.get("seq") for one in after] == [None, 4, 5]
    kept = deque(logs(tmp_path / "data", "-n", "1000"), maxlen=1)
    assert (kept[0]["event"], kept[0]["state"]) == ("state_changed", "stopped")


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path) -> None:
    file = LogFile(tmp_path, tell=fail)
    for number in range(5_000):
        file.write(line(number))
    file.close()
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*LOGS, tmp_path, "-n", "5000"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    os.close(write)
    assert done.stderr == ""

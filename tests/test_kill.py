"""kill -9 in the middle of `run`, then the same command: every seed exactly once, no recorded call sent again."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

from daemons import PATIENCE_S, Running, charges, get, provider
from lines import agents_yaml, read_jsonl, results

SEEDS = 120
IN_FLIGHT = 8


def wait_until_charged(book: Path, count: int, process: Running) -> None:
    """Poll the provider's book; it is another process, so there is nothing to wait on but the file."""
    deadline = time.monotonic() + PATIENCE_S
    while sum(charges(book).values()) < count:
        assert process.process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline


def hear_out(url: str) -> None:
    """Let the provider come to the end of what a run that is gone had sent: it takes up requests as they came."""
    for _ in range(5):
        get(url, "/models")


def answered_calls(out: Path) -> int:
    with sqlite3.connect(f"file:{out / 'store.sqlite3'}?mode=ro", uri=True) as connection:
        (count,) = connection.execute("SELECT count(*) FROM calls WHERE state = 'answered'").fetchone()
    connection.close()
    return int(count)


def test_after_kills_every_seed_ends_once_and_no_recorded_answer_is_paid_again(tmp_path: Path) -> None:
    book, out = tmp_path / "book.jsonl", tmp_path / "out"
    seeds = tmp_path / "seeds.jsonl"
    rows = ({"instruction": f"What follows {n}?", "output": f"{n + 1}."} for n in range(SEEDS))
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with provider(book) as url:
        config = tmp_path / "agents.yaml"
        config.write_text(agents_yaml(url, replaced=f"concurrency: {IN_FLIGHT}"))
        command = ("run", "-c", config, "-s", seeds, "-o", out, "-q")
        paid_twice_at_most = 0
        for goal in (60, 200):
            with Running(*command) as run:
                wait_until_charged(book, goal, run)
                assert run.end(signal.SIGKILL) == -signal.SIGKILL
            hear_out(url)
            # What was charged and not recorded at this moment is what may be paid once more; nothing else.
            paid_twice_at_most += sum(charges(book).values()) - answered_calls(out)
        with Running(*command) as run:
            assert run.process.wait(timeout=PATIENCE_S) == 0
        paid = charges(book)
        with Running(*command) as run:
            assert run.process.wait(timeout=PATIENCE_S) == 0
        assert charges(book) == paid, "a finished run sent calls"
    twice = sum(count - 1 for count in paid.values())
    assert twice <= paid_twice_at_most
    assert len({result.seed.id for result in results(out)}) == len(results(out)) == SEEDS
    assert len(read_jsonl(out / "dataset.jsonl")) == SEEDS
    assert answered_calls(out) == len(paid)

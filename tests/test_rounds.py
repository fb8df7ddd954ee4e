"""Rounds on a small world: what they come to, killed in every phase, with trainings that fail and servers that die."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from openai_server import OpenAIServer
from rounds_world import arguments, book, play, rows, set_up, state

from star_agents.process.crash_points import VARIABLE


def ran(nursery: Nursery, folder: Path, rounds: int = 1, **environment: str) -> int:
    nursery.start(*arguments(folder, rounds), **environment)
    return nursery.ended()


def asked_twice(server: OpenAIServer) -> list[str]:
    """Requests that were charged more than once."""
    times = Counter(json.dumps(body, sort_keys=True) for body in server.charged)
    return [body for body, n in times.items() if n > 1]


@pytest.mark.timeout(600)
async def test_rounds_killed_in_every_phase_end_as_those_that_nobody_killed(tmp_path: Path) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(check_kills, nursery, server, tmp_path)


def check_kills(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    whole, killed = folder / "whole", folder / "killed"
    set_up(whole, server.url)
    assert ran(nursery, whole) == 0, nursery.noise[-20:]
    sent, found = len(server.charged), state(whole)
    assert list(found["steps"]) == ["base", "r0-sft", "r1-sft"]
    phases = sum(len(step["done"]) for step in found["steps"].values())
    assert [len(one["done"]) for one in found["steps"].values()] == [1, 5, 6]
    taught = {name: len(found) for name, found in rows(whole).items()}
    assert book(whole, "trained") == [f"trained {one} by sft on {taught[f'{one}.jsonl']}" for one in ("r0-sft", "r1-sft")]
    server.charged.clear()
    set_up(killed, server.url, orders={"kills": ["r1-sft"]})
    lives = 0
    # Each life notes one phase, and dies when the next is done and not noted.
    while (code := ran(nursery, killed, **{VARIABLE: "phase_done:2"})) == -signal.SIGKILL:
        lives += 1
        assert lives <= phases + 1, "it does not come on"
    assert code == 0, nursery.noise[-20:]
    assert lives >= phases - 1
    assert state(killed) == found
    assert rows(killed) == rows(whole)
    assert book(killed, "trained") == book(whole, "trained"), "nothing was trained twice"
    assert len(book(killed, "killed")) == 1
    assert (len(server.charged), asked_twice(server)) == (sent, []), "nothing was paid again"
    assert sorted(book(killed, "asked")) == sorted(book(whole, "asked"))

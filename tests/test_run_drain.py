"""SIGTERM to a `run` is heard whatever it waits for: it ends within `server.drain_s`, and says who is waited for.

Loop: chaos_run_drain.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import anyio
import fork_server
import pytest
from anyio import to_thread
from chaos_run_drain import drain_runs
from fork_server import Forked
from lines import agents_yaml
from openai_server import Answer, Body, Fault, Hang, Move, OpenAIServer

DRAIN = "server: {drain_s: 1}\nconcurrency: 4\n"
BASE = "base_pairs: [{instruction: keep, response: a}]\n"
LATEST_S = 90.0
"""Of the whole end, files written: the drain itself is one second, and other work may share the machine."""


class Heard:
    """What the process says on stderr, which is no terminal."""

    def __init__(self) -> None:
        self.text = ""
        self.is_whole = anyio.Event()

    async def listen(self, process: Forked) -> None:
        async for line in anyio.wrap_file(process.stderr):
            self.text += line
        self.is_whole.set()


@asynccontextmanager
async def running(folder: Path, text: str) -> AsyncIterator[tuple[Forked, Heard]]:
    """`run` on fifty seeds, its stderr read as it comes."""
    (folder / "agents.yaml").write_text(text)
    rows = [json.dumps({"instruction": f"Count to {n}.", "output": "."}) for n in range(50)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))
    command = ("run", "-c", folder / "agents.yaml", "-s", folder / "seeds.jsonl", "-o", folder / "out")
    environ = {**os.environ, "LINE_TEST_KEY": "sk-line-test"}
    heard = Heard()
    with await to_thread.run_sync(partial(fork_server.start, command, environ=environ)) as process:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heard.listen, process)
            try:
                yield process, heard
            finally:
                process.kill()


async def until(condition: Callable[[], object]) -> None:
    """Another process has to do something, of which no event of ours tells."""
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.02)


async def end(process: Forked, heard: Heard, number: signal.Signals) -> int:
    process.send_signal(number)
    code = await to_thread.run_sync(process.wait, LATEST_S)
    with anyio.fail_after(LATEST_S):
        await heard.is_whole.wait()
    return code


def hangs(body: Body) -> Move:
    return Hang(release=asyncio.Event())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_provider_that_hangs_is_waited_for_no_longer_than_the_limit(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with (
        OpenAIServer(hangs) as server,
        running(tmp_path, agents_yaml(server.url, replaced=DRAIN)) as (run, heard),
    ):
        await until(lambda: server.in_flight)
        assert await end(run, heard, number) == 128 + number
        assert "it ends after 1 s (`server.drain_s`)" in heard.text
        assert "4 seeds were not finished and wait again" in heard.text
    assert (tmp_path / "out" / "summary.json").exists(), "what is done is written all the same"


async def test_calls_behind_an_agents_own_requests_per_minute_hold_nobody_up(tmp_path: Path) -> None:
    text = agents_yaml("URL", per_agent=", requests_per_minute: 1", replaced=DRAIN)
    async with (
        OpenAIServer(lambda body: Answer(text="ok")) as server,
        running(tmp_path, text.replace("URL", server.url)) as (run, heard),
    ):
        await until(lambda: "requests_per_minute" in heard.text)
        assert await end(run, heard, signal.SIGTERM) == 143
        assert "slowed down by its own `requests_per_minute`" in heard.text


async def test_a_base_pairs_server_that_is_down_is_named_when_it_is_waited_for_and_when_it_ends(
    tmp_path: Path,
) -> None:
    def moves(body: Body) -> Move:
        return Fault(status=503, message="the cat sat on it") if body["model"] == "a" else Answer(text="ok")

    text = agents_yaml("URL", per_agent=", retries: 50", replaced=DRAIN + BASE)
    async with OpenAIServer(moves) as server, running(tmp_path, text.replace("URL", server.url)) as (run, heard):
        await until(lambda: "agent a: a/0 is down" in heard.text)
        assert "the cat sat on it" in heard.text
        assert await end(run, heard, signal.SIGTERM) == 143
        assert "waiting for agent a, which is down" in heard.text


async def test_a_judge_that_hangs_in_its_exam_holds_nobody_up(tmp_path: Path) -> None:
    text = "referee: {agents: [a], exam: refuse}\n" + DRAIN
    async with OpenAIServer(hangs) as server, running(tmp_path, agents_yaml(server.url, replaced=text)) as (run, heard):
        await until(lambda: server.in_flight)
        assert await end(run, heard, signal.SIGTERM) == 143
        assert "stopped by SIGTERM" in heard.text


async def test_the_calls_of_an_exam_that_are_in_flight_are_awaited_and_kept_and_no_further_one_is_sent(
    tmp_path: Path,
) -> None:
    release = asyncio.Event()
    text = "referee: {agents: [a], exam: refuse}\nserver: {drain_s: 30}\n"
    text = agents_yaml("URL", per_agent=", max_concurrency: 3", replaced=text)
    async with (
        OpenAIServer(lambda body: Hang(release=release)) as server,
        running(tmp_path, text.replace("URL", server.url)) as (run, heard),
    ):
        await until(lambda: server.in_flight == 3)
        run.send_signal(signal.SIGTERM)
        await until(lambda: "finishing" in heard.text)
        release.set()
        assert await to_thread.run_sync(run.wait, LATEST_S) == 143
        assert len(server.requests) == 3
    with closing(sqlite3.connect(tmp_path / "out" / "store.sqlite3")) as store:
        assert store.execute("SELECT state, count(*) FROM calls GROUP BY state").fetchall() == [("answered", 3)]


async def test_a_judge_that_is_down_in_its_exam_is_named_and_holds_nobody_up(tmp_path: Path) -> None:
    text = "referee: {agents: [a], exam: refuse}\n" + DRAIN
    text = agents_yaml("URL", per_agent=", retries: 50", replaced=text)
    async with (
        OpenAIServer(lambda body: Fault(status=503)) as server,
        running(tmp_path, text.replace("URL", server.url)) as (run, heard),
    ):
        await until(lambda: "agent a: a/0 is down" in heard.text)
        assert await end(run, heard, signal.SIGTERM) == 143


async def test_a_provider_that_asks_for_a_long_rest_holds_nobody_up(tmp_path: Path) -> None:
    limited = Fault(status=429, retry_after="600")
    text = agents_yaml("URL", replaced=DRAIN)
    async with (
        OpenAIServer(lambda body: limited) as server,
        running(tmp_path, text.replace("URL", server.url)) as (run, heard),
    ):
        await until(lambda: "(429)" in heard.text)  # "429" may stand in a port, too
        assert await end(run, heard, signal.SIGTERM) == 143
        assert "slowed down by its provider (429)" in heard.text


@pytest.mark.timeout(300)
def test_signals_at_random_moments_over_a_hostile_provider_end_a_run_in_time_and_cost_no_seed_and_no_second_payment(
    tmp_path: Path,
) -> None:
    report = drain_runs(tmp_path, rounds=4, seed=5)
    assert report.violations == []
    assert report.signals.total() == 4
    assert report.outcomes == report.seeds > 0

"""`sa.arun`, `sa.stream`, `sa.serve` in an event loop, and Ctrl-C in a script: what is stopped loses nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import fork_server
import pytest
import yaml
from api_inputs import TUTORED, rows
from daemons import star_agents
from fork_server import Forked
from lines import agents_yaml, origin
from openai_server import Body, Fault, Hang, Move, OpenAIServer, brain

import star_agents as sa

LATEST_S = 90.0


def config(server: OpenAIServer, *, drain_s: int = 60, concurrency: int = 2) -> dict[str, Any]:
    replaced = f"server: {{drain_s: {drain_s}}}\nconcurrency: {concurrency}\ncandidates: 1\n"
    found: dict[str, Any] = yaml.safe_load(agents_yaml(server.url, replaced=replaced))
    return found


class Held:
    """Answers nothing until it is let go."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    def __call__(self, body: Body) -> Move:
        return Hang(release=self.release, then=brain(body))


def calls_in(folder: Path) -> Counter[str]:
    with closing(sqlite3.connect(folder / "store.sqlite3")) as store:
        return Counter(dict(store.execute("SELECT state, count(*) FROM calls GROUP BY state").fetchall()))


async def ended(task: asyncio.Task[Any]) -> None:
    """It may end as it likes."""
    async with asyncio.timeout(LATEST_S):
        await asyncio.wait([task])


async def test_the_event_loop_goes_on_while_it_works(tmp_path: Path) -> None:
    # The server lives in this event loop: nobody would be answered if it stood still.
    async with OpenAIServer() as server:
        result = await sa.arun(config(server), rows(4), out=tmp_path / "out", progress=False)
    assert len(result.rows()) == 4
    assert result.calls == len(server.requests)


async def test_cancelled_it_finishes_what_is_in_hand_and_the_next_one_pays_for_nothing_twice(tmp_path: Path) -> None:
    held = Held()
    async with OpenAIServer(held) as server:
        task = asyncio.create_task(sa.arun(config(server), rows(6), out=tmp_path / "out", progress=False))
        await server.until(lambda s: s.in_flight == 2)
        task.cancel()
        held.release.set()
        await ended(task)
        assert task.cancelled()
        assert calls_in(tmp_path / "out")["pending"] == 0
        assert 0 < len(sa.Folder(tmp_path / "out").rows()) < 6
        result = await sa.arun(config(server), rows(6), out=tmp_path / "out", progress=False)
        assert len(result.rows()) == 6
        asked = Counter(json.dumps(request.body, sort_keys=True) for request in server.requests)
        assert set(asked.values()) == {1}


async def test_cancelled_twice_it_ends_at_once_and_loses_no_seed(tmp_path: Path) -> None:
    held = Held()
    async with OpenAIServer(held) as server:
        task = asyncio.create_task(sa.arun(config(server), rows(4), out=tmp_path / "out", progress=False))
        await server.until(lambda s: s.in_flight == 2)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await ended(task)
        assert task.cancelled()
        assert sa.Folder(tmp_path / "out").status().seeds.waiting == 4
        held.release.set()
        assert len((await sa.arun(config(server), rows(4), out=tmp_path / "out", progress=False)).rows()) == 4


async def test_a_scope_of_anyio_that_cancels_it_waits_for_what_is_in_hand(tmp_path: Path) -> None:
    held = Held()
    async with OpenAIServer(held) as server, anyio.create_task_group() as tasks:

        async def work() -> None:
            await sa.arun(config(server), rows(4), out=tmp_path / "out", progress=False)

        tasks.start_soon(work)
        await server.until(lambda s: s.in_flight == 2)
        tasks.cancel_scope.cancel()
        held.release.set()
    assert calls_in(tmp_path / "out")["pending"] == 0


async def test_cancelled_before_it_works_it_leaves_the_folder_free(tmp_path: Path) -> None:
    task = asyncio.create_task(sa.arun(TUTORED, rows(4), out=tmp_path / "out", progress=False))
    await asyncio.sleep(0)
    task.cancel()
    await ended(task)
    assert task.cancelled()
    assert len((await sa.arun(TUTORED, rows(4), out=tmp_path / "out", progress=False)).rows()) == 4


async def test_who_mends_what_failed_is_told_the_argument_that_asks_again(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Fault(status=401, message="bad key")) as server:
        with pytest.warns(sa.StoppedEarly, match="run the same command again with retry_dropped=True"):
            await sa.arun(config(server), rows(3), out=tmp_path / "out", progress=False)


async def test_errors_are_those_of_run(tmp_path: Path) -> None:
    with pytest.raises(sa.ConfigError, match="agents"):
        await sa.arun({}, rows(1), out=tmp_path / "out")
    with pytest.raises(sa.SeedFileError):
        await sa.arun(TUTORED, [{"instruction": ""}], out=tmp_path / "out")
    with pytest.raises(sa.ConfigError):
        async for _ in sa.stream({}, rows(1), out=tmp_path / "out"):
            pass


async def test_two_folders_are_worked_at_once_and_one_folder_by_one(tmp_path: Path) -> None:
    held = Held()
    async with OpenAIServer(held) as server:
        first = asyncio.create_task(sa.arun(config(server), rows(2), out=tmp_path / "a", progress=False))
        await server.until(lambda s: s.in_flight == 2)
        other = await sa.arun(TUTORED, rows(2), out=tmp_path / "b", progress=False)
        assert len(other.rows()) == 2
        with pytest.raises(sa.StoreLocked):
            await sa.arun(config(server), rows(2), out=tmp_path / "a", progress=False)
        held.release.set()
        assert len((await first).rows()) == 2


async def test_a_stream_gives_every_outcome_once_it_is_durable_in_the_order_of_its_commit(tmp_path: Path) -> None:
    outcomes = sa.stream(TUTORED, rows(7), out=tmp_path / "out")
    seen: list[str] = []
    async for outcome in outcomes:
        seen.append(outcome.seed_id)
        with closing(sqlite3.connect(tmp_path / "out" / "store.sqlite3")) as store:
            (known,) = store.execute("SELECT count(*) FROM outcomes WHERE seed_id = ?", [outcome.seed_id]).fetchone()
        assert known == 1
    assert outcomes.result is not None
    by_seq = sorted(map(origin, outcomes.result.rows()), key=lambda one: one["seq"])
    assert [one["seed_id"] for one in by_seq] == seen
    assert len(seen) == 7


async def test_leaving_a_stream_early_drains_and_the_next_call_waits_for_the_folder(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        async for _ in sa.stream(config(server), rows(20), out=tmp_path / "out", ahead=3):
            break
        result = await sa.arun(config(server), rows(20), out=tmp_path / "out", progress=False)
        assert len(result.rows()) == 20
        asked = Counter(json.dumps(request.body, sort_keys=True) for request in server.requests)
        assert set(asked.values()) == {1}


def test_a_script_that_leaves_a_stream_ends_when_it_has_drained(tmp_path: Path) -> None:
    async def main() -> None:
        async for _ in sa.stream(TUTORED, rows(30), out=tmp_path / "out", ahead=2):
            return

    asyncio.run(main())
    folder = sa.Folder(tmp_path / "out")
    assert folder.path.joinpath("summary.json").exists()
    assert 1 <= len(folder.rows()) < 30
    assert folder.status().seeds.working == 0


async def test_a_reader_that_lags_behind_holds_the_work_back(tmp_path: Path) -> None:
    async with sa.stream(TUTORED, rows(30), out=tmp_path / "out", concurrency=8, ahead=4) as outcomes:
        taken = 0
        async for _ in outcomes:
            taken += 1
            if taken == 5:
                break
        # Nobody takes any more: what is committed stays within `ahead` for as long as one cares to look.
        for _ in range(20):
            await asyncio.sleep(0.05)
            assert sa.Folder(tmp_path / "out").status().seeds.waiting >= 30 - taken - 4
    done = sum(vars(sa.Folder(tmp_path / "out").status().seeds)[kind] for kind in ("kept", "base", "dropped"))
    assert done <= taken + 4


async def test_a_stream_that_is_cancelled_drains(tmp_path: Path) -> None:
    held = Held()
    async with OpenAIServer(held) as server:

        async def read() -> None:
            async for _ in sa.stream(config(server), rows(6), out=tmp_path / "out"):
                pass

        task = asyncio.create_task(read())
        await server.until(lambda s: s.in_flight == 2)
        task.cancel()
        held.release.set()
        await ended(task)
        assert task.cancelled()
    assert calls_in(tmp_path / "out")["pending"] == 0
    assert (tmp_path / "out" / "summary.json").exists()


async def test_a_daemon_serves_until_it_is_cancelled_and_drains(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(yaml.safe_dump(TUTORED))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(url: str) -> None:
        ready.get_loop().call_soon_threadsafe(ready.set_result, url)

    task = asyncio.create_task(sa.serve(path, tmp_path / "data", port=0, on_ready=hear))
    async with asyncio.timeout(LATEST_S):
        url = await ready

    def post() -> Any:
        body = json.dumps(rows(3)).encode()
        request = urllib.request.Request(f"{url}/v1/seeds", data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=LATEST_S) as answer:
            return json.load(answer)

    assert (await asyncio.to_thread(post))["new"] == 3
    async with asyncio.timeout(LATEST_S):
        while len(sa.Folder(tmp_path / "data").rows()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    task.cancel()
    await ended(task)
    assert task.cancelled()
    log = [json.loads(line) for line in (tmp_path / "data" / "log.jsonl").read_text().splitlines()]
    assert [one["state"] for one in log if one["event"] == "state_changed"] == ["ready", "draining", "stopped"]
    with pytest.raises(sa.ConfigError):
        await sa.serve(tmp_path / "nothing.yaml", tmp_path / "data")


WORKS = """
import sys
import star_agents as sa
try:
    sa.run(sys.argv[1], sys.argv[2], out=sys.argv[3])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
WORKS_IN_A_LOOP = """
import asyncio, sys
import star_agents as sa
async def main():
    sa.run(sys.argv[1], sys.argv[2], out=sys.argv[3])
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
WORKS_ASYNC = """
import asyncio, sys
import star_agents as sa
try:
    asyncio.run(sa.arun(sys.argv[1], sys.argv[2], out=sys.argv[3]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@asynccontextmanager
async def script(code: str, *arguments: str | Path) -> AsyncIterator[Forked]:
    """A script in a process of its own, which is gone afterwards."""
    with await asyncio.to_thread(fork_server.start, [code, *arguments], module="script") as process:
        try:
            yield process
        finally:
            process.kill()


def heard_until(process: Forked, word: str) -> str:
    """What it says on stderr as far as the line with this word in it."""
    told = ""
    while word not in told and (line := process.stderr.readline()):
        told += line
    return told


@pytest.mark.parametrize("code", [WORKS, WORKS_IN_A_LOOP, WORKS_ASYNC], ids=["script", "in a loop", "async"])
async def test_ctrl_c_finishes_what_is_in_hand_then_interrupts_and_the_command_goes_on(
    code: str, tmp_path: Path
) -> None:
    held = Held()
    async with OpenAIServer(held) as server:
        path, seeds, out = tmp_path / "agents.yaml", tmp_path / "seeds.jsonl", tmp_path / "out"
        path.write_text(yaml.safe_dump(config(server)))
        seeds.write_text("\n".join(map(json.dumps, rows(6))))
        files = [str(one) for one in (path, seeds, out)]
        async with script(code, *files) as process:
            await server.until(lambda s: s.in_flight == 2)
            process.send_signal(signal.SIGINT)
            told = await asyncio.to_thread(heard_until, process, "finishing")
            held.release.set()
            told += "".join(await asyncio.to_thread(process.communicate))
            assert await asyncio.to_thread(process.wait, LATEST_S) == 0
        assert "interrupted" in told
        assert "Traceback" not in told
        assert calls_in(out)["pending"] == 0
        assert 0 < len(sa.Folder(out).rows()) < 6
        done = await asyncio.to_thread(star_agents, "run", "-q", "-c", files[0], "-s", files[1], "-o", files[2])
        assert done.returncode == 0, done.stderr
        assert len(sa.Folder(out).rows()) == 6
        asked = Counter(json.dumps(request.body, sort_keys=True) for request in server.requests)
        assert set(asked.values()) == {1}


async def test_ctrl_c_twice_ends_at_once_and_loses_no_seed(tmp_path: Path) -> None:
    held = Held()
    async with OpenAIServer(held) as server:
        path, seeds, out = tmp_path / "agents.yaml", tmp_path / "seeds.jsonl", tmp_path / "out"
        path.write_text(yaml.safe_dump(config(server)))
        seeds.write_text("\n".join(map(json.dumps, rows(6))))
        async with script(WORKS, path, seeds, out) as process:
            await server.until(lambda s: s.in_flight == 2)
            process.send_signal(signal.SIGINT)
            told = await asyncio.to_thread(heard_until, process, "Ctrl-C again")
            process.send_signal(signal.SIGINT)
            told += "".join(await asyncio.to_thread(process.communicate))
            assert await asyncio.to_thread(process.wait, LATEST_S) == 0
        assert "2 seeds were not finished and wait again" in told
        assert "interrupted" in told
        assert sa.Folder(out).status().seeds.waiting == 6

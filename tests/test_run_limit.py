"""`run -n N` works the first N seeds of its file and no others, whatever else waits in the folder."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from lines import config_for, results, seeds
from openai_server import Fault, OpenAIServer, brain
from rich.console import Console

from star_agents.cli.main import main
from star_agents.config.models import Config
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.records import Seed
from star_agents.storage.incoming.seed_files import read_seeds
from star_agents.storage.store import Store


async def limited(config: Config, some: list[Seed], out: Path, **options: Any) -> BatchResult:
    settings = {"retry_dropped": False, "console": None, "only_these": True, **options}
    return await run_batch(config, some, "test", out, **settings)


async def test_seeds_that_wait_from_before_are_left_and_a_run_without_a_limit_works_them(tmp_path: Path) -> None:
    everything = seeds(89)
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(everything)
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced="selection: random")
        first = await limited(config, everything[:5], tmp_path)
        assert {result.seed.id for result in results(tmp_path)} == {seed.id for seed in everything[:5]}
        assert (first.left_waiting, first.summary["counts"]["waiting"]) == (84, 84)
        again = await limited(config, everything[:5], tmp_path)
        assert (again.calls, again.left_waiting) == (0, 84), "these five are done"
        rest = await limited(config, everything, tmp_path, only_these=False)
    assert (rest.left_waiting, rest.summary["counts"]["done"]) == (0, 89)
    assert len(server.charged) == len({str(body) for body in server.charged})


async def test_without_a_limit_seeds_of_another_file_are_worked_too_and_that_is_said(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(seeds(9)[5:])
    terminal = io.StringIO()
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced="selection: random")
        done = await limited(config, seeds(5), tmp_path, only_these=False, console=Console(file=terminal, width=200))
    assert done.summary["counts"]["done"] == 9
    assert (
        "4 seeds of earlier runs wait in this folder and are worked too; -n 5 would leave them" in terminal.getvalue()
    )


async def test_progress_counts_the_seeds_of_the_run(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(seeds(40))
    terminal = io.StringIO()
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced="selection: random")
        await limited(config, seeds(4), tmp_path, console=Console(file=terminal, width=200))
    assert "4/4 seeds" in terminal.getvalue()


async def test_no_limit_outlives_the_process_that_set_it(tmp_path: Path) -> None:
    everything = seeds(6)
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(everything)
        await store.begin_run([everything[3].id], only=True)
        (leased,) = await store.lease(6)
        assert leased.id == everything[3].id
        assert await store.lease(6) == []
        assert not store.holds_back
        assert (await store.run_seeds())._asdict() == {"seeds": 1, "done": 0, "waiting": 0, "others_waiting": 5}
    async with await Store.open(tmp_path) as store:
        assert [seed.id for seed in await store.lease(6)] == [seed.id for seed in everything]


async def test_a_suspect_outside_of_the_run_keeps_nobody_waiting(tmp_path: Path) -> None:
    everything = seeds(3)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            async with await Store.open(tmp_path) as store:
                await store.add_seeds(everything[:1])
                await store.lease(1)
                raise RuntimeError("the process dies with the first seed in hand")
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(everything)
        await store.begin_run([seed.id for seed in everything[1:]], only=True)
        assert [seed.id for seed in await store.lease(3)] == [seed.id for seed in everything[1:]]
        assert not store.holds_back
    async with await Store.open(tmp_path) as store:
        assert [seed.id for seed in await store.lease(3)] == [everything[0].id], "alone, as ever"


async def test_retrying_dropped_seeds_stays_within_the_limit(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Fault(status=400)) as server:
        config = config_for(server.url, replaced="selection: random\nconcurrency: 1")
        await limited(config, seeds(6), tmp_path)
        server.handler = brain
        done = await limited(config, seeds(2), tmp_path, retry_dropped=True)
    counts = done.summary["counts"]
    assert (counts["kept"] + counts["base"], counts["dropped"], counts["waiting"]) == (2, 4, 0)


def test_the_command_says_what_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, agents = tmp_path / "seeds.jsonl", tmp_path / "agents.yaml"
    rows = [{"instruction": f"Question {number}?", "response": "Yes."} for number in range(8)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    agents.write_text("agents: {a: {model: offline/tutor}}\nselection: random\nmemory: off", encoding="utf-8")
    command = ["run", "-c", str(agents), "-s", str(path), "-o", str(tmp_path / "out"), "-q"]
    _add(tmp_path / "out", path)
    main([*command, "-n", "3"])
    assert "5 other seeds wait in this folder; run without -n to work them" in capsys.readouterr().out
    main([*command, "-n", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["calls_sent"], told["left_waiting"], told["counts"]["done"]) == (0, 5, 3)
    main(command)
    assert "other seeds wait" not in capsys.readouterr().out


def _add(out: Path, path: Path) -> None:
    async def add() -> None:
        async with await Store.open(out) as store:
            await store.add_seeds(read_seeds(path).seeds)

    anyio.run(add)

"""Seeds whose recipe an edit took out of the chain: they wait, are told, and are worked when it comes back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from daemons import Running, get, post, replace, star_agents
from lines import read_jsonl, results, run
from openai_server import OpenAIServer
from test_own_recipe import documents, respond, written
from test_recipes_visible import provider
from test_storage_quarantine import die

from star_agents.config.models import Config
from star_agents.engine.configuration import read_config
from star_agents.engine.engine import Engine
from star_agents.engine.stored_status import status_of_folder
from star_agents.engine.wiring import open_engine
from star_agents.events import Event, OutcomeCommitted
from star_agents.observe.bus import Bus
from star_agents.records import Sample, Seed
from star_agents.storage import quarantine, run_scope
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE, Store

POOR = "answer: {writer: b}\nevolution: {policy: thompson}"
TOLD = (
    "6 seeds wait for recipe answer, which is not in `recipe` of agents.yaml; put it back into the chain, and they are "
    "worked"
)


def config_in(
    folder: Path, url: str, *, chain: str = "[./mine.py:study, ./second.py:answer]", calls: int = 0
) -> Config:
    """The chain, of which the second recipe asks an agent that may be called so often."""
    return read_config(path_in(folder, url, chain=chain, calls=calls))


def path_in(folder: Path, url: str, *, chain: str, calls: int) -> Path:
    path = written(folder, url, more=POOR if "answer" in chain else "")
    agent = f'  b: {{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY, budget_calls: {calls}}}'
    text = path.read_text().replace("recipe:", f"{agent}\nrecipe:")
    text = text if "study" in chain else text.replace("study: {writer: a}\n", "")
    path.write_text(text.replace("[./mine.py:study, ./second.py:answer]", chain))
    return path


def rewards_due(folder: Path) -> int:
    with StoreReader(folder) as reader:
        return reader._read(
            lambda connection: int(connection.execute("SELECT count(*) FROM rewards_due").fetchone()[0])
        )


def draws_rewarded(folder: Path) -> float:
    with StoreReader(folder) as reader:
        counts = reader.pools()["study.style"].state["counts"]
    return float(sum(wins + losses - 2 for wins, losses in counts.values()))


async def test_a_run_without_the_recipe_leaves_its_seeds_waiting_says_so_and_a_later_one_works_them(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(respond) as server:
        spent = await run(config_in(tmp_path, server.url), documents(3), tmp_path / "out")
        assert spent.summary["counts"]["waiting"] == 6
        path = path_in(tmp_path, server.url, chain="./mine.py:study", calls=0)
        rows = [json.dumps({"document": seed.document.text, "title": seed.document.title}) for seed in documents(3)]
        (tmp_path / "seeds.jsonl").write_text("\n".join(rows))
        told = await anyio.to_thread.run_sync(
            lambda: star_agents("run", "-c", path, "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out", "-q")
        )
        assert TOLD in told.stderr.replace("\n", " ")
        assert told.returncode == 0
        status = status_of_folder(tmp_path / "out")
        assert (status.seeds.waiting, status.seeds.stranded, status.seeds.dropped) == (0, 6, 0)
        assert [one.sentence for one in status.stranded] == [TOLD]
        assert rewards_due(tmp_path / "out") == 3
        assert TOLD in star_agents("status", tmp_path / "out").stdout.replace("\n", " ")
        result = await run(config_in(tmp_path, server.url, calls=100), [], tmp_path / "out")
    assert (result.calls, result.stranded) == (6, ())
    assert result.summary["counts"]["kept"] == 3 + 6
    assert (rewards_due(tmp_path / "out"), draws_rewarded(tmp_path / "out")) == (0, 3)
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 3 * 5 + 6


async def test_a_live_edit_that_takes_a_recipe_out_drops_nothing_and_its_seeds_are_worked_when_it_comes_back(
    tmp_path: Path,
) -> None:
    heard: list[Event] = []
    ended = anyio.Event()

    def hear(event: Event) -> None:
        heard.append(event)
        if sum(isinstance(one, OutcomeCommitted) for one in heard) == 2 + 4 + 1:
            ended.set()

    bus = Bus()
    bus.subscribe(hear)
    async with OpenAIServer(respond) as server, await Store.open(tmp_path / "out") as store:
        await store.add_seeds(documents(2))
        poor = config_in(tmp_path, server.url)
        async with (
            open_engine(poor, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(line.work)
            with anyio.fail_after(60):
                while line.waiting_for is None:  # The budget of the second recipe's agent is spent.
                    await anyio.lowlevel.checkpoint()
                await line.reconfigure(config_in(tmp_path, server.url, chain="./mine.py:study"))
                await store.add_seeds(documents(3))
                line.queue.wake()
                while sum(isinstance(one, OutcomeCommitted) for one in heard) < 3:
                    await anyio.lowlevel.checkpoint()
            assert await stranded_in(line) == 4
            with anyio.fail_after(60):
                await line.reconfigure(config_in(tmp_path, server.url, calls=100))
                await ended.wait()
            line.close()
    assert [one.outcome.kind for one in results(tmp_path / "out")] == ["kept"] * 7
    assert draws_rewarded(tmp_path / "out") == 2, "of the third draw no child was queued: nobody took any"


async def stranded_in(line: Engine) -> int:
    counts = await line.store.counts()
    assert counts.dropped == 0
    return counts.stranded


async def test_seeds_of_a_kind_that_the_new_first_recipe_does_not_take_wait_too(tmp_path: Path) -> None:
    async with OpenAIServer(respond) as server:
        async with await Store.open(tmp_path / "out") as store:
            await store.add_seeds(documents(2))
        more = [Seed.of(Sample(instruction="Why?", response="So."))]
        chain = "./second.py:answer"
        result = await run(config_in(tmp_path, server.url, chain=chain, calls=9), more, tmp_path / "out")
        assert result.summary["counts"]["kept"] == 1
        (told,) = result.stranded
        assert told.sentence == (
            "2 seeds wait, each a document, which the first recipe of agents.yaml does not take; put one first that "
            "takes documents, and they are worked"
        )
        result = await run(config_in(tmp_path, server.url, calls=9), [], tmp_path / "out")
    assert result.summary["counts"]["kept"] == 1 + 2 + 4


@pytest.mark.parametrize("deaths", [1, 2])
async def test_a_suspect_that_nobody_takes_holds_nobody_back(tmp_path: Path, deaths: int) -> None:
    seed, other = documents(2)
    child = seed.child(Sample(instruction="Why?"), recipe="gone", kind="instruction")
    for _ in range(deaths):
        store = await Store.open(tmp_path)
        await store.add_seeds([child])
        await store.lease(1)
        await die(store)
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([seed, other])
        taken = [("", "document")]
        assert [one.id for one in await store.lease(1, taken=taken)] == [seed.id]
        assert [one.id for one in await store.lease(1, taken=taken)] == [other.id]
        assert (await store.lease(1, taken=taken), store.holds_back) == ([], False)


async def test_at_the_budget_of_the_agent_that_its_recipe_names_a_batch_ends_and_does_not_ask_for_ever(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(respond) as server:
        with anyio.fail_after(60):
            result = await run(config_in(tmp_path, server.url, calls=2), documents(3), tmp_path / "out")
    assert "`agents.b.budget_calls`" in result.stopped_by
    counts = result.summary["counts"]
    assert (counts["waiting"], counts["kept"]) == (4, 3 + 2)


async def steps_of_a_lease(folder: Path, stranded: int) -> int:
    """Steps of SQLite's machine, in hundreds, for the lease of one seed behind so many that nobody takes."""
    async with await Store.open(folder) as store:
        (parent,) = documents(1)
        made = [Sample(instruction=f"Why {number}?") for number in range(stranded)]
        await store.add_seeds([parent.child(one, recipe="gone", kind="instruction") for one in made])
        await store.add_seeds(documents(2))
    with closing(sqlite3.connect(folder / STORE_FILE)) as connection:
        run_scope.prepare(connection)
        steps: list[int] = []
        connection.set_progress_handler(lambda: steps.append(1), 100)
        (seed,) = quarantine.lease(connection, 1, taken=[("", "document")]).seeds
        assert seed == documents(1)[0]
    return len(steps)


async def test_a_seed_is_taken_as_fast_behind_thousands_that_nobody_takes(tmp_path: Path) -> None:
    few, many = await steps_of_a_lease(tmp_path / "few", 10), await steps_of_a_lease(tmp_path / "many", 5000)
    assert many <= few + 2


def test_a_daemon_keeps_and_tells_seeds_of_a_recipe_that_an_edit_takes_out_and_works_them_when_it_is_back(
    tmp_path: Path,
) -> None:
    with provider() as endpoint:
        path = path_in(tmp_path, endpoint, chain="[./mine.py:study, ./second.py:answer]", calls=0)
        poor = path.read_text()
        without = path_in(tmp_path, endpoint, chain="./mine.py:study", calls=0).read_text()
        replace(path, poor)
        with Running("serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0") as running:
            url = running.wait_for("state_changed", lambda line: line["state"] == "ready")["detail"].split()[0]
            post(url, [{"document": one.document.text, "title": one.document.title} for one in documents(3)])
            running.wait_for("outcome_committed", lambda line: line["seq"] == 3)
            running.wait_for("budget_reached")
            replace(path, without)
            running.wait_for("config_applied")
            status = get(url, "/v1/status")
            assert (status["seeds"]["waiting"], status["seeds"]["stranded"], status["seeds"]["dropped"]) == (0, 6, 0)
            assert [one["sentence"] for one in status["stranded"]] == [TOLD]
            replace(path, poor.replace("budget_calls: 0", "budget_calls: 50"))
            running.wait_for("outcome_committed", lambda line: line["seq"] == 3 + 6)
            status = get(url, "/v1/status")
            assert (status["seeds"]["kept"], status["seeds"]["stranded"], status["stranded"]) == (9, 0, [])
            assert running.end() == 0

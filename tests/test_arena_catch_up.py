"""An opponent that comes later: past battles stay, and what it lacks is paid, once, where the settings ask for it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from daemons import star_agents
from lines import read_jsonl, results, run
from openai_server import OpenAIServer
from test_arena_kills import play
from test_arena_recipe import STUDY

from star_agents.config.models import Config
from star_agents.engine.accounts import Accounts
from star_agents.engine.batch import run_batch
from star_agents.engine.catching_up import reopen_lacking
from star_agents.engine.configuration import read_config
from star_agents.engine.stages import stages_of
from star_agents.engine.stored_status import status_of_folder
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError
from star_agents.events import Event, SeedsReopened
from star_agents.observe.bus import Bus
from star_agents.process.crash_points import VARIABLE
from star_agents.records import Document, Outcome, Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

PLAYERS = ("target", "one", "two", "three", "four")
SEEDS = 4


def written(folder: Path, url: str, opponents: Sequence[str], settings: str = "", *, chain: str = "arena") -> Path:
    folder.mkdir(exist_ok=True)
    price = "input_cost_per_token: 0.001, output_cost_per_token: 0.001"
    agent = f'{{model: openai/NAME, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY, {price}}}'
    agents = ", ".join(f"{name}: {agent.replace('NAME', name)}" for name in (*PLAYERS, "judge"))
    path = folder / "agents.yaml"
    path.write_text(
        f"agents: {{{agents}}}\nrecipe: {chain}\nconcurrency: 2\n"
        f"arena: {{target: target, opponents: [{', '.join(opponents)}], judges: [judge], exam: 'off', {settings}}}\n"
    )
    rows = [json.dumps({"instruction": one.sample.instruction}) for one in rivers()]
    (folder / "seeds.jsonl").write_text("\n".join(rows))
    return path


def config(folder: Path, url: str, opponents: Sequence[str], settings: str = "", *, chain: str = "arena") -> Config:
    return read_config(written(folder, url, opponents, settings, chain=chain))


def rivers() -> list[Seed]:
    return [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(SEEDS)]


def told_alike(folder: Path) -> dict[str, Any]:
    """What a folder says, whatever came first in it."""
    with StoreReader(folder) as reader:
        tallies, counts = reader.tallies(), reader.counts()
    (recipe,) = tallies.recipes
    outcomes = [one.outcome for one in results(folder)]
    return {
        "rows": [[row.to_dict()["data"] for row in one.rows] for one in outcomes],
        "labels": [[dict(row.labels) for row in one.rows] for one in outcomes],
        "measures": [{trial.arm: dict(trial.measures) for trial in one.trials} for one in outcomes],
        "games": sorted(json.dumps(row, sort_keys=True) for row in read_jsonl(folder / "battles.jsonl")),
        "costs": [pytest.approx(one.cost_usd) for one in outcomes],
        "counts": (counts.kept, counts.dropped, counts.waiting, counts.catching_up, counts.calls_answered),
        "recipe": (recipe.outcomes, recipe.rows, recipe.trials),
        "histograms": {one.measure.name: (one.n, one.histogram, one.chosen) for one in recipe.measures},
        "totals": {one.measure.name: pytest.approx(one.total) for one in recipe.measures},
        "judges": tallies.judges["arena"],
        "failures": tallies.failures,
    }


@pytest.mark.parametrize("mode", ["target", "round_robin"])
async def test_after_catching_up_a_folder_tells_what_it_would_had_the_newcomer_been_there_from_the_start(
    tmp_path: Path, mode: str
) -> None:
    """Of five players two say the same, and one of them is the newcomer: it shares the other's games."""
    async with OpenAIServer(play) as server:
        asked = f"mode: {mode}, catch_up: true"
        await run(config(tmp_path / "a", server.url, ["one", "two"], asked), rivers(), tmp_path / "a" / "out")
        before = len(server.charged)
        later = config(tmp_path / "a", server.url, ["one", "two", "three", "four"], asked)
        result = await run(later, rivers(), tmp_path / "a" / "out")
        paid = len(server.charged) - before
        everybody = config(tmp_path / "b", server.url, ["one", "two", "three", "four"], asked)
        await run(everybody, rivers(), tmp_path / "b" / "out")
        assert before + paid == len(server.charged) - before - paid, "together what the whole arena costs"
        newest = paid // SEEDS
        assert newest == {"target": 2 + 2, "round_robin": 2 + 6}[mode], "two answers, and the games of one of them"
        again = await run(later, rivers(), tmp_path / "a" / "out")
    assert (result.calls, again.calls) == (paid, 0)
    assert told_alike(tmp_path / "a" / "out") == told_alike(tmp_path / "b" / "out")


async def test_unasked_nobody_catches_up_and_whoever_is_taken_out_keeps_its_battles(tmp_path: Path) -> None:
    async with OpenAIServer(play) as server:
        await run(config(tmp_path, server.url, ["one", "two"]), rivers(), tmp_path / "out")
        games, sent = read_jsonl(tmp_path / "out" / "battles.jsonl"), len(server.charged)
        more = [Seed.of(Sample(instruction="Name a lake."))]
        await run(config(tmp_path, server.url, ["two", "four"]), [*rivers(), *more], tmp_path / "out")
        assert len(server.charged) == sent + 3 + 4, "the new instruction alone"
        now = read_jsonl(tmp_path / "out" / "battles.jsonl")
        assert now[: len(games)] == games
        result = await run(config(tmp_path, server.url, ["two", "four"], "catch_up: true"), [], tmp_path / "out")
        assert result.calls == SEEDS * 3, "the fourth answers and fights; the first is not asked again"
    fought = {(row["first"], row["second"]) for row in read_jsonl(tmp_path / "out" / "battles.jsonl")}
    assert {("target", "one"), ("target", "four")} <= fought


async def test_who_cannot_catch_up_is_counted_with_the_reason(tmp_path: Path) -> None:
    heard: list[Event] = []
    async with OpenAIServer(play) as server:
        out = tmp_path / "out"
        await run(config(tmp_path, server.url, ["one", "two"], "opponents_per_seed: 1"), rivers()[:1], out)
        await run(config(tmp_path, server.url, ["one"]), rivers()[1:2], out)
        async with await Store.open(out) as store:
            assert await store.clear_texts(time.time() + 1) == 2
        await run(config(tmp_path, server.url, ["one"]), rivers()[2:3], out)
        path = written(tmp_path, server.url, ["one"])
        path.write_text(path.read_text().replace("target: target,", "target: two,"))
        await run(read_config(path), rivers()[3:], out)
        sent = len(server.charged)
        asked = config(tmp_path, server.url, ["one", "four"], "catch_up: true")
        await run_batch(asked, [], "test", out, retry_dropped=False, console=None, hear=heard.append)
        assert len(server.charged) == sent + 3
    (told,) = [one for one in heard if isinstance(one, SeedsReopened)]
    assert (told.seeds, told.calls, told.kinds["kept"]) == (1, 3, 1)
    assert sorted(told.left_out.values()) == [1, 2]
    assert "1 finished seed catches up with what agents.yaml asks for: about 3 calls" in told.message
    assert "2 finished seeds do not catch up: the texts behind them were cleared (retention_days)" in told.message
    assert "1 finished seeds do not catch up: another target fought there" in told.message


def test_drawn_opponents_and_catching_up_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="opponents_per_seed draws some of them"):
        config(tmp_path, "http://127.0.0.1:1/v1", ["one", "two"], "catch_up: true, opponents_per_seed: 1")


async def test_while_seeds_wait_to_catch_up_what_they_have_stands_and_nobody_waits_once_it_is_not_asked_for(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    async with OpenAIServer(play) as server:
        await run(config(tmp_path, server.url, ["one", "two"]), rivers(), out)
        before = told_alike(out)
        poor = config(tmp_path, server.url, ["one", "two", "four"], "catch_up: true")
        agents = {**poor.agents, "four": poor.agents["four"].model_copy(update={"budget_calls": 2})}
        stopped = await run(poor.model_copy(update={"agents": agents, "concurrency": 1}), [], out)
        assert "agents.four.budget_calls" in stopped.stopped_by
        status = status_of_folder(out)
        assert (status.seeds.kept, status.seeds.waiting, status.seeds.catching_up) == (2, 2, 2)
        assert "2 of them catch up with agents.yaml" in star_agents("status", out).stdout
        rows = [(one.seed.id, len(one.outcome.rows)) for one in results(out)]
        assert len(rows) == SEEDS, "all are exported while some wait"
        assert len(read_jsonl(out / "battles.jsonl")) == SEEDS * 4 + 2 * 2
        async with await Store.open(out) as store:
            assert await store.clear_texts(time.time() + 1) == 2, "who waits keeps its texts"
        await run(config(tmp_path, server.url, ["one", "two"]), [], out)
        status = status_of_folder(out)
        assert (status.seeds.kept, status.seeds.waiting, status.seeds.catching_up) == (SEEDS, 0, 0)
    assert before["counts"][0] == SEEDS


async def test_a_seed_is_reopened_once_whoever_looks_beside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with OpenAIServer(play) as server:
        await run(config(tmp_path, server.url, ["one"]), rivers(), out)
        stages = stages_of(config(tmp_path, server.url, ["one", "four"], "catch_up: true"))
        found: list[SeedsReopened | None] = []

        async def look() -> None:
            found.append(await reopen_lacking(store, stages))

        async with await Store.open(out) as store:
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(look)
            assert sum(one.seeds for one in found if one is not None) == SEEDS
            counts = await store.counts()
    assert (counts.kept, counts.waiting, counts.catching_up) == (0, SEEDS, SEEDS)


@contextmanager
def checked(line_accounts: Accounts, folder: Path) -> Iterator[None]:
    """Running sums say what the store does."""
    yield
    with StoreReader(folder) as reader:
        kept = reader.counts(), line_accounts.counts(reader.open_work())
    assert (kept[0].kept, kept[0].waiting, kept[0].catching_up) == (kept[1].kept, kept[1].waiting, kept[1].catching_up)


async def test_a_live_edit_lets_finished_seeds_catch_up_and_what_their_parents_drew_is_rewarded_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "study.py").write_text(STUDY)
    chain, out = "[./study.py:study, arena]", tmp_path / "out"
    async with OpenAIServer(play) as server, await Store.open(out) as store:
        await store.add_seeds([Seed.of(Document(text=f"place {number}")) for number in range(3)])
        first = config(tmp_path, server.url, ["one", "two"], "catch_up: true", chain=chain)
        more = config(tmp_path, server.url, ["one", "two", "four"], "catch_up: true", chain=chain)
        bus = Bus()
        async with (
            open_engine(first, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
            anyio.create_task_group() as tasks,
        ):
            accounts = await Accounts.of(store)
            bus.subscribe(accounts.hear)
            tasks.start_soon(line.work)
            await until_kept(store, 6)
            rewarded = rewards(out)
            with checked(accounts, out):
                applied = await line.reconfigure(more)
            assert applied.changes == ("~ arena.opponents",)
            await until_kept(store, 6)
            with checked(accounts, out):
                assert {len(one.trials) for one in of_arena(out)} == {4}
            line.close()
    assert rewards(out) == rewarded, "nothing is learned from one draw twice"
    assert sum(n for n, _ in rewarded.values()) == 3


async def until_kept(store: Store, kept: int) -> None:
    with anyio.fail_after(60):
        while (await store.counts()).kept < kept:
            await anyio.lowlevel.checkpoint()


def of_arena(out: Path) -> list[Outcome]:
    return [one.outcome for one in results(out) if one.outcome.recipe == "arena"]


def rewards(out: Path) -> Mapping[str, tuple[int, int]]:
    with StoreReader(out) as reader:
        arms, state = reader.tallies().pools["study.topic"], reader.pools()["study.topic"].state
    return {**{name: (arm.rewards, arm.earned) for name, arm in arms.items()}, "state": (0, hash(json.dumps(state)))}


POINTS = {"intent_recorded": 3, "answer_recorded": 5, "outcome_before_commit": 2, "outcome_committed": 2}
"""Each with the pass at which the process dies while seeds catch up."""


@pytest.mark.timeout(300)
async def test_killed_while_seeds_catch_up_nothing_is_lost_or_paid_again(tmp_path: Path) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(kill_everywhere, nursery, server, tmp_path)


def kill_everywhere(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    def batch(name: str, opponents: Sequence[str], **environ: str) -> int:
        path = written(folder / name, server.url, opponents, "catch_up: true")
        nursery.start("run", "-q", "-c", path, "-s", path.parent / "seeds.jsonl", "-o", path.parent / "out", **environ)
        return nursery.ended()

    for name in ("whole", *POINTS):
        assert batch(name, ["one", "two"]) == 0
    few, sent = len(read_jsonl(folder / "whole" / "out" / "battles.jsonl")), len(server.charged)
    assert batch("whole", ["one", "two", "four"]) == 0
    cost, whole = len(server.charged) - sent, told_alike(folder / "whole" / "out")
    for point, passes in POINTS.items():
        sent = len(server.charged)
        assert batch(point, ["one", "two", "four"], **{VARIABLE: f"{point}:{passes}"}) == -signal.SIGKILL, point
        assert len(results(folder / point / "out")) == SEEDS, "what they had stands"
        assert batch(point, ["one", "two", "four"]) == 0
        with StoreReader(folder / point / "out") as reader:
            in_doubt = reader.counts().calls_maybe_paid
        assert len(server.charged) - sent - cost <= in_doubt, point
        assert told_alike(folder / point / "out") == whole, point
    assert len(read_jsonl(folder / "whole" / "out" / "battles.jsonl")) == few + SEEDS * 2

"""Parts of the seeds: stable, settable, shared by children, worked one at a time, and known wherever seeds are."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from daemons import star_agents
from hypothesis import given
from hypothesis import strategies as st
from lines import origin, read_jsonl, results, run, seeds, take_in_seeds
from openai_server import OpenAIServer
from test_arena_recipe import SAID, WORTH, Model, by_text
from test_arena_recipe import written as arena_written
from test_own_recipe import documents, respond, written

from star_agents.config.sections import PartsConfig
from star_agents.engine.batch import usable_seeds
from star_agents.engine.configuration import read_config
from star_agents.engine.stored_status import status_of_folder
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError, SeedFileError
from star_agents.observe.bus import Bus
from star_agents.records import Sample, Seed
from star_agents.storage import quarantine, run_scope
from star_agents.storage.incoming.seed_files import Collection
from star_agents.storage.outgoing.game_files import read_games
from star_agents.storage.parts import Parts
from star_agents.storage.split import Split
from star_agents.storage.store import STORE_FILE, Store

TEN = PartsConfig()


@given(st.permutations(range(30)), st.integers(1, 12), st.integers(-5, 5))
def test_a_seeds_part_follows_from_its_id_alone(order: list[int], count: int, number: int) -> None:
    some = seeds(30)
    parts = Parts(PartsConfig(count=count, seed=number))
    found = {place: parts.part_of(some[place]) for place in order}
    assert found == {place: Parts(PartsConfig(count=count, seed=number)).part_of(one) for place, one in enumerate(some)}
    assert set(found.values()) <= {f"D{number}" for number in range(count)}


def test_parts_have_their_shares_and_hold_their_share_of_every_split_of_an_export() -> None:
    some = seeds(4000)
    parts, split = Parts(PartsConfig(shares={"D0": 0.5, "D1": 0.25, "rest": 0.25})), Split.parse("train=0.8")
    held = Counter((parts.part_of(seed), split.part_of(seed.id)) for seed in some)
    for part, share in parts.settings.sizes.items():
        n = held[part, "train"] + held[part, "test"]
        assert n == pytest.approx(4000 * share, rel=0.1)
        assert held[part, "train"] == pytest.approx(0.8 * n, rel=0.05)


async def test_a_run_works_one_part_tells_of_the_others_and_everything_that_is_written_knows_it(tmp_path: Path) -> None:
    async with OpenAIServer(Model(SAID, by_text(WORTH))) as server:
        path = arena_written(tmp_path, server.url)
        rows = [json.dumps({"instruction": f"Name river {number}."}) for number in range(40)]
        (tmp_path / "seeds.jsonl").write_text("\n".join(rows))
        files = ("-c", path, "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out", "-q")

        async def worked(*options: str) -> str:
            ended = await anyio.to_thread.run_sync(lambda: star_agents("run", *files, *options))
            assert ended.returncode == 0, ended.stderr
            return ended.stderr.replace("\n", " ")

        told = await worked("--part", "D1")
        (status,) = [status_of_folder(tmp_path / "out")]
        n, others = status.parts["D1"].seeds, status.seeds.stranded
        assert 0 < n < 10
        assert (status.seeds.kept, status.seeds.waiting, others) == (n, 0, 40 - n)
        (waiting,) = status.stranded
        assert sum(waiting.parts.values()) == others
        assert set(waiting.parts) == {f"D{number}" for number in range(10)} - {"D1"}
        assert waiting.sentence in told
        assert status.parts["D2"].waiting == status.parts["D2"].seeds > 0
        shown = star_agents("status", tmp_path / "out").stdout
        assert f"part D1: {n} of {n} done" in shown
        await worked("--part", "D2")
        sent = len(server.requests)
        await worked("--part", "D1", "--part", "D2")
        assert len(server.requests) == sent, "nothing is left of them"
        (tmp_path / "out" / "battles.jsonl").rename(tmp_path / "battles.jsonl")
    games = read_games(tmp_path / "battles.jsonl")
    assert games == read_games(tmp_path / "out")
    assert {labels["part"] for labels in games.labels.values()} == {"D1", "D2"}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["parts"]["D2"]["done"] == status.parts["D2"].seeds
    exported = star_agents("export", tmp_path / "out", "-o", tmp_path / "d2.jsonl", "--part", "D2")
    assert exported.returncode == 0, exported.stderr
    rows_of_it = read_jsonl(tmp_path / "d2.jsonl")
    assert {origin(row)["part"] for row in rows_of_it} == {"D2"}
    assert len(rows_of_it) == status.parts["D2"].seeds
    rated = star_agents("elo", tmp_path / "out", "--part", "D2", "--json")
    assert json.loads(rated.stdout)["prompts"] == status.parts["D2"].seeds
    everybody = json.loads(star_agents("elo", tmp_path / "out", "--json").stdout)
    assert set(everybody["by_label"]["part"]) == {"D1", "D2"}
    for command in ("run", "export", "elo"):
        arguments = (
            files if command == "run" else (tmp_path / "out", *(("-o", "x.jsonl") if command == "export" else ()))
        )
        ended = star_agents(command, *arguments, "--part", "D11")
        assert (ended.returncode, "no such part; there are: D" in ended.stderr) == (2, True), ended.stderr


def collected(*rows: Mapping[str, object]) -> Collection:
    found = Collection()
    for number, row in enumerate(rows, start=1):
        found.add(row, f"rows.jsonl:{number}")
    return found


async def test_a_row_may_name_its_part_and_one_that_there_is_not_is_refused_with_its_line(tmp_path: Path) -> None:
    rows = [{"instruction": f"Why {number}?", "output": "So.", "part": "D7"} for number in range(5)]
    path = written(tmp_path, "http://127.0.0.1:1/v1", more="parts: {count: 8}")
    path.write_text(path.read_text().replace("[./mine.py:study, ./second.py:answer]", "./second.py:answer"))
    path.write_text(path.read_text().replace("study: {writer: a}", ""))
    config = read_config(path)
    file = usable_seeds(collected(*rows).file(), config, where="rows.jsonl", skip_bad=False, limit=None)
    async with await Store.open(tmp_path / "out") as store:
        await store.declare_parts(config.parts)
        await store.add_seeds(file.seeds)
        assert {seed.part for seed in await store.lease(5)} == {"D7"}
    for bad in ("D8", "all", 7):
        with pytest.raises(SeedFileError, match=rf"rows.jsonl:2: part: names no part \('?{bad}'?\); there are: D0, D1"):
            usable_seeds(
                collected(rows[0], {**rows[1], "part": bad}).file(), config, where="", skip_bad=False, limit=None
            )
    path.write_text(path.read_text().replace("parts: {count: 8}", "parts: {count: 8, column: null}"))
    other = collected({**rows[1], "part": "all"}).file()
    assert len(usable_seeds(other, read_config(path), where="", skip_bad=False, limit=None).seeds) == 1


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ("{only: [D10]}", "only: there is no part D10; there are: D0, D1"),
        ("{shares: {D0: 0.5, D1: 0.4}}", "the shares add up to 0.9"),
        ("{shares: {D0: 0.5, 'D 1': 0.5}}", "parts.shares.D 1"),
        ("{count: 0}", "parts.count"),
    ],
)
def test_parts_that_cannot_be_are_told(tmp_path: Path, parts: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_config(written(tmp_path, "http://127.0.0.1:1/v1", more=f"parts: {parts}"))


async def test_children_share_their_parents_part_also_those_that_waited_before_there_were_parts(tmp_path: Path) -> None:
    poor = "answer: {writer: b}"
    async with OpenAIServer(respond) as server:
        path = written(tmp_path, server.url, more=poor)
        agent = (
            f'  b: {{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY, budget_calls: 0}}'
        )
        path.write_text(path.read_text().replace("recipe:", f"{agent}\nrecipe:"))
        before = await run(read_config(path), documents(3), tmp_path / "out")
        assert before.summary["counts"]["waiting"] == 6, "children of three documents"
        path.write_text(path.read_text().replace("budget_calls: 0", "budget_calls: 99") + "parts: {count: 4}\n")
        await run(read_config(path), documents(9), tmp_path / "out")
    found = results(tmp_path / "out")
    part_of = {one.seed.id: one.seed.part for one in found}
    children = [one.seed for one in found if one.seed.parent]
    assert len(children) == 18
    assert all(child.part == part_of[child.parent] for child in children)
    divided = Parts(PartsConfig(count=4))
    assert {one.id: divided.part_of(one) for one in documents(9)}.items() <= part_of.items()
    assert len(set(part_of.values())) > 1


async def test_an_edit_of_the_parts_that_are_worked_lets_a_daemon_take_others(tmp_path: Path) -> None:
    some = [Seed.of(Sample(instruction=f"Why {number}?")) for number in range(20)]
    divided = Parts(PartsConfig(count=2))
    first = [one for one in some if divided.part_of(one) == "D0"]
    async with OpenAIServer(respond) as server, await Store.open(tmp_path / "out") as store:
        path = written(tmp_path, server.url, more="parts: {count: 2, only: [D0]}")
        text = path.read_text().replace("[./mine.py:study, ./second.py:answer]", "./second.py:answer")
        path.write_text(text.replace("study: {writer: a}", ""))
        async with (
            open_engine(read_config(path), store, bus=Bus(), seeds_expected=None, ends_when_empty=False) as line,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(line.work)
            await take_in_seeds(line, some, "test")
            with anyio.fail_after(60):
                while (await store.counts()).done < len(first):
                    await anyio.lowlevel.checkpoint()
            counts = await store.counts()
            assert (counts.done, counts.waiting, counts.stranded) == (len(first), 0, 20 - len(first))
            path.write_text(path.read_text().replace("[D0]", "[D1]"))
            with anyio.fail_after(60):
                await line.reconfigure(read_config(path))
                while (await store.counts()).done < 20:
                    await anyio.lowlevel.checkpoint()
            line.close()


async def steps_of_a_lease(folder: Path, others: int) -> int:
    """Steps of SQLite's machine, in hundreds, for the lease of one seed of a part behind so many of others."""
    divided = Parts(PartsConfig(count=2))
    some = [Seed.of(Sample(instruction=f"Why {number}?")) for number in range(3 * others)]
    async with await Store.open(folder) as store:
        await store.declare_parts(divided.settings)
        await store.add_seeds([one for one in some if divided.part_of(one) == "D0"][:others])
        await store.add_seeds([one for one in some if divided.part_of(one) == "D1"][:2])
    with closing(sqlite3.connect(folder / STORE_FILE)) as connection:
        run_scope.prepare(connection)
        steps: list[int] = []
        connection.set_progress_handler(lambda: steps.append(1), 100)
        taken = [("", "sample"), ("", "instruction")]
        (seed,) = quarantine.lease(connection, 1, taken=taken, parts=["D1", "D9"]).seeds
        assert seed.part == "D1"
    return len(steps)


async def test_a_seed_of_a_part_is_taken_as_fast_behind_thousands_of_others(tmp_path: Path) -> None:
    few, many = await steps_of_a_lease(tmp_path / "few", 10), await steps_of_a_lease(tmp_path / "many", 3000)
    assert many <= few + 2

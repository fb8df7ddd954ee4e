"""Of a chain, the newest children are worked early, and nothing that waits long is left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lines import run
from openai_server import OpenAIServer
from storage_samples import commit, make_outcome, make_seed
from test_own_recipe import documents, respond, written

from star_agents.config.sections import PartsConfig
from star_agents.engine.configuration import read_config
from star_agents.engine.queue import ChildTurns
from star_agents.records import Sample, Seed
from star_agents.records.seeds import PART
from star_agents.storage.sql import queries
from star_agents.storage.store import Store

CHAIN = [("", "sample"), ("second", "instruction")]


def child_of(parent: Seed, number: int) -> Seed:
    return parent.child(Sample(instruction=f"Child {number}?"), recipe="second", kind="instruction")


@pytest.mark.parametrize(("share", "turns"), [(0.0, 0), (0.25, 250), (0.5, 500), (0.9, 900), (1.0, 1000)])
def test_turns_of_children_are_spread_evenly_at_the_share_that_is_set(share: float, turns: int) -> None:
    children = ChildTurns()
    taken = [children.is_next(share) for _ in range(1000)]
    assert sum(taken) == pytest.approx(turns, abs=1)
    in_each_hundred = [sum(taken[start : start + 100]) for start in range(0, 1000, 100)]
    assert max(in_each_hundred) - min(in_each_hundred) <= 1


async def test_the_child_made_last_is_taken_before_all_others_and_without_one_the_oldest_seed(tmp_path: Path) -> None:
    outside = [make_seed(number) for number in range(4)]
    children = [child_of(outside[0], number) for number in range(3)]
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(outside)
        await store.lease(1)
        await commit(store, make_outcome(outside[0], children=tuple(children)))
        taken = [(await store.lease(1, taken=CHAIN, newest_child=True))[0] for _ in range(4)]
    assert [one.id for one in taken] == [children[2].id, children[1].id, children[0].id, outside[1].id]


async def test_a_child_of_a_recipe_that_left_the_chain_is_not_taken_first(tmp_path: Path) -> None:
    outside = [make_seed(number) for number in range(2)]
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(outside)
        await store.lease(1)
        await commit(store, make_outcome(outside[0], children=(child_of(outside[0], 1),)))
        (taken,) = await store.lease(1, taken=[("", "sample"), ("third", "instruction")], newest_child=True)
    assert taken.id == outside[1].id


async def test_a_run_of_its_own_seeds_alone_takes_no_child_of_others_first(tmp_path: Path) -> None:
    outside = [make_seed(number) for number in range(3)]
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(outside)
        await store.lease(1)
        await commit(store, make_outcome(outside[0], children=(child_of(outside[0], 1),)))
        await store.begin_run([outside[2].id], only=True)
        (taken,) = await store.lease(1, taken=CHAIN, newest_child=True)
    assert taken.id == outside[2].id


async def test_where_parts_are_worked_alone_the_newest_child_is_of_one_of_them(tmp_path: Path) -> None:
    outside = [replace(make_seed(number), labels={PART: f"D{number}"}) for number in range(2)]
    async with await Store.open(tmp_path) as store:
        await store.add_seeds(outside)
        for parent in await store.lease(2):
            await commit(store, make_outcome(parent, children=(child_of(parent, int(parent.part[1:])),)))
        await store.declare_parts(PartsConfig(only=("D0",)))
        (taken,) = await store.lease(1, taken=CHAIN, newest_child=True)
        assert await store.lease(1, taken=CHAIN, newest_child=True) == []
    assert (taken.parent, taken.part) == (outside[0].id, "D0")


@pytest.mark.parametrize(
    ("query", "looked_up"),
    [
        ("lease_newest_child", "waiting_by_recipe (recipe=? AND kind=?)"),
        ("lease_newest_child_of_part", "seeds_by_part (state=? AND <expr>=? AND recipe=? AND kind=?)"),
    ],
)
async def test_taking_a_child_sorts_nothing_however_many_wait(query: str, looked_up: str, tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:

        def plan(connection: object) -> list[str]:
            asked = {"scoped": 0, "taken": "[]", "parts": "[]"}
            rows = connection.execute(f"EXPLAIN QUERY PLAN {queries()[query]}", asked)  # type: ignore[attr-defined]
            return [row[-1] for row in rows]

        steps = await store._writer.run(plan)
    assert any(looked_up in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


async def order_of_stages(folder: Path, setting: str) -> list[str]:
    """Which recipe each call was made for, seeds being worked one by one."""
    folder.mkdir()
    async with OpenAIServer(respond) as server:
        config = read_config(written(folder, server.url, more=f"concurrency: 1\n{setting}\n"))
        await run(config, documents(4), folder / "out")
        asked = [str(one.body["messages"][-1]["content"]) for one in server.requests]
    return ["study" if one.startswith("Ask seven") else "answer" for one in asked]


async def test_by_default_nothing_new_is_begun_while_a_child_waits(tmp_path: Path) -> None:
    assert await order_of_stages(tmp_path / "whole", "") == ["study", "answer", "answer"] * 4


async def test_children_have_the_share_of_turns_that_is_set_and_at_0_every_seed_keeps_its_place(tmp_path: Path) -> None:
    mixed = await order_of_stages(tmp_path / "mixed", "children_first: 0.5")
    in_order = await order_of_stages(tmp_path / "order", "children_first: 0")
    assert sorted(mixed) == sorted(in_order) == ["answer"] * 8 + ["study"] * 4
    assert in_order == ["study"] * 4 + ["answer"] * 8
    assert mixed[:6].count("answer") == 3, "half of the seeds are children from the first one on"

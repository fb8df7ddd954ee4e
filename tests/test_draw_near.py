"""`draw(near=...)`: what earned near a text is drawn there first, for every pool, over kills and stages."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from lines import results, run
from openai_server import OpenAIServer
from test_own_recipe import respond

from star_agents.config.sections import EvolutionConfig
from star_agents.engine.configuration import read_config
from star_agents.records import Document, Outcome, Seed
from star_agents.scheduling.memory import Remembered, as_vector
from star_agents.scheduling.pools import Near, Pools
from star_agents.storage.recollections import Recollection
from star_agents.storage.store import Store

ARMS = [f"arm{number}" for number in range(8)]
RECIPE = """
from star_agents.recipes.protocol import done, recipe
from star_agents.records import Reward, Sample

ARMS = [f"arm{number}" for number in range(8)]

@recipe(takes="document", pools={"style": ARMS})
async def mine(seed, bench, settings):
    (arm,) = await bench.draw("style", near=seed.content)
    value = 1.0 if ("zebra" in seed.document.text) == (arm == "arm3") else 0.0
    return done(seed, earned=[Reward(pool="style", arm=arm, value=value)])

@recipe(takes="document", pools={"style": ARMS}, name="parent")
async def parent(seed, bench, settings):
    drawn = await bench.draw("style", 2, near=seed.document.text)
    children = [bench.child(Sample(instruction=f"{seed.id} {arm}"), labels={"style": arm}) for arm in drawn[:1]]
    return done(seed, children=children, earned=[Reward(pool="style", arm=drawn[1], value=0.0)])

@recipe(takes="instruction", name="child")
async def child(seed, bench, settings):
    return done(seed, worth=0.5)
"""
ZEBRAS = "the zebra runs over the wide grass of the plain number {}"
BONDS = "interest rates of government bonds rose in quarter {}"


def config(folder: Path, url: str, chain: str = "./mine.py:mine", more: str = "") -> Path:
    (folder / "mine.py").write_text(RECIPE)
    path = folder / "agents.yaml"
    agent = f'{{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    path.write_text(f"agents: {{a: {agent}}}\nrecipe: {chain}\nconcurrency: 1\n{more}\n")
    return path


def texts(count: int) -> list[Seed]:
    return [Seed.of(Document(text=text.format(number))) for number in range(count) for text in (ZEBRAS, BONDS)]


async def work(folder: Path, seeds: list[Seed], chain: str = "./mine.py:mine", more: str = "") -> list[Outcome]:
    async with OpenAIServer(respond) as server:
        await run(read_config(config(folder, server.url, chain, more)), seeds, folder / "out")
    return [one.outcome for one in results(folder / "out")]


async def recalled(folder: Path, embedder: str = "hashing") -> list[Recollection]:
    async with await Store.open(folder / "out") as store:
        return await store.recollections(embedder)


def test_up_to_half_of_a_draw_is_of_arms_that_earned_near_it() -> None:
    pools = Pools(EvolutionConfig(policy="uniform"), {"p": ARMS})
    here, there = as_vector([1.0, 0.0]), as_vector([0.0, 1.0])
    for number in range(3):
        pools.remember("p", Remembered(seq=number + 1, pair="arm3", pi=1.0, embedding=here))
        pools.remember("p", Remembered(seq=number + 11, pair="arm5", pi=1.0, embedding=there))
    near = Near(here, 3, 2)
    fours = [pools.draw("p", 4, key=str(key), near=near) for key in range(200)]
    assert all(one.arms[0] == "arm3" and one.recalled == 1 and len(set(one.arms)) == 4 for one in fours)
    ones = Counter(pools.draw("p", 1, key=str(key), near=near).arms[0] for key in range(400))
    assert 0.4 < ones["arm3"] / 400 < 0.75
    assert set(ones) == set(ARMS), "the other half explores"
    assert pools.draw("p", 4, key="0", near=Near(here, 3, 0)).recalled == 0
    assert pools.draw("p", 4, key="0") == pools.draw("p", 4, key="0", near=Near(np.zeros(7, np.float32), 3, 2))


def test_what_is_recalled_and_gone_or_down_is_not_drawn() -> None:
    pools = Pools(EvolutionConfig(policy="uniform"), {"p": ARMS})
    here = as_vector([1.0, 0.0])
    for number, arm in enumerate(("gone", "arm1", "arm2")):
        pools.remember("p", Remembered(seq=number + 1, pair=arm, pi=1.0, embedding=here))
    drawn = [pools.draw("p", 2, key=str(key), without={"arm1"}, near=Near(here, 9, 2)).arms[0] for key in range(30)]
    assert set(drawn) == {"arm2"}


async def test_a_recipe_draws_near_a_text_what_earned_near_it_and_what_it_knows_is_found_again(tmp_path: Path) -> None:
    seeds = texts(60)
    random.Random(0).shuffle(seeds)
    more = "evolution: {policy: uniform}\nmemory: {neighbours: 1}"
    await work(tmp_path, seeds[:80], more=more)
    kept = await recalled(tmp_path)
    assert {one.pool for one in kept} == {"mine.style"}
    assert len(kept) == sum(one.outcome.earned[0].value > 0 for one in results(tmp_path / "out"))
    outcomes = await work(tmp_path, seeds[80:], more=more)
    told = [one for one in results(tmp_path / "out") if one.seed in seeds[80:]]
    zebras = [one.outcome for one in told if "zebra" in one.seed.document.text]
    assert len(outcomes) == 120
    assert any(one.recalled for one in zebras)
    for one in told:
        if one.outcome.recalled and "zebra" in one.seed.document.text:
            assert one.outcome.drawn == (("mine.style", "arm3"),)
    share = sum(one.drawn == (("mine.style", "arm3"),) for one in zebras) / len(zebras)
    assert share > 0.3, "of eight arms one by chance alone would be 0.125"


async def test_an_arm_that_earns_by_its_children_is_recalled_once_they_were_heard_of(tmp_path: Path) -> None:
    await work(tmp_path, texts(3), chain="[./mine.py:parent, ./mine.py:child]")
    kept = await recalled(tmp_path)
    assert [one.value for one in kept] == pytest.approx([0.5] * 6)
    drawn = {one.seed.id: one.outcome.drawn[0] for one in results(tmp_path / "out") if not one.seed.parent}
    assert sorted((one.pool, one.arm) for one in kept) == sorted(drawn.values())
    assert await recalled(tmp_path, "small") == []


async def test_without_a_memory_bank_a_draw_near_something_is_a_draw(tmp_path: Path) -> None:
    outcomes = await work(tmp_path, texts(3), more="memory: off")
    assert await recalled(tmp_path) == []
    assert {one.recalled for one in outcomes} == {None}
    assert all(len(one.drawn) == 1 for one in outcomes)

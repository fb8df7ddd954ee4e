"""What a recipe decides and what its pools draw are recorded apart, and what running stores hold is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from lines import results, run
from openai_server import Answer, Body, OpenAIServer

from star_agents.bench.steps import draw_step, own_step
from star_agents.engine.configuration import read_config
from star_agents.records import Document, Seed
from star_agents.storage.store import STORE_FILE, Store

RECIPE = """
from star_agents.recipes.protocol import dropped, recipe

@recipe(takes="document", pools={"style": ["plain", "formal"]})
async def mine(seed, bench, settings):
    own = await bench.once("draw:style:0", lambda: "own")
    (style,) = await bench.draw("style")
    later = await bench.once("draw:style:1", lambda: "later")
    (second,) = await bench.draw("style")
    other = await bench.once("draw:colour:0", lambda: "other")
    return dropped(seed, " ".join([own, style, later, second, other]))
"""
ASKING = """
from star_agents.recipes.protocol import dropped, recipe
from star_agents.recipes.reads import Choice

@recipe(takes="document")
async def mine(seed, bench, settings):
    read = await bench.ask("a", "yes or no?", step="ask", reads=Choice(["yes", "no"]))
    more = await bench.ask("a", "and so?", step="ask:repair")
    return dropped(seed, f"{read.value}, {more.text}")
"""
SEED = Seed.of(Document(text="text"))


async def reason_of(folder: Path, text: str = RECIPE) -> str:
    def respond(body: Body) -> Answer:
        told = [str(one["content"]) for one in body["messages"]]
        return Answer(text="maybe" if told == ["yes or no?"] else "yes" if len(told) > 1 else "so")

    (folder / "mine.py").write_text(text)
    async with OpenAIServer(respond) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (folder / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n")
        await run(read_config(folder / "agents.yaml"), [SEED], folder / "out", retry_dropped=True)
    (found,) = results(folder / "out")
    return found.outcome.reason


def steps(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "out" / STORE_FILE)) as connection:
        return dict(connection.execute("SELECT step, payload FROM steps ORDER BY step").fetchall())


async def test_a_decision_of_ones_own_may_be_called_as_a_draw_is(tmp_path: Path) -> None:
    own, style, later, second, other = (await reason_of(tmp_path)).split()
    assert (own, later, other) == ("own", "later", "other")
    assert {style, second} <= {"plain", "formal"}
    assert await reason_of(tmp_path) == " ".join([own, style, later, second, other]), (
        "the second run walks the same way"
    )


async def test_draws_and_decisions_of_a_running_store_are_found(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "out") as store:
        await store.add_seeds([SEED])
        await store.record_step(SEED.id, "once:draw:style:0", {"value": ["formal"]})
        await store.record_step(SEED.id, "once:draw:style:1", {"value": ["plain"]})
        await store.record_step(SEED.id, "once:draw:colour:0", {"value": "recorded"})
    assert await reason_of(tmp_path) == "own formal later plain recorded"


@pytest.mark.parametrize("pools", [{"p"}, {"p:0"}, {"draw:p"}, {"p", "draw:p", "p:0", "0", "x\n"}])
def test_no_decision_is_recorded_as_a_draw_is_whatever_it_is_called(pools: set[str]) -> None:
    draws = {draw_step(pool, number) for pool in pools for number in range(12)}
    told = {f"{head}{draw}" for draw in draws for head in ("", "once:", "own:")}
    told |= {draw.removeprefix("once:") for draw in draws}
    assert not draws & {own_step(step, pools) for step in told}
    assert len({own_step(step, pools) for step in told}) == len(told)


async def test_a_step_that_is_called_as_the_repair_of_another_is_one_of_its_own(tmp_path: Path) -> None:
    assert await reason_of(tmp_path, ASKING) == "yes, so"

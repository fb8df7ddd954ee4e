"""A recipe of somebody's own, killed at every crash point that it passes: nothing is lost, twice or paid again."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from lines import origin, read_jsonl
from openai_server import Answer, Body, OpenAIServer

from star_agents.process.crash_points import VARIABLE
from star_agents.storage.reader import StoreReader

STUDY = '''
from star_agents.recipes.protocol import done, recipe, sft
from star_agents.records import Sample


@recipe(takes="document", pools={"style": ["plain", "formal", "terse"]})
async def study(seed, bench, settings):
    """Five rows about a document, and two children."""
    (style,) = await bench.draw("style")
    asks = [f"{style} question {number} about {seed.document.text}" for number in range(7)]
    told = await bench.gather(*(bench.ask("a", one, step=f"ask:{number}") for number, one in enumerate(asks)))
    samples = [Sample(instruction=one, response=said.text) for one, said in zip(asks, told.good)]
    children = [bench.child(Sample(instruction=one), labels={"style": style}) for one in asks[5:]]
    return done(seed, rows=[sft(one) for one in samples[:5]], children=children)
'''
ANSWER = '''
from dataclasses import replace
from star_agents.recipes.protocol import done, recipe, sft


@recipe(takes="instruction")
async def answer(seed, bench, settings):
    """One answer."""
    said = await bench.ask("a", f"Answer: {seed.sample.question}", step="answer")
    return done(seed, rows=[sft(replace(seed.sample, response=said.text))], worth=0.5)
'''
DOCUMENTS = 3
POINTS = {
    "draw_recorded": 2,
    "intent_recorded": 9,
    "answer_received": 9,
    "answer_recorded": 9,
    "outcome_before_commit": 3,
    "outcome_committed": 3,
}
"""Each with the pass at which the process dies: in the midst of the second document, or at a child."""
POINTS_IN_SHORT = {point: POINTS[point] for point in ("draw_recorded", "answer_received", "outcome_committed")}


def set_up(folder: Path, url: str) -> None:
    (folder / "mine.py").write_text(STUDY)
    (folder / "second.py").write_text(ANSWER)
    (folder / "agents.yaml").write_text(
        f'agents: {{a: {{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}}}\n'
        "recipe: [./mine.py:study, ./second.py:answer]\nconcurrency: 2\n"
    )
    rows = [json.dumps({"document": f"text {number}"}) for number in range(DOCUMENTS)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))


def echo(body: Body) -> Answer:
    return Answer(text=f"Said to {body['messages'][-1]['content']}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "points", [POINTS_IN_SHORT, pytest.param(POINTS, marks=pytest.mark.slow)], ids=["short", "every"]
)
async def test_a_chain_that_dies_at_every_point_gives_every_row_once_and_pays_for_no_answer_again(
    tmp_path: Path, points: Mapping[str, int]
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(echo) as server:
            for point, passes in points.items():
                (tmp_path / point).mkdir()
                await anyio.to_thread.run_sync(die_and_go_on, nursery, server, tmp_path / point, point, passes)


def die_and_go_on(nursery: Nursery, server: OpenAIServer, folder: Path, point: str, passes: int) -> None:
    set_up(folder, server.url)
    server.charged.clear()
    assert nursery.run(folder, **{VARIABLE: f"{point}:{passes}"}) == -signal.SIGKILL, f"{point} was not reached"
    assert nursery.run(folder) == 0
    with StoreReader(folder / "out") as reader:
        counts, pools = reader.counts(), reader.pools()
    rows = read_jsonl(folder / "out" / "dataset.jsonl")
    texts = Counter(json.dumps(row["messages"]) for row in rows)
    assert (len(rows), set(texts.values())) == (DOCUMENTS * 7, {1}), point
    assert (counts.kept, counts.dropped, counts.waiting) == (DOCUMENTS * 3, 0, 0), point
    assert {origin(row)["recipe"] for row in rows} == {"study", "answer"}
    again = len(server.charged) - len({json.dumps(body) for body in server.charged})
    assert again <= counts.calls_maybe_paid, point
    if point == "draw_recorded":
        assert again == 0, point
    weights = pools["study.style"].state["weights"]
    assert max(weights.values()) > min(weights.values()), "the rewards of the children were learned from"
    sent = len(server.charged)
    assert nursery.run(folder) == 0
    assert len(server.charged) == sent, "a third run asks nobody"

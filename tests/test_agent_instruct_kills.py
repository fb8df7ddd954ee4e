"""AgentInstruct killed at every crash point in mid-document: no child lost or twice, and no call paid again."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from instruct_model import Asked, InstructModel
from lines import results
from openai_server import Answer, Body, Move, OpenAIServer

from star_agents.process.crash_points import VARIABLE
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

DOCUMENTS = 2
SKILL = """\
name: mine
title: Mine
about: Things to ask.
answer: Answer it.
form: messages
transformations: [{name: told, write: A tale.}, {name: same}]
types: [{name: one, ask: One.}, {name: other, ask: Other.}, {name: third, ask: Third.}]
goals: [{name: harder, suggest: Harder.}]
"""
LAST = """
from dataclasses import replace
from star_agents.recipes.protocol import Measure, done, recipe, sft
from star_agents.records import Trial

@recipe(takes="instruction", measures=[Measure("length", high=500, by_label=True)])
async def last(seed, bench, settings):
    answer = await bench.ask("a", seed.sample.prompt, step="answer")
    sample = replace(seed.sample, response=answer.text)
    trial = Trial(arm="a", sample=sample, measures={"length": float(len(answer.text))})
    return done(seed, rows=[sft(sample, from_trials=[0])], trials=[trial], worth=0.5)
"""
POINTS = {
    "draw_recorded": 3,
    "intent_recorded": 14,
    "answer_received": 9,
    "answer_recorded": 17,
    "outcome_before_commit": 1,
    "outcome_committed": 1,
}
"""Each with the pass at which the process dies: among draws, writers, editors and answers, and at a document's end."""
POINTS_IN_SHORT = {point: POINTS[point] for point in ("intent_recorded", "answer_recorded", "outcome_before_commit")}


class Steady(InstructModel):
    """Says the same whenever it is asked the same, whatever was asked before and by which code."""

    def __call__(self, body: Body) -> Move:
        if body["messages"][0]["role"] == "system":
            return super().__call__(body)
        return Answer(text=f"What follows: {body['messages'][-1]['content']}")

    def _write(self, asked: Asked) -> dict[str, Any]:
        about = asked.system.replace(asked.code, "") + str(asked.frame("text"))
        mark = sha256(about.encode()).hexdigest()[:6]
        return {"items": [{"instruction": f"Ask {mark} {n}.", "turns": ["And then?"]} for n in range(asked.wanted)]}


def set_up(folder: Path, url: str) -> None:
    folder.mkdir()
    agent = f'{{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    (folder / "mine.yaml").write_text(SKILL)
    (folder / "last.py").write_text(LAST)
    (folder / "agents.yaml").write_text(
        f"agents: {{a: {agent}, b: {agent}}}\nrecipe: [agent_instruct, ./last.py:last]\nconcurrency: 1\n"
        "agent_instruct: {writer: [a, b], skills: [./mine.yaml], types_per_document: 2, instructions_per_document: 6}\n"
    )
    rows = [json.dumps({"document": f"River {number} rises at Holm."}) for number in range(DOCUMENTS)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "points", [POINTS_IN_SHORT, pytest.param(POINTS, marks=pytest.mark.slow)], ids=["short", "every"]
)
async def test_a_document_that_dies_at_every_point_loses_no_child_and_pays_for_nothing_again(
    tmp_path: Path, points: Mapping[str, int]
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(Steady()) as server:
            await anyio.to_thread.run_sync(check, nursery, server, tmp_path, points)


def check(nursery: Nursery, server: OpenAIServer, folder: Path, points: Mapping[str, int]) -> None:
    set_up(folder / "whole", server.url)
    assert nursery.run(folder / "whole") == 0
    sent, whole = len(server.charged), made_in(folder / "whole")
    assert len(whole) == 6 * DOCUMENTS
    for point, passes in points.items():
        set_up(folder / point, server.url)
        server.charged.clear()
        died = nursery.run(folder / point, **{VARIABLE: f"{point}:{passes}"})
        assert died == -signal.SIGKILL, f"{point} was not reached"
        assert nursery.run(folder / point) == 0
        with StoreReader(folder / point / "out") as reader:
            counts = reader.counts()
        again = len(server.charged) - sent
        assert again == len(server.charged) - len({json.dumps(body) for body in server.charged}), point
        assert again <= counts.calls_maybe_paid, point
        assert made_in(folder / point) == whole, point
    sent_so_far = len(server.charged)
    assert nursery.run(folder / point) == 0
    assert len(server.charged) == sent_so_far, "a third run asks nobody"


def made_in(folder: Path) -> Counter[str]:
    """Every child of every document by what it asks, where it comes from and what was drawn for it; each has a row."""
    found = results(folder / "out")
    children = [one for one in found if one.outcome.recipe == "last"]
    assert [len(one.outcome.rows) for one in children] == [1] * len(children)
    assert len({one.seed.id for one in found}) == len(found)
    check_counts_by_label(folder, children)
    told = [[one.seed.sample.to_dict(), one.seed.parent, dict(one.seed.labels)] for one in children]
    return Counter(json.dumps(one, sort_keys=True) for one in told)


def check_counts_by_label(folder: Path, children: Sequence[Result]) -> None:
    """What was drawn for the children is counted as often as they stand in the store, with what was measured."""
    by_hand: dict[tuple[str, str], list[float]] = {}
    for child in children:
        for label in child.seed.drawn_labels.items():
            by_hand.setdefault(label, []).append(child.outcome.trials[0].measures["length"] or 0.0)
    with StoreReader(folder / "out") as reader:
        counted = reader.tallies().labelled["last"]
    told = {(label, value): one for label, values in counted.items() for value, one in values.items()}
    assert {at: one.outcomes for at, one in told.items()} == {at: len(values) for at, values in by_hand.items()}
    sums = {at: (one.measures["length"].n, one.measures["length"].total / 1e6) for at, one in told.items()}
    assert sums == {at: (len(values), sum(values)) for at, values in by_hand.items()}

"""AgentInstruct killed at every crash point around a proposal of new types: none lost, none twice, none paid again."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from instruct_model import Asked, proposal
from openai_server import OpenAIServer
from test_agent_instruct_kills import LAST, Steady, made_in

from star_agents.process.crash_points import VARIABLE
from star_agents.storage.reader import StoreReader

DOCUMENTS = 4
SKILL = """\
name: mine
title: Mine
about: Things to ask.
answer: Answer it.
form: messages
types: [{name: one, ask: One.}, {name: other, ask: Other.}]
"""
SETTINGS = (
    "writer: [a, b], grower: [a, b], grow: 2, grow_after: 1, grow_tries: 2, skills: [./mine.yaml], "
    "types_per_document: 2, instructions_per_document: 2, refine: {rounds: 0}"
)
OUTCOMES_BEFORE = "SELECT count(*) FROM outcomes WHERE seq < (SELECT seq FROM outcomes WHERE seed_id = ?)"
GROW = ("once:grow", "once:draw:types:0", "once:earners:types", "once:draw:grower:0")

OTHERS = ("draw_recorded", "intent_recorded", "answer_received", "outcome_committed")


class Growing(Steady):
    """Proposes the same of the same."""

    def _grow(self, asked: Asked) -> dict[str, Any]:
        names = ("numbers", "reasons")
        return {"types": [proposal(name) for name in names[: asked.wanted]]}


def set_up(folder: Path, url: str) -> None:
    folder.mkdir()
    agent = f'{{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    (folder / "mine.yaml").write_text(SKILL)
    (folder / "last.py").write_text(LAST)
    (folder / "agents.yaml").write_text(
        f"agents: {{a: {agent}, b: {agent}}}\nrecipe: [agent_instruct, ./last.py:last]\nconcurrency: 1\n"
        f"agent_instruct: {{{SETTINGS}}}\n"
    )
    rows = [json.dumps({"document": f"River {number} rises at Holm."}) for number in range(DOCUMENTS)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))


def passes_of(folder: Path) -> dict[str, list[int]]:
    """By crash point, the passes in the document that asks the grower: before, at and after it asks."""
    connection = sqlite3.connect(folder / "out" / "store.sqlite3")
    (grower,) = connection.execute("SELECT seed_id FROM calls WHERE step = 'grow:mine'").fetchone()
    steps = connection.execute("SELECT seed_id, step FROM steps ORDER BY rowid").fetchall()
    calls = [step for (step,) in connection.execute("SELECT step FROM calls ORDER BY rowid")]
    (before,) = connection.execute(OUTCOMES_BEFORE, [grower]).fetchone()
    connection.close()
    asked = 1 + calls.index("grow:mine")
    drawn = [1 + steps.index((grower, step)) for step in GROW]
    asks = {point: [asked] for point in ("intent_recorded", "answer_received", "answer_recorded")}
    return {"draw_recorded": drawn, **asks, "outcome_before_commit": [before + 1], "outcome_committed": [before + 1]}


def grown_in(folder: Path) -> tuple[Mapping[str, Any], Sequence[str], Mapping[str, float]]:
    """What was added, what is drawn, and with which probabilities."""
    with StoreReader(folder / "out") as reader:
        there = reader.tallies().grown["agent_instruct.types"]
        weights = dict(reader.pools()["agent_instruct.types"].state["weights"])
    return {name: (one.data, one.evidence, one.seq) for name, one in there.items()}, list(weights), weights


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "points",
    [
        ("answer_recorded", "outcome_before_commit"),
        pytest.param(OTHERS, marks=pytest.mark.slow),
    ],
    ids=["short", "the others"],
)
async def test_a_proposal_that_dies_at_any_point_is_added_once_and_paid_once(
    tmp_path: Path, points: Sequence[str]
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(Growing()) as server:
            await anyio.to_thread.run_sync(check, nursery, server, tmp_path, points)


def check(nursery: Nursery, server: OpenAIServer, folder: Path, points: Sequence[str]) -> None:
    set_up(folder / "whole", server.url)
    assert nursery.run(folder / "whole") == 0
    sent, whole, grown = len(server.charged), made_in(folder / "whole"), grown_in(folder / "whole")
    assert list(grown[0]) == ["mine/numbers", "mine/reasons"]
    assert any("mine/numbers" in one for one in whole), "it was drawn"
    for point in points:
        for passes in passes_of(folder / "whole")[point]:
            died_in = folder / f"{point}{passes}"
            set_up(died_in, server.url)
            server.charged.clear()
            ended = nursery.run(died_in, **{VARIABLE: f"{point}:{passes}"})
            assert ended == -signal.SIGKILL, f"{died_in.name} was not reached"
            assert nursery.run(died_in) == 0
            with StoreReader(died_in / "out") as reader:
                counts = reader.counts()
            again = len(server.charged) - sent
            assert again == len(server.charged) - len({json.dumps(body) for body in server.charged}), died_in.name
            assert again <= counts.calls_maybe_paid, died_in.name
            assert made_in(died_in) == whole, died_in.name
            assert grown_in(died_in) == grown, died_in.name
    sent_so_far = len(server.charged)
    assert nursery.run(died_in) == 0
    assert len(server.charged) == sent_so_far, "a third run asks nobody"

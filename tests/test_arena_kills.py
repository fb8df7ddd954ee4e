"""An arena killed at every crash point: nothing is paid again, and the ratings are the same, bit for bit."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from daemons import star_agents
from openai_server import Answer, Body, OpenAIServer
from tiny_rewards import save

from star_agents.process.crash_points import VARIABLE
from star_agents.storage.reader import StoreReader

SEEDS = 4
PLAYERS = ("target", "one", "two", "three")
POINTS = {
    "draw_recorded": 3,
    "intent_recorded": 12,
    "answer_received": 12,
    "answer_recorded": 12,
    "outcome_before_commit": 2,
    "outcome_committed": 2,
}
"""Each with the pass at which the process dies: among answers, among games, and between instructions."""
POINTS_IN_SHORT = {point: POINTS[point] for point in ("intent_recorded", "answer_recorded", "outcome_committed")}


JUDGED = "judges: [judge]}\nconcurrency: 2"
REWARDED = "judges: JURY, calibration: 10MORE}\nconcurrency: 1"
"""One after another, so that which battles a scale is made of is the same in every life."""
JURIES: dict[str, tuple[str, str, dict[str, int]]] = {
    "alone": ('["reward:MODEL"]', "", {"battles_measured": 2}),
    "beside": ('[judge, "reward:MODEL"]', ", opponents_per_seed: 2", {"battles_measured": 3}),
}
"""Judges, further settings, and where the process dies: the scale is just made, or some battles of it are durable."""


def points(text: str) -> int:
    return 1 + sha256(text.encode()).digest()[0] % 10


def play(body: Body) -> Answer:
    """A player says what nobody else says, but for two that agree; a judge gives points by the texts."""
    prompt = str(body["messages"][-1]["content"])
    code = re.search(r"<first answer (\w+)>", prompt)
    if code is None:
        name = {"three": "two"}.get(str(body["model"]), str(body["model"]))
        return Answer(text=f"{name} says: {prompt}")
    first, second = re.findall(rf"<(?:first|second) answer {code[1]}>\n(.*)\n", prompt)
    said = {"code": code[1], "first_reason": "", "second_reason": ""}
    return Answer(text=json.dumps({**said, "first_score": points(first), "second_score": points(second)}))


def set_up(folder: Path, url: str, settings: str = JUDGED) -> None:
    folder.mkdir()
    agent = f'{{model: openai/NAME, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    agents = ", ".join(f"{name}: {agent.replace('NAME', name)}" for name in (*PLAYERS, "judge"))
    (folder / "agents.yaml").write_text(
        f"agents: {{{agents}}}\nrecipe: arena\nscoring: {{device: cpu}}\n"
        f"arena: {{target: target, opponents: [one, two, three], mode: round_robin, exam: 'off', {settings}\n"
    )
    rows = [json.dumps({"instruction": f"Name river {number}."}) for number in range(SEEDS)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "points_of_death", [POINTS_IN_SHORT, pytest.param(POINTS, marks=pytest.mark.slow)], ids=["short", "every"]
)
async def test_an_arena_that_dies_at_every_point_pays_for_nothing_again_and_rates_alike(
    tmp_path: Path, points_of_death: Mapping[str, int]
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(check, nursery, server, tmp_path, points_of_death)


def check(nursery: Nursery, server: OpenAIServer, folder: Path, points_of_death: Mapping[str, int]) -> None:
    set_up(folder / "whole", server.url)
    assert nursery.run(folder / "whole") == 0
    sent, battles, rated = len(server.charged), games(folder / "whole"), ratings(folder / "whole")
    assert sent == SEEDS * (len(PLAYERS) + 6), "six games: two of the four players say the same"
    for point, passes in points_of_death.items():
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
        assert (games(folder / point), ratings(folder / point)) == (battles, rated), point
        sent_so_far = len(server.charged)
        assert nursery.run(folder / point) == 0
        assert len(server.charged) == sent_so_far, "a third run asks nobody"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("jury", JURIES)
async def test_an_arena_of_a_reward_model_that_dies_makes_the_same_scale_and_decides_alike(
    tmp_path: Path, jury: str
) -> None:
    judges, more, passes = JURIES[jury]
    model = save(tmp_path / "model")
    settings = REWARDED.replace("JURY", judges.replace("MODEL", model)).replace("MORE", more)
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(check_rewarded, nursery, server, tmp_path, settings, passes)


def check_rewarded(
    nursery: Nursery, server: OpenAIServer, folder: Path, settings: str, passes: Mapping[str, int]
) -> None:
    set_up(folder / "whole", server.url, settings)
    assert nursery.run(folder / "whole") == 0
    sent, battles, rated = len(server.charged), games(folder / "whole"), ratings(folder / "whole")
    rows = (folder / "whole" / "out" / "dataset.jsonl").read_bytes()
    assert b'"scale": "' in battles
    for point, number in passes.items():
        set_up(folder / point, server.url, settings)
        server.charged.clear()
        died = nursery.run(folder / point, **{VARIABLE: f"{point}:{number}"})
        assert died == -signal.SIGKILL, f"{point} was not reached"
        assert nursery.run(folder / point) == 0
        assert len(server.charged) == sent == len({json.dumps(body) for body in server.charged}), point
        assert (games(folder / point), ratings(folder / point)) == (battles, rated), point
        assert texts((folder / point / "out" / "dataset.jsonl").read_bytes()) == texts(rows), point


def texts(rows: bytes) -> list[object]:
    """What rows teach, without when they were made."""
    return [json.loads(row)["messages"] for row in rows.splitlines()]


def games(folder: Path) -> bytes:
    return (folder / "out" / "battles.jsonl").read_bytes()


def ratings(folder: Path) -> str:
    ended = star_agents("elo", folder / "out", "--json", "--anchor", "target")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout

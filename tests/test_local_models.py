"""Local models in processes of their own: batches of what waits, deaths that lose nothing, and agents made of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from daemons import star_agents
from lines import results

from star_agents.agents.client import AgentClient
from star_agents.config.models import AgentConfig
from star_agents.config.sections import ScoringConfig
from star_agents.engine.local_agents import PREFIX, providers_with
from star_agents.errors import AgentRefused, AgentUnavailable, ScorerError
from star_agents.offline import MODELS_PATH
from star_agents.records import Message
from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.local_models import LocalModels

WORKER = Path(__file__).with_name("local_model_worker.py")


@asynccontextmanager
async def echoes(folder: Path, troubles: list[str] | None = None) -> AsyncIterator[LocalModels]:
    """Models that say what they were asked; their requests are lines of ``book`` in the folder."""
    tell = troubles.append if troubles is not None else lambda trouble: None
    command = (sys.executable, str(WORKER), str(folder / "book"))
    async with LocalModels(ScoringConfig(), command=command, tell=tell) as models:
        yield models


def asked(text: str, **how: Any) -> Asked:
    return Asked(messages=({"role": "user", "content": text},), **how)


def said(answer: Completed | str) -> str:
    assert isinstance(answer, Completed), answer
    text: str = json.loads(answer.text)["messages"][-1]["content"]
    return text


def requests(folder: Path) -> list[str]:
    return (folder / "book").read_text().split("\n")[:-1]


async def test_what_waits_while_a_model_answers_is_its_next_batch(tmp_path: Path) -> None:
    found: dict[int, str] = {}

    async def ask(number: int) -> None:
        (answer,) = await models.complete("m", [asked(f"n{number}")])
        found[number] = said(answer)

    async with echoes(tmp_path) as models, anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(ask, number)
    assert found == {number: f"n{number}" for number in range(40)}
    assert requests(tmp_path) == ["32", "8"], "all of them came before the process was up"


async def test_many_at_once_come_back_in_their_order_and_a_refusal_is_told_in_its_place(tmp_path: Path) -> None:
    async with echoes(tmp_path) as models:
        found = await models.complete("m", [asked("a"), asked("refuse"), *(asked(str(n)) for n in range(50))])
        assert await models.complete("m", []) == []
    assert (said(found[0]), found[1]) == ("a", "it reads no such thing")
    assert [said(one) for one in found[2:]] == [str(n) for n in range(50)]


async def test_a_process_that_is_killed_is_started_again_and_a_conversation_that_kills_it_is_told(
    tmp_path: Path,
) -> None:
    troubles: list[str] = []
    async with echoes(tmp_path, troubles) as models:
        await models.load("m")
        os.kill(models.pids["m"], signal.SIGKILL)
        found = await models.complete("m", [asked("a"), asked("ONCE"), asked("POISON"), asked("b")])
    assert [said(found[0]), said(found[1]), said(found[3])] == ["a", "ONCE", "b"]
    assert str(found[2]).startswith("the process of the model died on this conversation each time: it was ended by SIG")
    assert troubles
    assert all(one.startswith("m: local model's process") for one in troubles)


async def test_whoever_is_cancelled_leaves_its_siblings_their_answers(tmp_path: Path) -> None:
    async with echoes(tmp_path) as models, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as given_up:
            given_up.cancel()
            await models.complete("m", [asked("never")])
        tasks.start_soon(models.complete, "m", [asked("a")])
        assert said((await models.complete("m", [asked("b")]))[0]) == "b"


async def test_a_model_that_is_closed_ends_its_process_and_is_loaded_again_when_it_is_asked(tmp_path: Path) -> None:
    async with echoes(tmp_path) as models:
        await models.load("m")
        await models.load("other")
        first = models.pids["m"]
        await models.close("m")
        await models.close("never loaded")
        assert list(models.pids) == ["other"]
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert said((await models.complete("m", [asked("a")]))[0]) == "a"
        assert models.pids["m"] != first


async def test_whoever_waits_for_a_model_that_is_closed_is_told(tmp_path: Path) -> None:
    async def ask() -> None:
        with pytest.raises(ScorerError, match="was closed before it answered"):
            await models.complete("m", [asked("a")])
        told.append("m")

    told: list[str] = []
    async with echoes(tmp_path) as models, anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await models.close("m")
    assert told == ["m"]


async def test_a_model_that_cannot_be_loaded_is_not_tried_again_at_once(tmp_path: Path) -> None:
    now = [0.0]
    command = (sys.executable, "-c", f"open({str(tmp_path / 'starts')!r}, 'a').write('x')")
    async with LocalModels(ScoringConfig(), command=command, clock=lambda: now[0]) as models:
        for seconds, starts in ((0.0, 2), (59.0, 2), (60.0, 4)):
            now[0] = seconds
            with pytest.raises(ScorerError, match="the local model's process died 2 times while loading its models"):
                await models.complete("m", [asked("a")])
            assert len((tmp_path / "starts").read_text()) == starts
        with pytest.raises(ScorerError, match=r"local model \./none: there is no such folder: /"):
            await models.load("./none")
    with pytest.raises(ScorerError, match="not running"):
        await models.complete("m", [asked("a")])


# As agents


async def test_an_agent_is_asked_with_its_parameters_counted_and_costs_nothing(tmp_path: Path) -> None:
    extra = {"stop": ["\n\n"], "seed": 5, "top_k": 40}
    agent = AgentConfig(model=f"{PREFIX}/my/model", temperature=0.5, top_p=0.9, max_tokens=77, extra=extra)
    async with echoes(tmp_path) as models:
        client = AgentClient({"mine": agent}, providers=providers_with(models))
        reply = await client.ask("mine", [Message(role="user", content="Hi.")])
        with pytest.raises(AgentRefused, match="it reads no such thing"):
            await client.ask("mine", [Message(role="user", content="refuse")])
        assert list(models.pids) == ["my/model"]
        await client.aclose()
    assert json.loads(reply.text) == asked(
        "Hi.", temperature=0.5, top_p=0.9, top_k=40, max_tokens=77, stop=("\n\n",), seed=5
    ).to_dict() | {"messages": [{"role": "user", "content": "Hi."}], "stop": ["\n\n"]}
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cost_usd) == (3, 5, 0.0)
    assert reply.finish_reason == "length"


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"logit_bias": {}}, "takes no `logit_bias`; there are: temperature, top_p"),
        ({"seed": "five"}, "`seed: 'five'` is no value for it"),
        ({"stop": [3]}, r"`stop: \[3\]` is no value for it"),
        ({"top_k": -1}, "`top_k: -1` is no value for it"),
    ],
)
async def test_a_parameter_that_no_local_model_takes_is_told(tmp_path: Path, extra: Any, what: str) -> None:
    async with echoes(tmp_path) as models:
        agents = {"mine": AgentConfig(model=f"{PREFIX}/m", extra=extra)}
        client = AgentClient(agents, providers=providers_with(models))
        with pytest.raises(AgentRefused, match=what):
            await client.ask("mine", [Message(role="user", content="Hi.")])
        await client.aclose()
    assert not (tmp_path / "book").exists()


async def test_an_agent_whose_model_cannot_be_loaded_is_down_and_nothing_was_paid(tmp_path: Path) -> None:
    async with LocalModels(ScoringConfig(), command=(sys.executable, "-c", "")) as models:
        agents = {"mine": AgentConfig(model=f"{PREFIX}/m", retries=0)}
        client = AgentClient(agents, providers=providers_with(models))
        with pytest.raises(AgentUnavailable, match="died 2 times while loading") as down:
            await client.ask("mine", [Message(role="user", content="Hi.")])
        assert down.value.certainly_unpaid
        await client.aclose()


@pytest.mark.slow
def test_real_models_play_in_an_arena_and_one_that_is_not_there_ends_it_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    agents = (
        "{mine: {model: transformers/offline/small, max_tokens: 30, temperature: 0}, tutor: {model: offline/tutor}, "
        f"gone: {{model: transformers/{tmp_path}/gone}}, referee: {{model: offline/referee}}}}"
    )
    (tmp_path / "agents.yaml").write_text(
        f"agents: {agents}\nrecipe: arena\n"
        "arena: {target: mine, opponents: [tutor], judges: [referee], exam: 'off'}\n"
    )
    (tmp_path / "set.jsonl").write_text('{"instruction": "what is the capital of spain ?"}\n{"instruction": "why ?"}\n')
    files = (tmp_path / "set.jsonl", "-c", tmp_path / "agents.yaml", "-q")
    shutil.copytree(MODELS_PATH / "small", tmp_path / "mine")
    players = f"mine,tutor,{tmp_path}/mine"
    ended = star_agents("arena", *files, "-o", tmp_path / "out", "--models", players, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["cost"]["known_usd"] == 0
    outcomes = [one.outcome for one in results(tmp_path / "out")]
    assert [[trial.arm for trial in one.trials] for one in outcomes] == 2 * [["mine", "tutor", "mine-2"]]
    for one in outcomes:
        mine, _, same = one.trials
        assert mine.failure is None or mine.failure.kind == "length"
        assert mine.sample.response == same.sample.response
    ended = star_agents("arena", *files, "-o", tmp_path / "none", "--models", "gone,tutor")
    assert ended.returncode == 5
    assert f"local model {tmp_path}/gone: there is no such folder" in ended.stderr

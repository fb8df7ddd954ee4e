"""Replies that hold thoughts, or are no answers, through whole runs: what reaches the dataset, and what an export."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lines import config_for, origin, read_jsonl, results, run, seeds
from openai_server import Answer, Body, Move, OpenAIServer, brain
from recorded_replies import chat, choice
from star_outcomes import read_star_outcome as stars

from star_agents.cli.main import cli
from star_agents.records import Reply, Sample, Trial
from star_agents.storage.formats.row_reading import read_rows
from star_agents.storage.store import STORE_FILE

THOUGHT = "thought-canary-4c1d"
REWRITES = """
pairs: [{instruction: b, response: c}, {instruction: keep, response: c}]
base_pairs: [{instruction: keep, response: seed}]
"""


def is_judging(body: Body) -> bool:
    return '"verdict"' in str(body["messages"])


def thinking(body: Body) -> Answer:
    """What the brain says, after thoughts that hold another verdict."""
    said = brain(body).text
    verdict = json.dumps({**json.loads(said.rpartition("\n")[2]), "verdict": "tie"}) if is_judging(body) else ""
    return Answer(text=f"<think>\n{THOUGHT} {verdict}\n</think>\n\n{said}", extra={"reasoning_content": None})


def only_b(text: str, finish_reason: str = "stop") -> Callable[[Body], Answer]:
    """Agent b says this, the others what the brain does."""

    def reply(body: Body) -> Answer:
        return Answer(text=text, finish_reason=finish_reason) if body["model"] == "b" else brain(body)

    return reply


def texts_of(folder: Path) -> str:
    """Everything that a run leaves for people, so without its store."""
    names = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(STORE_FILE)]
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in names)


def exported(folder: Path, *options: str) -> list[dict[str, Any]]:
    out = folder / "out.jsonl"
    done = CliRunner().invoke(cli, ["export", str(folder), "-o", str(out), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return read_jsonl(out)


@pytest.mark.parametrize("transport", ["auto", "litellm"])
async def test_thoughts_reach_an_export_that_asks_for_them_and_nothing_else(tmp_path: Path, transport: str) -> None:
    per_agent = f", transport: {transport}"
    async with OpenAIServer(thinking) as server:
        await run(config_for(server.url, per_agent=per_agent, replaced=REWRITES), seeds(5), tmp_path)
    assert len(read_jsonl(tmp_path / "dataset.jsonl")) == 5
    everything = texts_of(tmp_path)
    assert THOUGHT not in everything
    assert "think>" not in everything
    for layout in ("messages", "alpaca", "sharegpt", "dpo"):
        assert THOUGHT not in json.dumps(exported(tmp_path, "-f", layout))
    rows = exported(tmp_path, "--with-reasoning")
    won = [row for row in rows if origin(row)["kind"] == "kept"]
    assert won
    assert {row["reasoning"].strip() for row in won} == {THOUGHT}
    assert {row["reasoning"] for row in rows if origin(row)["kind"] == "base"} <= {""}
    assert all(list(row)[-2:] == ["reasoning", "provenance"] for row in rows)


async def test_an_instruction_is_rewritten_without_its_writers_thoughts_and_judged_without_the_referees(
    tmp_path: Path,
) -> None:
    votes: list[list[Any]] = []
    for name, handler in (("plain", brain), ("thinking", thinking)):
        async with OpenAIServer(handler) as server:
            await run(config_for(server.url, replaced=REWRITES), seeds(5), tmp_path / name)
        found = [one for result in results(tmp_path / name) for one in stars(result.outcome).candidates]
        rewritten = [one.candidate.sample.instruction for one in found if one.candidate.pair.instruction == "b"]
        assert all(text.endswith("Give your reasons.") and "think" not in text for text in rewritten)
        cast = [vote for one in found if one.verdict for vote in one.verdict.votes]
        votes.append(sorted((vote.readable, vote.value) for vote in cast))
    assert votes[0]
    assert votes[0] == votes[1]
    assert all(readable for readable, _ in votes[0])


@pytest.mark.parametrize(
    ("text", "finish_reason", "failure"),
    [
        ("The capital of", "error", "format: the response of b ended with finish_reason 'error'"),
        ("The capital of", "some_word", "format: the response of b ended with finish_reason 'some_word'"),
        ("<think>\nhm", "stop", "format: the response of b cannot be used: its thoughts never end"),
        ("<think>\nhm", "length", "length: b was cut after"),
        ("<think>\nhm\n</think>\n", "stop", "empty: b wrote no response, only thoughts"),
        ("Par\0is", "stop", "format: the response of b cannot be used: it holds a NUL"),
        ("Paris \ud83d", "stop", "format: the response of b cannot be used: it holds half a surrogate pair"),
        ("\u200b\u200d", "stop", "empty: b wrote no response"),
    ],
)
async def test_a_reply_that_is_no_answer_is_a_failed_candidate_by_its_kind(
    text: str, finish_reason: str, failure: str, tmp_path: Path
) -> None:
    replaced = "candidates: 1\npairs: [{instruction: keep, response: b}]"
    async with OpenAIServer(only_b(text, finish_reason)) as server:
        done = await run(config_for(server.url, replaced=replaced), seeds(1), tmp_path)
    (result,) = results(tmp_path)
    failures = [
        str(one.candidate.failure) for one in stars(result.outcome).candidates if one.candidate.pair.response == "b"
    ]
    assert failures
    assert all(said.startswith(failure) for said in failures), failures
    assert done.summary["counts"]["kept"] == 0


async def test_a_rewrite_that_is_no_text_leaves_no_candidate(tmp_path: Path) -> None:
    async with OpenAIServer(only_b("<think>what to write")) as server:
        await run(config_for(server.url, replaced=REWRITES), seeds(3), tmp_path)
    found = [one.candidate for result in results(tmp_path) for one in stars(result.outcome).candidates]
    rewritten = [str(one.failure) for one in found if one.pair.instruction == "b"]
    assert rewritten
    assert all(said.startswith("format: the instruction of b cannot be used") for said in rewritten)


async def test_a_choice_that_is_an_error_is_asked_for_again(tmp_path: Path) -> None:
    failed: list[Body] = []

    def first_fails(body: Body) -> Move:
        if body["model"] == "b" and not failed:
            failed.append(body)
            error = {"code": 502, "message": "the provider behind it is gone"}
            return chat({**choice(content="The capital of", finish_reason="error"), "error": error})
        return brain(body)

    replaced = "candidates: 1\npairs: [{instruction: keep, response: b}]"
    async with OpenAIServer(first_fails) as server:
        await run(config_for(server.url, replaced=replaced), seeds(1), tmp_path)
        asked = [request.body for request in server.requests if request.body["model"] == "b"]
    assert asked == [*failed, *failed]
    (result,) = results(tmp_path)
    assert not any(one.candidate.failure for one in stars(result.outcome).candidates)


async def test_with_reasoning_a_parquet_file_has_one_type_for_the_column(tmp_path: Path) -> None:
    async with OpenAIServer(thinking) as server:
        await run(config_for(server.url, replaced=REWRITES), seeds(4), tmp_path)
    out = tmp_path / "out.parquet"
    options: Sequence[str] = ["export", str(tmp_path), "-o", str(out), "--with-reasoning", "-f", "alpaca"]
    assert CliRunner().invoke(cli, options).exit_code == 0
    assert all(isinstance(row["reasoning"], str) for _, row in read_rows(out))


async def test_a_journal_from_before_thoughts_were_kept_apart_gives_none_of_them_as_answers(tmp_path: Path) -> None:
    config = "candidates: 1\npairs: [{instruction: keep, response: b}]\nbase_pairs: [{instruction: keep, response: c}]"
    async with OpenAIServer(lambda body: Answer(text="") if body["model"] in "bc" else brain(body)) as server:
        await run(config_for(server.url, replaced=config), seeds(1), tmp_path)
        with closing(sqlite3.connect(tmp_path / STORE_FILE)) as connection, connection:
            old = (
                "json_set(json_remove(reply, '$.reasoning', '$.flaw'), '$.text', '<think>hm</think>Two from ' || agent)"
            )
            assert connection.execute(f"UPDATE calls SET reply = {old}").rowcount == 2
        sent = len(server.requests)
        await run(config_for(server.url, replaced=config), seeds(1), tmp_path, retry_dropped=True)
        assert {request.body["model"] for request in server.requests[sent:]} == {"a"}, "the referee alone is asked"
    (result,) = results(tmp_path)
    said = {(one.candidate.sample.response, one.candidate.reasoning) for one in stars(result.outcome).candidates}
    assert said == {("Two from b", "hm"), ("Two from c", "hm")}


def test_rows_from_before_thoughts_were_kept_are_read() -> None:
    reply = Reply(text="4", finish_reason="stop", agent="a", model="m", reasoning="hm", flaw="x")
    assert Reply.from_dict(reply.to_dict()) == reply
    old = {name: value for name, value in reply.to_dict().items() if name not in ("reasoning", "flaw")}
    assert (Reply.from_dict(old).reasoning, Reply.from_dict(old).flaw) == ("", "")
    trial = Trial(arm="keep/a", sample=Sample(instruction="?", response="4"), reasoning="hm")
    assert Trial.from_dict(trial.to_dict()) == trial
    before = {name: value for name, value in trial.to_dict().items() if name != "reasoning"}
    assert Trial.from_dict(before).reasoning == ""

"""The product on a real small LLM behind a real server: `.venv/bin/pytest -m slow tests/test_real_llm.py`."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from daemons import start
from lines import origin, read_jsonl, results
from real_llm import TOOL, RealLlm, real_llm, real_rows, write_rows
from star_outcomes import read_star_outcome as stars

from star_agents.agents.client import AgentClient
from star_agents.config.reading import parse_config
from star_agents.records import Message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLlm]:
    with real_llm(tmp_path_factory.mktemp("real_llm")) as served:
        yield served


def star_agents(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "star_agents", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1000, check=False)


def without_judge(llm: RealLlm) -> str:
    """Its judge is one in name only: whatever is not about judging chooses by the gap."""
    return llm.agents_yaml + "selection: gap\n"


def test_a_run_on_real_seeds_ends_with_real_answers_scores_and_no_failure(llm: RealLlm, tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(without_judge(llm))
    seeds = write_rows(tmp_path / "seeds.jsonl", real_rows(5))
    done = star_agents("run", "-c", tmp_path / "agents.yaml", "-s", seeds, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert len(rows) == 5
    candidates = [one for result in results(tmp_path / "out") for one in stars(result.outcome).candidates]
    assert [one.candidate.failure for one in candidates if one.candidate.failure] == []
    written = [one for one in candidates if not one.candidate.is_base]
    assert written
    assert all(len(one.candidate.sample.response or "") > 0 for one in written)
    assert all(one.score is not None and one.score.ifd_small is not None for one in candidates)
    assert {origin(row)["kind"] for row in rows} <= {"kept", "base"}


def test_check_passes_for_it_as_a_writer_and_as_an_embedder(llm: RealLlm, tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(without_judge(llm))
    done = star_agents("check", "-c", tmp_path / "agents.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


async def test_four_calls_at_once_are_answered_in_words(llm: RealLlm) -> None:
    config = parse_config(llm.agents_yaml)
    client = AgentClient(config.agents)
    try:
        question = [Message(role="user", content="Name three fruits.")]
        answers = await asyncio.gather(*(client.ask("writer", question) for _ in range(4)))
    finally:
        await client.aclose()
    assert all(answer.text.strip() and answer.completion_tokens > 0 for answer in answers)
    assert {answer.cost_usd for answer in answers} == {0.0}


async def test_texts_that_mean_the_same_are_near_in_its_embedding(llm: RealLlm) -> None:
    client = AgentClient(parse_config(llm.agents_yaml).agents)
    try:
        texts = ["A man plays the guitar.", "Somebody is playing an instrument.", "Taxes are due in April."]
        vectors = np.asarray((await client.embed("minilm", texts)).vectors)
    finally:
        await client.aclose()
    alike, apart = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert alike > 0.5
    assert abs(apart) < 0.2


def test_a_reply_is_bound_to_a_schema_where_one_is_sent(llm: RealLlm) -> None:
    schema = {"type": "object", "properties": {"verdict": {"enum": ["A", "B"]}}, "required": ["verdict"]}
    body = {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "Which is better, A or B? Tell me about it."}],
        "max_tokens": 40,
        "response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}},
    }
    request = urllib.request.Request(
        f"{llm.url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        content = json.load(response)["choices"][0]["message"]["content"]
    assert json.loads(content)["verdict"] in ("A", "B")


def is_number(seq: int, line: Mapping[str, Any]) -> bool:
    return bool(line["seq"] == seq)


def test_a_daemon_works_every_row_of_a_writer_that_pauses_between_and_inside_lines(
    llm: RealLlm, tmp_path: Path
) -> None:
    data = "".join(json.dumps(row) + "\n" for row in real_rows(6)).encode()
    after_two = sum(len(line) for line in data.splitlines(keepends=True)[:2])
    daemon, _ = start(tmp_path, without_judge(llm) + "server: {settle_s: 0.5}\n")
    inbox = tmp_path / "data" / "inbox"
    with daemon:
        with (inbox / "slow.jsonl").open("wb", buffering=0) as file:
            file.write(data[:after_two])
            daemon.wait_for("seeds_added", lambda line: line["new"] == 2)
            file.write(data[after_two : after_two + 50])
            daemon.wait_for("intake_waits", lambda line: "its end seems to be missing" in line["reason"])
            file.write(data[after_two + 50 :])
        daemon.wait_for("seeds_added", lambda line: line["new"] == 4)
        for seq in range(1, 7):  # each within the patience of a test, also on a busy machine
            daemon.wait_for("outcome_committed", partial(is_number, seq))
        assert daemon.end() == 0
    assert daemon.count("seeds_rejected") == 0
    assert [path.name for path in inbox.rglob("*.*")] == ["slow.jsonl"]
    assert (inbox / "done" / "slow.jsonl").read_bytes() == data
    assert {result.outcome.kind for result in results(tmp_path / "data")} <= {"kept", "base"}


def test_ctrl_c_ends_the_server_cleanly(llm: RealLlm) -> None:
    process = subprocess.Popen(
        [sys.executable, TOOL, "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors


LEAKS = {
    "tagged": r'"<think>\nhm 1\n</think>\n\n" [A-Za-z ,]{8,40} "."',
    "untagged": r'"hm 1\n</think>\n\n" [A-Za-z ,]{8,40} "."',
    "channels": (
        r'"<|channel|>analysis<|message|>hm 1<|end|><|start|>assistant<|channel|>final<|message|>" [A-Za-z ,]{8,40} "."'
    ),
    "endless": r'"<think>\n" [A-Za-z ,]+',
}
"""What a server leaks that does not know its model: here its grammar makes the model write so."""


@pytest.mark.parametrize("transport", ["auto", "litellm"])
def test_thoughts_that_a_real_server_leaks_are_in_no_answer(llm: RealLlm, tmp_path: Path, transport: str) -> None:
    settings = {"model": "hosted_vllm/smollm2", "api_base": llm.url, "transport": transport, "timeout_s": 600}
    settings |= {"max_tokens": 120, "input_cost_per_token": 0, "output_cost_per_token": 0}
    agents = {name: {**settings, "extra": {"grammar": f"root ::= {grammar}"}} for name, grammar in LEAKS.items()}
    pairs = [{"instruction": "keep", "response": name} for name in LEAKS]
    base = [{"instruction": "keep", "response": "seed"}]
    config = {"agents": agents, "pairs": pairs, "base_pairs": base, "selection": "random", "candidates": len(LEAKS)}
    (tmp_path / "agents.yaml").write_text(json.dumps(config))
    seeds = write_rows(tmp_path / "seeds.jsonl", real_rows(2))
    done = star_agents("run", "-c", tmp_path / "agents.yaml", "-s", seeds, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agent endless failed 2 of 2 calls" in done.stdout + done.stderr
    candidates = [one.candidate for result in results(tmp_path / "out") for one in stars(result.outcome).candidates]
    written = [one for one in candidates if not one.is_base and not one.failure]
    assert {one.pair.response for one in written} <= LEAKS.keys() - {"endless"}
    assert len(written) >= 2
    assert all(one.reasoning == "hm 1" for one in written)
    assert not any({"1", "<"} & set(one.sample.response or "") for one in written)

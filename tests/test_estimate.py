"""What a run will take, told from its first seeds, and the question before it costs more than expected."""

from __future__ import annotations

import io
import json
import os
import pty
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from daemons import provider
from lines import agents_yaml, config_for, results, seeds
from openai_server import Answer, OpenAIServer
from rich.console import Console

from star_agents.cli.main import main
from star_agents.config.models import Config
from star_agents.config.target import TargetConfig
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.engine.confirmation import REFUSED, Confirmation
from star_agents.engine.estimate import SAMPLE, carry_over, pick_sample

PRICE = ", input_cost_per_token: 0, output_cost_per_token: 0.001, max_tokens: 50"
ONE_CALL = "pairs: [{instruction: keep, response: b}]\nselection: random\ncandidates: 1\nconcurrency: 32"


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Every answer costs 10 tokens, which is a cent."""
    async with OpenAIServer(lambda body: Answer(text="An answer.", completion_tokens=10)) as server:
        yield server


class Person:
    """Answers every question the same way."""

    def __init__(self, says: bool, then: Callable[[], None] = lambda: None) -> None:
        self.asked: list[str] = []
        self.told: list[str] = []
        self._says = says
        self._then = then

    async def ask(self, question: str) -> bool:
        self.asked.append(question)
        self._then()
        return self._says

    def asked_above(self, above_usd: float) -> Confirmation:
        return Confirmation(above_usd=above_usd, ask=self.ask, say=self.told.append)


async def batch(config: Config, count: int, out: Path, confirmation: Confirmation, **options: Any) -> BatchResult:
    return await run_batch(
        config,
        seeds(count),
        "test",
        out,
        retry_dropped=False,
        console=Console(file=io.StringIO()),
        confirmation=confirmation,
        **options,
    )


# The question


async def test_a_batch_asks_once_after_its_first_seeds_and_takes_none_until_it_is_answered(
    tmp_path: Path, server: OpenAIServer
) -> None:
    sent: list[int] = []
    person = Person(True, lambda: sent.append(len(server.requests)))
    config = config_for(server.url, per_agent=PRICE, replaced=ONE_CALL)
    done = await batch(config, 60, tmp_path, person.asked_above(0.3))
    assert (done.stopped_by, done.summary["counts"]["done"]) == ("", 60)
    (question,) = person.asked
    assert sent == [SAMPLE]
    assert "$0.2000 so far; this run will cost about $0.6000, beyond --confirm-above 0.3. Go on?" in question


async def test_of_a_number_of_rows_it_asks_by_the_seeds_that_they_need(tmp_path: Path, server: OpenAIServer) -> None:
    wanted = {"target_rows": TargetConfig(rows=35)}
    config = config_for(server.url, per_agent=PRICE, replaced=ONE_CALL).model_copy(update=wanted)
    person = Person(True)
    done = await batch(config, 60, tmp_path, person.asked_above(0.3))
    assert (done.stopped_by, done.failed_because) == ("", "")
    assert ["this run will cost about $0.3500" in one for one in person.asked] == [True]
    other = Person(True)
    await batch(config, 60, tmp_path / "other", other.asked_above(0.4))
    assert other.asked == []


async def test_a_no_ends_it_whole_and_the_same_command_goes_on(tmp_path: Path, server: OpenAIServer) -> None:
    config = config_for(server.url, per_agent=PRICE, replaced=ONE_CALL)
    first = await batch(config, 60, tmp_path, Person(False).asked_above(0.3))
    assert first.stopped_by == REFUSED
    assert len(server.charged) == SAMPLE == first.summary["counts"]["done"]
    again = Person(False)
    refused = await batch(config, 60, tmp_path, again.asked_above(0.3))
    assert (refused.calls, len(server.charged)) == (0, SAMPLE), "what is known from before is enough to ask by"
    assert "this run will cost about $0.4000" in again.asked[0]
    cheap = Person(False)
    last = await batch(config, 60, tmp_path, cheap.asked_above(0.5))
    assert (last.stopped_by, cheap.asked) == ("", [])
    assert len(results(tmp_path)) == 60


async def test_below_the_sum_nobody_is_asked_and_free_agents_are_not_held(tmp_path: Path, server: OpenAIServer) -> None:
    person = Person(False)
    priced = config_for(server.url, per_agent=PRICE, replaced=ONE_CALL)
    assert (await batch(priced, 60, tmp_path / "priced", person.asked_above(0.61))).stopped_by == ""
    free = config_for(server.url, replaced=ONE_CALL)
    assert (await batch(free, 60, tmp_path / "free", person.asked_above(0))).stopped_by == ""
    assert person.asked == person.told == []


async def test_fewer_seeds_than_an_estimate_needs_end_by_themselves(tmp_path: Path, server: OpenAIServer) -> None:
    config = config_for(server.url, per_agent=PRICE, replaced=ONE_CALL)
    with anyio.fail_after(60):
        assert (await batch(config, 5, tmp_path, Person(False).asked_above(100))).stopped_by == ""


async def test_dear_seeds_are_asked_about_before_the_sample_is_whole(tmp_path: Path, server: OpenAIServer) -> None:
    config = config_for(
        server.url, per_agent=PRICE, replaced=f"{ONE_CALL}\nconcurrency: 2".replace("concurrency: 32\n", "")
    )
    person = Person(False)
    await batch(config, 60, tmp_path, person.asked_above(0.05))
    assert len(person.asked) == 1
    assert 5 <= len(server.charged) <= 7


async def test_where_nobody_is_there_it_is_said_and_goes_on(tmp_path: Path, server: OpenAIServer) -> None:
    config = config_for(server.url, per_agent=PRICE, replaced=ONE_CALL)
    told: list[str] = []
    done = await batch(config, 60, tmp_path, Confirmation(above_usd=0.3, ask=None, say=told.append))
    assert (done.stopped_by, done.summary["counts"]["done"], len(told)) == ("", 60, 1)
    assert "beyond --confirm-above 0.3" in told[0]


async def test_unknown_prices_are_asked_about_by_calls_and_tokens(
    tmp_path: Path, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.root)
    person = Person(False)
    done = await batch(config_for("http://models.example/v1", replaced=ONE_CALL), 60, tmp_path, person.asked_above(5))
    assert done.stopped_by == REFUSED
    assert "40 seeds are to come, with about 40 calls and " in person.asked[0]
    assert "the price of some is unknown" in person.asked[0]


async def test_seeds_that_come_back_do_not_use_up_what_may_be_taken(tmp_path: Path, server: OpenAIServer) -> None:
    config = config_for(server.url, per_agent=f"{PRICE}, budget_usd_per_day: 0.05", replaced=ONE_CALL)
    clock = [1_782_907_200.0]

    def hear(event: Any) -> None:
        if type(event).__name__ == "BudgetReached":
            clock[0] += 86_400

    person = Person(True)
    with anyio.fail_after(60):
        done = await batch(config, 30, tmp_path, person.asked_above(0.25), hear=hear, now=lambda: clock[0])
    assert (done.stopped_by, done.summary["counts"]["done"], len(person.asked)) == ("", 30, 1)


# The estimate


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    chance, held = random.Random(7), 0
    for _ in range(100):
        costs = [chance.lognormvariate(0, 0.5) for _ in range(320)]
        found = carry_over(costs[:SAMPLE], 300, sum(costs[:SAMPLE]))
        held += found.low <= sum(costs) <= found.high
    assert 88 <= held <= 99, "nominally 95 of 100"


def test_nothing_to_come_is_known_exactly_and_one_seed_gives_no_interval() -> None:
    assert carry_over([1.0, 3.0], 0, 4.0).high == 4.0
    assert carry_over([2.0], 10, 2.0).low == 22.0


def test_a_sample_is_random_and_stays_the_same() -> None:
    everything = seeds(200)
    sample = pick_sample(everything, 0)
    assert sample == pick_sample(list(reversed(everything)), 0)[::-1]
    assert len(sample) == SAMPLE
    assert sample != everything[:SAMPLE]
    assert sample != pick_sample(everything, 1)
    assert pick_sample(everything[:3], 0) == everything[:3]


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    """`run` over fifty seeds; agents.yaml is written once the server's address is known."""
    rows = [{"instruction": f"Question {number}?", "response": "Yes."} for number in range(50)]
    (tmp_path / "seeds.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    names = {"-c": "agents.yaml", "-s": "seeds.jsonl", "-o": "out"}
    return ["run", *(part for option, name in names.items() for part in (option, str(tmp_path / name)))]


def test_an_estimate_works_twenty_seeds_tells_all_and_wastes_nothing(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with provider(tmp_path / "book") as url:
        (tmp_path / "agents.yaml").write_text(agents_yaml(url, per_agent=PRICE, replaced=ONE_CALL), encoding="utf-8")
        main([*job, "--estimate", "--json"])
        told = json.loads(capsys.readouterr().out)
        estimate = told["estimate"]
        main([*job, "--estimate"])
        shown = capsys.readouterr().out
        main([*job, "--json"])
        whole = json.loads(capsys.readouterr().out)
    assert (estimate["seeds"], estimate["done"], estimate["sample"], told["stopped_by"]) == (50, 20, 20, "")
    assert estimate["calls"] == {"so_far": 20, "expected": 50, "low": 50, "high": 50}
    assert estimate["usd"]["low"] <= estimate["usd"]["expected"] <= estimate["usd"]["high"]
    assert estimate["usd"]["so_far"] > 0
    assert estimate["seconds"]["expected"] > 0
    assert "bootstrap" in estimate["method"]
    for text in ("50 seeds, estimated from 20", "tokens written", "95 % interval", "20 of 50 seeds are done"):
        assert text in shown
    assert (whole["calls_sent"], whole["counts"]["done"]) == (30, 50), "the sample is not paid for again"
    assert whole["cost"]["known_usd"] == pytest.approx(estimate["usd"]["expected"]), "every seed costs the same here"


def test_on_a_terminal_a_person_answers(tmp_path: Path, job: list[str]) -> None:
    with provider(tmp_path / "book") as url:
        (tmp_path / "agents.yaml").write_text(agents_yaml(url, per_agent=PRICE, replaced=ONE_CALL), encoding="utf-8")
        here, there = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "star_agents", *job, "--confirm-above", "0.1"],
            stdin=there,
            stderr=there,
            stdout=subprocess.PIPE,
            env={**os.environ, "LINE_TEST_KEY": "sk-line-test", "TERM": "dumb"},
        )
        os.close(there)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(here, 4096)
        os.write(here, b"n\n")
        out, _ = process.communicate(timeout=60)
        os.close(here)
    assert process.returncode == 4
    assert b"beyond --confirm-above 0.1" in shown
    assert b"20 kept as their base" in out or b"seeds improved" in out


DOUBLED = """
from star_agents.records import Sample
from star_agents.recipes.protocol import done, recipe

@recipe(takes="sample", gives="instruction")
async def doubled(seed, bench, settings):
    asked = await bench.ask("b", seed.sample.question, step="ask")
    samples = [Sample(instruction=f"{seed.sample.question} {number}") for number in range(2)]
    return done(seed, children=[bench.child(one) for one in samples])
"""
LAST = """
from dataclasses import replace
from star_agents.recipes.protocol import done, recipe, sft

@recipe(takes="instruction")
async def last(seed, bench, settings):
    answer = await bench.ask("b", seed.sample.question, step="answer")
    return done(seed, rows=[sft(replace(seed.sample, response=answer.text))])
"""


def test_an_estimate_knows_what_children_take(
    tmp_path: Path, job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "doubled.py").write_text(DOUBLED)
    (tmp_path / "last.py").write_text(LAST)
    with provider(tmp_path / "book") as url:
        agent = f"{{model: openai/b, api_base: '{url}', api_key: os.environ/LINE_TEST_KEY{PRICE}}}"
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{b: {agent}}}\nrecipe: [./doubled.py:doubled, ./last.py:last]\n"
        )
        main([*job, "--estimate", "--json"])
        estimate = json.loads(capsys.readouterr().out)["estimate"]
        main([*job, "--json"])
        whole = json.loads(capsys.readouterr().out)
    assert estimate["calls"] == {"so_far": 60, "expected": 150, "low": 150, "high": 150}
    assert (estimate["done"], whole["calls_sent"]) == (20, 90)

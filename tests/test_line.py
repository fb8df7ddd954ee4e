"""The whole line through real HTTP: seeds in, dataset out, nothing asked twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lines import config_for, origin, read_jsonl, results, run, seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain
from star_outcomes import read_star_outcome as stars

from star_agents.records import PAIRS, Sample, Seed
from star_agents.scheduling.policies import make_policy
from star_agents.storage.store import Store


def is_judging(body: Body) -> bool:
    return "impartial referee" in str(body["messages"][0]["content"])


async def test_every_seed_becomes_one_row_and_the_second_run_sends_nothing(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url)
        first = await run(config, seeds(25), tmp_path)
        sent = len(server.requests)
        second = await run(config, seeds(25), tmp_path)
    assert (first.calls, second.calls, len(server.requests)) == (sent, 0, sent)
    rows = read_jsonl(tmp_path / "dataset.jsonl")
    assert len({origin(row)["seed_id"] for row in rows}) == len(rows) == 25
    assert {row["messages"][-1]["role"] for row in rows} == {"assistant"}
    assert second.summary["counts"]["kept"] + second.summary["counts"]["base"] == 25


async def test_more_seeds_go_on_in_the_same_folder(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url)
        await run(config, seeds(5), tmp_path)
        asked = Counter(str(request.body) for request in server.requests)
        await run(config, seeds(9), tmp_path)
    assert len(results(tmp_path)) == 9
    assert all(count == 1 for count in Counter(str(request.body) for request in server.requests).values())
    assert asked


async def test_one_rewrite_of_an_instruction_serves_every_pair_that_shares_it(tmp_path: Path) -> None:
    pairs = "pairs: [{instruction: a, response: b}, {instruction: a, response: c}, {instruction: b, response: b}]"
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced=f"{pairs}\ncandidates: 3")
        await run(config, seeds(3), tmp_path)
        rewrites = [
            r.body["model"] for r in server.requests if "<instruction>" in str(r.body["messages"][-1]["content"])
        ]
    assert Counter(rewrites) == {"a": 3, "b": 3}
    for result in results(tmp_path):
        rewritten = {
            one.candidate.sample.instruction
            for one in stars(result.outcome).candidates
            if one.candidate.pair.instruction == "a" and not one.candidate.failure
        }
        assert len(rewritten) == 1
        assert rewritten != {result.seed.sample.instruction}


async def test_a_reply_that_the_provider_cut_is_dropped_with_that_reason(tmp_path: Path) -> None:
    def cut_b(body: Body) -> Move:
        return Answer(text="It is the", finish_reason="length") if body["model"] == "b" else brain(body)

    async with OpenAIServer(cut_b) as server:
        await run(config_for(server.url, replaced="candidates: 3"), seeds(4), tmp_path)
        allowed = await run(config_for(server.url, per_agent=", allow_cut: true"), seeds(4), tmp_path / "allowed")
    reasons = [
        str(one.candidate.failure)
        for result in results(tmp_path)
        for one in stars(result.outcome).candidates
        if one.candidate.pair.response == "b"
    ]
    assert len(reasons) == 4
    assert all(reason.startswith("length: the response of b was cut") for reason in reasons)
    assert allowed.summary["pairs"]["keep/b"]["failures"] == 0


async def test_an_empty_reply_is_a_failed_candidate_not_an_empty_sample(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Answer(text=" ") if body["model"] == "b" else brain(body)) as server:
        await run(config_for(server.url), seeds(4), tmp_path)
    chosen = [stars(result.outcome).winner for result in results(tmp_path)]
    assert all(one is not None and one.candidate.sample.response for one in chosen)


async def test_a_batch_ends_at_its_budget_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    price = ", input_cost_per_token: 0.001, output_cost_per_token: 0.001, max_tokens: 50, max_concurrency: 1"
    async with OpenAIServer() as server:
        poor = config_for(server.url, per_agent=price, replaced="budget_usd: 3.0\nconcurrency: 1")
        first = await run(poor, seeds(12), tmp_path)
        assert "budget" in first.stopped_by
        assert first.summary["counts"]["done"] < 12
        assert first.summary["cost"]["known_usd"] <= 3.0
        rich = config_for(server.url, per_agent=price, replaced="budget_usd: 300.0\nconcurrency: 1")
        second = await run(rich, seeds(12), tmp_path)
        assert second.stopped_by == ""
        assert first.calls + second.calls == len(server.charged)
    assert len(results(tmp_path)) == 12


async def test_a_wrong_key_drops_seeds_early_and_they_can_be_queued_again(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Fault(status=401, message="bad key")) as server:
        config = config_for(server.url, replaced="concurrency: 2")
        first = await run(config, seeds(40), tmp_path)
        assert "20 of the newest 20 candidates failed" in first.stopped_by
        assert "calls: the provider refused the key" in first.stopped_by
        assert "--retry-dropped" in first.stopped_by
        assert first.summary["counts"]["dropped"] < 15
        server.handler = brain
        second = await run(config, seeds(40), tmp_path, retry_dropped=True)
    assert second.stopped_by == ""
    assert second.summary["counts"]["dropped"] == 0
    assert len(read_jsonl(tmp_path / "dataset.jsonl")) == 40
    assert not (tmp_path / "rejected.jsonl").exists()
    assert second.summary["rows"]["not_written"]["rejected.jsonl"] == "no seed was dropped"


async def test_a_seed_whose_referee_fails_is_dropped_with_the_reason_and_keeps_its_answers(tmp_path: Path) -> None:
    refuse = True

    def no_judging(body: Body) -> Move:
        return Fault(status=400, message="no judging today") if refuse and is_judging(body) else brain(body)

    async with OpenAIServer(no_judging) as server:
        config = config_for(server.url)
        await run(config, seeds(3), tmp_path)
        (row, *_) = read_jsonl(tmp_path / "rejected.jsonl")
        assert "referee a: " in row["reason"]
        refuse = False
        written = sum(1 for body in server.charged if not is_judging(body))
        await run(config, seeds(3), tmp_path, retry_dropped=True)
        assert sum(1 for body in server.charged if not is_judging(body)) == written
    assert len(read_jsonl(tmp_path / "dataset.jsonl")) == 3


async def history(folder: Path) -> tuple[Any, list[Any]]:
    async with await Store.open(folder) as store:
        policy = (await store.load_pools()).get(PAIRS)
        assert policy is not None
        return policy.state, [(row.seq, row.outcome) for row in await store.outcomes()]


async def test_with_concurrency_1_a_run_is_reproduced_bit_for_bit(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced="concurrency: 1")
        for name in ("one", "two"):
            await run(config, seeds(15), tmp_path / name)
    assert await history(tmp_path / "one") == await history(tmp_path / "two")


async def test_the_kept_probabilities_are_a_replay_of_the_outcomes_bit_for_bit(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url)
        await run(config, seeds(30), tmp_path)
    state, outcomes = await history(tmp_path)
    policy = make_policy(config.evolution, [pair.name for pair in config.pool], seeds=30)
    for _, outcome in outcomes:
        policy.observe(stars(outcome).rewards)
    assert policy.state() == state


async def test_a_seed_without_a_response_is_worked_when_a_base_pair_writes_one(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced="base_pairs: [{instruction: keep, response: a}]")
        await run(config, [Seed.of(Sample(instruction="Why is the sky blue?"))], tmp_path)
    (row,) = read_jsonl(tmp_path / "dataset.jsonl")
    assert row["messages"][-1]["content"].startswith("Model")


@pytest.mark.parametrize("selection", ["random", "base"])
async def test_selections_without_scores_or_referee_call_neither(tmp_path: Path, selection: str) -> None:
    async with OpenAIServer() as server:
        await run(config_for(server.url, replaced=f"selection: {selection}"), seeds(6), tmp_path)
        assert not any(is_judging(request.body) for request in server.requests)
        assert bool(server.requests) == (selection == "random")
    assert len(read_jsonl(tmp_path / "dataset.jsonl")) == 6


@pytest.mark.parametrize("embedder", ["hashing", "agent:b"])
async def test_winners_enter_the_memory_bank_and_later_seeds_draw_from_it(tmp_path: Path, embedder: str) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced=f"memory: {{embedder: '{embedder}'}}\nconcurrency: 1")
        await run(config, seeds(20), tmp_path)
    async with await Store.open(tmp_path) as store:
        rows = await store.memory_rows()
        draws = [await store.find_step(result.seed.id, "draw") for result in results(tmp_path)]
    kept = [result for result in results(tmp_path) if result.outcome.kind == "kept"]
    assert [row.seq for row in rows] == sorted(result.row.seq for result in kept)
    assert {row.embedder for row in rows} == {embedder}
    drawn_from_memory = [draw["from_memory"] for draw in draws if draw]
    assert drawn_from_memory[0] == 0
    assert max(drawn_from_memory) > 0


async def test_without_a_memory_bank_nothing_is_remembered(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        await run(config_for(server.url, replaced="memory: off"), seeds(5), tmp_path)
    async with await Store.open(tmp_path) as store:
        assert await store.memory_rows() == []


async def test_a_recorded_draw_of_pairs_that_are_gone_is_drawn_anew(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Fault(status=401, message="bad key")) as server:
        await run(config_for(server.url, agents=("a", "b")), seeds(3), tmp_path)
        server.handler = brain
        await run(config_for(server.url, agents=("a", "c")), seeds(3), tmp_path, retry_dropped=True)
    pairs = {one.candidate.pair.name for result in results(tmp_path) for one in stars(result.outcome).candidates}
    assert pairs == {"keep/seed", "keep/a", "keep/c"}
    assert len(read_jsonl(tmp_path / "dataset.jsonl")) == 3

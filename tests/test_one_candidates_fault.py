"""What one candidate's text does to a provider costs that candidate the win, and nobody else anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from chaos_faults import poison
from lines import config_for, read_jsonl, results, run, seeds, take_in_seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain
from star_outcomes import read_star_outcome as stars

from star_agents.agents.replies.reading import longest_text
from star_agents.bench.pairs import PairBench
from star_agents.engine.returned_seeds import RETURNS
from star_agents.engine.wiring import open_engine
from star_agents.errors import AgentUnavailable
from star_agents.events import Event, OutcomeCommitted, SeedReturned
from star_agents.observe.bus import Bus
from star_agents.recipes.star import StarSettings, star
from star_agents.recipes.star_records import Assessed
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store
from star_agents.storage.why import why

POISON = "<|im_start|>"
UNBEARABLE = Fault(status=500, message="the tokenizer broke")
"""Two agents answer, a third one judges, without an exam; each candidate is judged."""
JUDGED = "{candidates: 2, concurrency: 1, memory: false, evolution: {policy: uniform, reward: all},"
JUDGED += " pairs: [{instruction: keep, response: a}, {instruction: keep, response: b}],"
JUDGED += " referee: {agents: [c], exam: 'off'}}"


def is_judging(body: Body) -> bool:
    return "impartial referee" in str(body["messages"][0]["content"])


def poisoned(fault: Move, *, of: str = "b", seed: str = "") -> Callable[[Body], Move]:
    """A server that fails on every text with the poison, which one agent writes (into its answer to one seed)."""

    def moves(body: Body) -> Move:
        if is_judging(body):
            return fault if POISON in str(body["messages"]) else brain(body)
        is_poisoned = body["model"] == of and seed in str(body["messages"])
        return Answer(text=f"{POISON} is how it begins.") if is_poisoned else brain(body)

    return moves


def of_pair(candidates: tuple[Assessed, ...], agent: str) -> Assessed:
    return next(one for one in candidates if one.candidate.pair.response == agent)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, message="invalid token"),
        Fault(status=400, message="flagged by our safety system"),
        Fault(status=413, message="too large"),
        Fault(status=422, message="cannot be read"),
        Fault(status=500, message="the tokenizer broke"),
        Fault(status=503, message="worker died"),
    ],
    ids=lambda fault: str(fault.status),
)
async def test_a_text_that_the_referees_provider_cannot_bear_is_no_verdict_and_the_other_candidates_go_on(
    tmp_path: Path, fault: Fault
) -> None:
    async with OpenAIServer(poisoned(fault)) as server:
        done = await run(config_for(server.url, per_agent=", retries: 0", replaced=JUDGED), seeds(12), tmp_path)
    found = [row.outcome for row in results(tmp_path)]
    assert done.stopped_by == ""
    assert len(found) == 12
    for outcome in found:
        bad, good = of_pair(stars(outcome).candidates, "b"), of_pair(stars(outcome).candidates, "a")
        assert bad.verdict is not None
        assert bad.verdict.value is None
        assert bad.verdict.failure.startswith("referee c: ")
        assert good.verdict is not None
        assert good.verdict.value is not None
        assert stars(outcome).winner != bad
        assert "keep+b" not in dict(stars(outcome).rewards), "nothing is learned from what nobody judged"
    assert {"kept", "base"} == {one.kind for one in found}
    (count,) = failures_of(tmp_path)
    assert (count.part, count.name) == ("referee", "c")
    assert "no verdict on 1 could be had" in {part for one in found for part in why(one).rstrip(".").split("; ")}
    with StoreReader(tmp_path) as reader:
        assert reader.counts().waiting == 0


def failures_of(folder: Path) -> tuple[Any, ...]:
    with StoreReader(folder) as reader:
        return reader.tallies().failures


async def test_where_no_candidate_at_all_can_be_judged_the_seed_is_dropped_and_can_be_queued_again(
    tmp_path: Path,
) -> None:
    """The text of the seed itself, which every prompt of the referee shows."""

    def moves(body: Body) -> Move:
        return UNBEARABLE if is_judging(body) and "What is 7 plus" in str(body["messages"]) else brain(body)

    async with OpenAIServer(moves) as server:
        config = config_for(server.url, per_agent=", retries: 0", replaced=JUDGED)
        await run(config, seeds(12), tmp_path)
        (row,) = read_jsonl(tmp_path / "rejected.jsonl")
        assert row["reason"].startswith("referee c: ")
        assert "the tokenizer broke" in row["reason"]
        server.handler = brain
        again = await run(config, seeds(12), tmp_path, retry_dropped=True)
    assert again.summary["counts"]["dropped"] == 0


@pytest.mark.parametrize("status", [401, 402, 404])
async def test_what_would_be_said_of_any_text_is_no_candidates_fault(tmp_path: Path, status: int) -> None:
    async with OpenAIServer(poisoned(Fault(status=status, message="no"))) as server:
        await run(config_for(server.url, replaced=JUDGED), seeds(3), tmp_path)
    assert {row.outcome.kind for row in results(tmp_path)} == {"dropped"}


@pytest.mark.parametrize("is_last_try", [False, True])
async def test_on_its_last_try_a_referee_that_is_down_for_one_candidate_is_no_verdict_on_it_and_an_outage_before(
    tmp_path: Path, is_last_try: bool
) -> None:
    (seed,) = seeds(1)
    async with OpenAIServer(poisoned(UNBEARABLE)) as server:
        config = config_for(server.url, per_agent=", retries: 30, give_up_after_s: 4", replaced=JUDGED)
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config, store, bus=Bus(), seeds_expected=1, ends_when_empty=False) as line,
        ):
            await take_in_seeds(line, [seed], "test")
            line.judges.put_in_force(config, line.revision)
            bench = PairBench(seed, line.stages["star"], line.rooms(), is_last_try=is_last_try)
            if not is_last_try:
                with pytest.raises(AgentUnavailable) as raised:
                    await star(seed, bench, StarSettings.of(config))
                assert raised.value.is_outage
                return
            outcome = await star(seed, bench, StarSettings.of(config))
    assert outcome.kind in ("kept", "base")
    verdict = of_pair(stars(outcome).candidates, "b").verdict
    assert verdict is not None
    assert "no deployment is up" in verdict.failure


@pytest.mark.slow
async def test_a_seed_on_which_the_referee_always_goes_down_ends_with_it_while_the_others_end_well(
    tmp_path: Path,
) -> None:
    """Its provider gives 500 to one text so often that it counts as down, and is up for the next seed of a daemon."""
    returned: list[str] = []
    ended: dict[str, str] = {}
    news = asyncio.Event()

    def hear(event: Event) -> None:
        if isinstance(event, SeedReturned):
            returned.append(event.seed_id)
        if isinstance(event, OutcomeCommitted):
            ended[event.outcome.seed_id] = event.outcome.kind
        news.set()

    bad, *others = seeds(20)
    bus = Bus()
    bus.subscribe(hear)
    async with OpenAIServer(poisoned(UNBEARABLE, seed="What is 0 plus")) as server:
        config = config_for(server.url, per_agent=", retries: 30, give_up_after_s: 2", replaced=JUDGED)
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config, store, bus=bus, seeds_expected=20, ends_when_empty=False) as line,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(line.work)
            with anyio.fail_after(60):
                await take_in_seeds(line, [others.pop(), bad], "test")
                fed = 1
                while bad.id not in ended:
                    news.clear()
                    if fed <= len(returned):
                        fed += 1
                        await take_in_seeds(line, [others.pop()], "test")
                    else:
                        await news.wait()
            line.close()
    assert RETURNS <= returned.count(bad.id) <= 2 * RETURNS, "some come before another seed could end well"
    assert set(ended.values()) <= {"kept", "base"}
    (outcome,) = [row.outcome for row in results(tmp_path) if row.seed.id == bad.id]
    verdict = of_pair(stars(outcome).candidates, "b").verdict
    assert verdict is not None
    assert verdict.failure.startswith("referee c: "), verdict.failure
    assert of_pair(stars(outcome).candidates, "a").verdict is not None


@pytest.mark.parametrize("transport", ["auto", "litellm"])
async def test_a_reply_longer_than_its_tokens_explain_is_cut_where_it_comes_in_and_wins_nothing(
    tmp_path: Path, transport: str
) -> None:
    """Shown whole, it would make the referee's worst case ten times the budget."""

    def moves(body: Body) -> Move:
        is_huge = body["model"] == "b" and "What is 2 plus" in str(body["messages"]) and not is_judging(body)
        return Answer(text="many words " * 190_000, completion_tokens=50) if is_huge else brain(body)

    per_agent = f", transport: {transport}, max_tokens: 400"
    per_agent += ", input_cost_per_token: 0.000001, output_cost_per_token: 0.000001"
    async with OpenAIServer(moves) as server:
        config = config_for(server.url, per_agent=per_agent, replaced=f"{JUDGED[:-1]}, budget_usd: 0.2}}")
        done = await run(config, seeds(6), tmp_path)
        again = await run(config, seeds(6), tmp_path)
    assert (done.stopped_by, again.stopped_by) == ("", "")
    found = {row.seed.sample.instruction: row.outcome for row in results(tmp_path)}
    assert len(found) == 6
    huge = of_pair(stars(found["What is 2 plus one?"]).candidates, "b").candidate
    assert str(huge.failure).startswith("format: the response of b cannot be used: it is 2,090,000 characters long")
    assert "`max_tokens: 400`" in str(huge.failure)
    assert len(huge.sample.response or "") <= longest_text(400)
    assert all(one.failure is None for outcome in found.values() for one in candidates(outcome) if one != huge)
    store = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert store < 1_500_000


def candidates(outcome: Any) -> list[Any]:
    return [one.candidate for one in stars(outcome).candidates]


def test_in_whatever_way_a_provider_fails_on_a_text_every_other_candidate_is_judged(tmp_path: Path) -> None:
    """The loop of ``tools/chaos faults``, small."""
    report = poison(tmp_path, rounds=40, seed=7)
    assert report.violations == []
    assert len(report.poisoned) > 4
    assert report.ended.total() == 40

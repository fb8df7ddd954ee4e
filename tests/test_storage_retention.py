"""Retention clears the texts behind old samples; the books, the samples and whatever may be asked again stay."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from star_outcomes import read_star_outcome as stars
from storage_samples import (
    altered,
    answer_to,
    commit,
    intent,
    make_dropped,
    make_memory,
    make_outcome,
    make_reply,
    make_seed,
)

from star_agents.errors import AgentRefused, StoreError
from star_agents.storage.outgoing.export import dataset_rows
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE, Store

DAY = 86_400.0
THOUGHT = "of a model that thought aloud"
SECRET = "a text that nobody should read next year \ud800"


class Clock:
    """Seconds since 1970, turned by hand."""

    at = 1000 * DAY

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path, now=clock) as store:
        yield store


async def finish(store: Store, number: int, *, kind: str = "kept") -> None:
    """One seed with one call and its outcome."""
    seed = make_seed(number)
    await store.add_seeds([seed])
    assert await store.lease(1) == [seed]
    await store.intend([intent(f"call {number}", seed_id=seed.id)])
    await store.record_answers([(f"call {number}", make_reply(SECRET))])
    await commit(store, make_outcome(seed) if kind == "kept" else make_dropped(seed), make_memory(1.0))


async def test_thoughts_go_with_the_texts_they_led_to(store: Store, clock: Clock, tmp_path: Path) -> None:
    seed = make_seed(1)
    await store.add_seeds([seed])
    await store.lease(1)
    await store.intend([intent("call", seed_id=seed.id)])
    await store.record_answers([("call", replace(make_reply("4"), reasoning=f"reply {THOUGHT}"))])
    outcome = make_outcome(seed)
    thinking = tuple(
        replace(one, candidate=replace(one.candidate, reasoning=f"{name} {THOUGHT}"))
        for name, one in zip(("base", "won", "lost"), stars(outcome).candidates, strict=True)
    )
    await commit(store, altered(outcome, *thinking), make_memory(1.0))
    assert await clear(store, clock.at + DAY) == 1
    (row,) = await store.outcomes()
    assert [one.candidate.reasoning for one in stars(row.outcome).candidates] == ["", f"won {THOUGHT}", ""]
    with StoreReader(tmp_path) as reader:
        assert [found["reasoning"] for found in dataset_rows(reader, "messages", reasoning=True)] == [f"won {THOUGHT}"]
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as connection:
        assert connection.execute("SELECT json_extract(reply, '$.reasoning') FROM calls").fetchall() == [("",)]


async def clear(store: Store, before: float) -> int:
    total = 0
    while cleared := await store.clear_texts(before, 2):
        total += cleared
    return total


async def test_old_texts_go_and_the_books_stay(store: Store, clock: Clock, tmp_path: Path) -> None:
    for number in range(5):
        await finish(store, number)
    clock.at += 30 * DAY
    await finish(store, 9)
    counts, usage, pairs = await store.counts(), await store.agent_usage(), await store.pair_costs()
    assert await clear(store, clock.at - 10 * DAY) == 5
    assert await clear(store, clock.at - 10 * DAY) == 0
    assert (await store.counts(), await store.agent_usage(), await store.pair_costs()) == (counts, usage, pairs)
    assert await answer_to(store, "call 9") == make_reply(SECRET)
    rows = await store.outcomes()
    assert [stars(row.outcome).rewards for row in rows] == [stars(make_outcome(make_seed(0))).rewards] * 6
    for row in rows[:5]:
        base, won, lost = stars(row.outcome).candidates
        assert won.candidate.sample.response == "A good answer."
        assert won.candidate.sample.response == "A good answer."
        assert (base.candidate.sample.instruction, lost.candidate.sample.response) == ("", None)
        assert (lost.pi, lost.score, lost.verdict) == tuple(
            getattr(stars(make_outcome(make_seed(0))).candidates[2], name) for name in ("pi", "score", "verdict")
        )
    with StoreReader(tmp_path) as reader:
        assert sum(1 for _ in dataset_rows(reader, "messages")) == 6
        skipped: Counter[str] = Counter()
        assert len(list(dataset_rows(reader, "dpo", skipped=skipped))) == 2
        assert skipped == {"text cleared": 10}


async def test_a_cleared_answer_is_refused_and_never_paid_for_again(store: Store, clock: Clock) -> None:
    await finish(store, 1)
    clock.at += DAY
    assert await clear(store, clock.at) == 1
    for ask in (answer_to(store, "call 1"), store.find_answers(["call 1", "call 9"])):
        with pytest.raises(AgentRefused, match=r"call call 1 of agent a was answered and paid for.*not paid for again"):
            await ask
    with pytest.raises(StoreError, match="answered already"):
        await store.intend([intent("call 1")])


async def test_what_may_be_asked_again_keeps_its_texts(store: Store, clock: Clock) -> None:
    await finish(store, 1, kind="dropped")
    await store.add_seeds([make_seed(2)])
    await store.lease(1)
    await store.intend([intent("call 2", seed_id=make_seed(2).id)])
    await store.record_answers([("call 2", make_reply(SECRET))])
    clock.at += 1000 * DAY
    assert await clear(store, clock.at) == 0
    assert await store.requeue_dropped() == 1
    assert await store.find_answers(["call 1", "call 2"]) == {
        "call 1": make_reply(SECRET),
        "call 2": make_reply(SECRET),
    }


async def test_a_seed_that_was_dropped_first_loses_the_texts_of_both_outcomes(store: Store, clock: Clock) -> None:
    await finish(store, 1, kind="dropped")
    await store.requeue_dropped()
    await store.lease(1)
    await commit(store, make_outcome(make_seed(1)))
    clock.at += DAY
    assert await clear(store, clock.at) == 1
    samples = [one.candidate.sample for row in await store.outcomes() for one in stars(row.outcome).candidates]
    assert [sample.instruction for sample in samples] == ["", "", "Question 1?", ""]


async def test_a_cleared_text_is_nowhere_in_the_file(store: Store, clock: Clock, tmp_path: Path) -> None:
    for number in range(200):
        await finish(store, number)
    clock.at += DAY
    await clear(store, clock.at)
    await store.aclose()
    data = (tmp_path / STORE_FILE).read_bytes()
    assert data.count(b"A good answer.") >= 200
    assert data.count(b"nobody should read") == data.count(b"A bad answer.") == 0


async def test_intake_is_known_by_its_key_for_a_week(store: Store, clock: Clock) -> None:
    assert await store.recall_request("key") is None
    assert await store.add_seeds([make_seed(1), make_seed(1)], request=("key", "digest")) == (1, 1)
    assert await store.recall_request("key") == ("digest", '{"new":1,"duplicates":1}')
    with pytest.raises(StoreError, match="UNIQUE"):
        await store.add_seeds([make_seed(2)], request=("key", "other"))
    assert (await store.counts()).seeds == 1, "all or none"
    clock.at += 8 * DAY
    assert await store.recall_request("key") is None
    assert await store.add_seeds([make_seed(2)], request=("key", "other")) == (1, 0)

"""What a store tells those who look: pages of outcomes, the story of a seed, why one was chosen; many at once."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from star_outcomes import read_star_outcome as stars
from storage_samples import altered, commit, intent, make_assessed, make_dropped, make_outcome, make_reply, make_seed

from star_agents.errors import StoreError
from star_agents.observe.status import plain
from star_agents.recipes.star_records import Assessed, star_outcome
from star_agents.records import Failure, Outcome, OutcomeKind, Sample, Score, Seed, Verdict, Vote
from star_agents.storage.pages import KINDS
from star_agents.storage.reader import PAGE, StoreReader
from star_agents.storage.readers import DOWNLOADS, QUESTIONS, Readers
from star_agents.storage.sql import queries
from star_agents.storage.store import STORE_FILE, Store
from star_agents.storage.why import why


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    clock = itertools.count(1000)
    async with await Store.open(tmp_path, now=lambda: float(next(clock))) as store:
        yield store


async def finish(store: Store, seeds: list[Seed], outcomes: list[Outcome]) -> None:
    await store.add_seeds(seeds)
    await store.lease(len(seeds))
    for outcome in outcomes:
        await commit(store, outcome)


def won_by(seed: Seed, pair: str) -> Outcome:
    """An outcome that this pair won; base pairs answer with the seed's own words."""
    is_base = pair.endswith("/seed")
    candidates = (
        make_assessed("keep/seed", seed.sample, is_base=True, pi_llm=0.5),
        make_assessed("keep/a" if is_base else pair, seed.sample, pi_llm=1.0),
    )
    return make_outcome(seed, kind="base" if is_base else "kept", candidates=candidates, chosen=0 if is_base else 1)


# Pages

WINNERS = ["keep/a", "b/a", None, "keep/seed", "b/c", "keep/a", "keep/seed", None, "keep/c", "b/a", "keep/a"]


async def page_through(store: Store, folder: Path) -> list[tuple[int, str, str | None]]:
    """Fill a store; returns what became of each seed: sequence number, kind, winner."""
    seeds = [make_seed(number) for number in range(len(WINNERS))]
    ended = [won_by(seed, pair) if pair else make_dropped(seed) for seed, pair in zip(seeds, WINNERS, strict=True)]
    await finish(store, seeds, ended)
    return [(seq, one.kind, pair) for seq, (one, pair) in enumerate(zip(ended, WINNERS, strict=True), start=1)]


async def test_every_filter_and_both_directions_page_through_what_they_should(store: Store, tmp_path: Path) -> None:
    rows = await page_through(store, tmp_path)
    choices = itertools.product([None, *KINDS], [None, "keep/a", "nobody/x"], [None, "a", "b", "keep"], [1, 3, 50])
    with StoreReader(tmp_path) as reader:
        for kind, pair, agent, limit in choices:
            expected = [
                seq
                for seq, of, who in rows
                if kind in (None, of) and pair in (None, who) and (agent is None or agent in named(who))
            ]
            filters: dict[str, Any] = {"kind": kind, "pair": pair, "agent": agent, "limit": limit}
            newest = list(paged(reader, "before", filters))
            oldest = list(paged(reader, "after", filters))
            assert (newest, oldest) == (expected[::-1], expected), filters


def named(pair: str | None) -> set[str]:
    """The agents in a pair's name."""
    return set((pair or "").split("/")) - {"keep", "seed", ""}


def paged(reader: StoreReader, way: str, filters: dict[str, Any]) -> list[int]:
    """All pages, each going on where the one before ended."""
    found: list[int] = []
    cursor = 2**63 - 1 if way == "before" else 0
    while page := [one.seq for one in reader.outcome_page(**{way: cursor, **filters})]:
        assert len(page) <= filters["limit"]
        found += page
        cursor = page[-1]
    return found


async def test_outcomes_between_two_others(store: Store, tmp_path: Path) -> None:
    await page_through(store, tmp_path)
    with StoreReader(tmp_path) as reader:
        assert [one.seq for one in reader.outcome_page(after=3, before=6)] == [4, 5]
        assert reader.outcome_page(after=2**63 - 1) == reader.outcome_page(before=0) == []
        assert reader.latest_seq() == len(WINNERS)


async def test_a_summary_has_the_numbers_of_the_chosen_one_and_the_seed_s_beginning(
    store: Store, tmp_path: Path
) -> None:
    long = make_seed(1, instruction="Why? " * 30, input="Because " * 30)
    odd = make_seed(2, instruction="lone \ud800 and \U0001f600")
    outcome = make_outcome(long)
    base, won, lost = stars(outcome).candidates
    failed = replace(lost, candidate=replace(lost.candidate, failure=Failure(kind="length", detail="cut")))
    won = replace(won, score=Score(ifd_small=0.1 + 0.2, ifd_large=0.1))
    await finish(store, [long, odd], [altered(outcome, base, won, failed), make_dropped(odd)])
    with StoreReader(tmp_path) as reader:
        dropped, kept = reader.outcome_page(limit=2)
    assert plain(kept) == {
        "seq": 1,
        "at": kept.at,
        "seed_id": long.id,
        "recipe": "star",
        "kind": "kept",
        "reason": "",
        "pair": "keep/a",
        "pi": 0.5,
        "gap": (0.1 + 0.2) - 0.1,
        "ifd_small": 0.1 + 0.2,
        "ifd_large": 0.1,
        "cost_usd": 0.75,
        "candidates": 3,
        "failed": 1,
        "rows": 1,
        "children": 0,
        "question": long.sample.question[:200],
    }
    assert (dropped.kind, dropped.pair, dropped.pi, dropped.gap, dropped.failed) == ("dropped", None, None, None, 1)
    assert dropped.reason == "keep/a: length: cut"
    assert dropped.question.startswith("lone ")
    assert dropped.question.endswith(" and \U0001f600")
    dropped.question.encode()


CURSORS = ["newest_of_kind", "oldest_of_kind", "newest_of_arm", "oldest_of_arm", "arms_that_won"]
LOOK_UPS = ["summaries", "calls_of_seed", "outcomes_of_seed", "newest_draw", "seed_of_outcome", "find_seed"]
ASKED = {"kind": "kept", "arm": "a/b", "after": 0, "before": 9, "limit": 5, "seqs": "[1]", "longest": 9, "seq": 1}


@pytest.mark.parametrize("name", CURSORS + LOOK_UPS)
async def test_no_page_and_no_story_reads_through_a_table(name: str, store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {queries()[name]}", {**ASKED, "seed_id": "s", "id": "s"})
        steps = [step for *_, step in plan]
    assert [step for step in steps if step.startswith("SCAN") and step.split()[1] not in ("asked", "won")] == []
    if name in CURSORS:
        assert not any("ORDER BY" in step for step in steps), "an index has them in order"
        assert all("COVERING INDEX" in step for step in steps if step.startswith("SEARCH")), "and nothing else is read"


# Stories


async def test_the_story_of_a_seed_holds_everything_but_the_texts_of_its_calls(store: Store, tmp_path: Path) -> None:
    seed = make_seed(1, input="given", response="lone \ud800")
    await store.add_seeds([seed, make_seed(2)])
    await store.lease(1)
    draw = {"base": ["keep/seed"], "sampled": ["keep/a", "keep/b"], "from_memory": 1}
    await store.record_step(seed.id, "draw", {**draw, "from_memory": 0})
    await store.record_step(seed.id, "draw:1", draw)
    await store.intend([intent("key 1", seed_id=seed.id, parameters={"temperature": 0.7}), intent("key 2")])
    await store.record_answers([("key 1", make_reply("what the agent wrote"))])
    await commit(store, make_outcome(seed))
    with StoreReader(tmp_path) as reader:
        story = reader.seed_story(seed.id)
        assert story == reader.story_of_outcome(1)
    assert story is not None
    assert json.loads(json.dumps(plain(story), ensure_ascii=False).encode()) == plain(story)
    assert (story.seed.id, story.seed.state, story.seed.attempts, story.seed.deaths) == (
        seed.id,
        "done",
        1,
        0,
    )
    assert plain(story.seed.sample.messages) == [
        {"role": "user", "content": "Question 1?\n\ngiven"},
        {"role": "assistant", "content": "lone \ufffd"},
    ]
    assert (story.seed.source, story.seed.meta, plain(story.draw)) == ("seeds.jsonl:1", {"number": 1}, draw)
    (call,) = story.calls
    assert (call.agent, call.model, call.state, call.cost_usd) == ("a", "offline/a", "answered", 0.5)
    assert call.answered_at is not None
    assert call.intended_at < call.answered_at
    assert "what the agent wrote" not in json.dumps(plain(story))
    assert "key 1" not in json.dumps(plain(story))


async def test_every_candidate_of_an_outcome_stands_beside_the_others(store: Store, tmp_path: Path) -> None:
    seed = make_seed(1)
    await finish(store, [seed], [make_outcome(seed)])
    with StoreReader(tmp_path) as reader:
        story = reader.seed_story(seed.id)
    assert story is not None
    (outcome,) = story.outcomes
    assert (outcome.seq, outcome.kind, outcome.chosen, outcome.cost_usd) == (1, "kept", 1, 0.75)
    base, won, lost = outcome.candidates
    assert [one.pair for one in (base, won, lost)] == ["keep/seed", "keep/a", "keep/b"]
    assert [(one.is_base, one.chosen) for one in (base, won, lost)] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert [(one.pi_llm, one.pi_dual, one.pi) for one in (won, lost)] == [(1.0, 0.5, 0.5), (0.0, 0.5, 0.0)]
    assert plain(won.messages[-1]) == {"role": "assistant", "content": "A good answer."}
    assert won.score is not None
    assert won.score.gap == 0.9 - 0.7
    assert won.measures["gap"] == won.score.gap
    assert plain(won.verdict) == {
        "value": 1.0,
        "votes": [{"referee": "judge", "value": 1.0, "agreed": True, "readable": True}],
        "failure": "",
    }
    assert (won.models, won.prompts) == ({"response": "offline/a"}, ["respond@1:0123abcd"])


async def test_outcomes_come_newest_first_and_cleared_texts_are_told(store: Store, tmp_path: Path) -> None:
    seed = make_seed(1)
    await finish(store, [seed], [make_dropped(seed)])
    await store.requeue_dropped()
    await store.lease(1)
    await commit(store, make_outcome(seed))
    await store.clear_texts(10_000.0)
    with StoreReader(tmp_path) as reader:
        story = reader.story_of_outcome(1)
    assert story is not None
    kept, dropped = story.outcomes
    assert ((kept.seq, kept.kind), (dropped.seq, dropped.kind)) == ((2, "kept"), (1, "dropped"))
    assert [bool(one.messages) for one in kept.candidates] == [False, True, False]
    assert (kept.cleared_at or 0.0) > kept.at
    assert dropped.cleared_at is None


async def test_a_seed_that_waits_has_a_story_and_an_unknown_one_has_none(store: Store, tmp_path: Path) -> None:
    await store.add_seeds([make_seed(1)])
    with StoreReader(tmp_path) as reader:
        story = reader.seed_story(make_seed(1).id)
        assert story is not None
        assert (story.seed.state, story.draw, story.calls, story.outcomes) == ("waiting", None, [], [])
        assert reader.seed_story("nobody") is None
        assert reader.story_of_outcome(1) is None


# Why


def rated(pair: str, pi_llm: float | None, pi_dual: float | None, small: float = 0.9, large: float = 0.7) -> Assessed:
    """A candidate with these numbers, π as in Eq. 7."""
    one = make_assessed(pair, Sample(instruction="Why?", response=pair), is_base=pair == "keep/seed", pi_llm=pi_llm)
    pi = None if pi_llm is None else pi_llm * (1.0 if pi_dual is None else pi_dual)
    verdict = Verdict(value=0.5) if one.candidate.is_base else one.verdict
    return replace(one, score=Score(ifd_small=small, ifd_large=large), pi_dual=pi_dual, verdict=verdict, pi=pi)


BASE = rated("keep/seed", 0.5, 0.62, 0.9, 0.75)


def unread(pair: str) -> Assessed:
    votes = (Vote(referee="judge", value=None, agreed=False, readable=False),)
    return replace(rated(pair, None, 1.0), verdict=Verdict(value=None, votes=votes))


FAILED = make_assessed("keep/c", Sample(instruction="Why?"), failure="length: cut")
UNJUDGED = rated("keep/d", None, 0.3)


@pytest.mark.parametrize(
    ("chosen", "candidates", "said"),
    [
        (
            1,
            [BASE, rated("keep/a", 1.0, 0.8125), replace(FAILED, score=None, pi_dual=None), UNJUDGED],
            "keep/a won with π 0.81 = referee 1.00 (better than the base) × π_dual 0.81 (gap 0.20); the base keep/seed "
            "came next with 0.31; 1 could not have won and was not judged; 1 could not be used.",
        ),
        (
            0,
            [BASE, rated("keep/a", 0.0, 1.0)],
            "The base keep/seed won with π 0.31 = referee 0.50 (against itself) × π_dual 0.62 (gap 0.15); keep/a came "
            "next with 0.00.",
        ),
        (
            0,
            [rated("keep/seed", 0.5, 0.0, 0.5, 0.7), rated("keep/a", None, 0.0, 0.5, 0.6)],
            "The base keep/seed was kept because no candidate earned a π above 0: no gap is positive, the largest is "
            "-0.10.",
        ),
        (
            0,
            [rated("keep/seed", 0.5, 0.0, 0.5, 0.7), rated("keep/a", 0.0, 1.0), rated("keep/b", 0.0, 0.5)],
            "The base keep/seed was kept because no candidate earned a π above 0: all 2 that the "
            "referee judged lost to the base.",
        ),
        (
            0,
            [replace(rated("keep/a", None, 1.0), pi=1.0)],
            "keep/a won with π 1.00, its gap over the largest of this seed.",
        ),
        (
            0,
            [replace(rated("keep/a", None, None), pi=1.0)],
            "keep/a won with π 1.00, the highest IFD of the small model, 0.90.",
        ),
        (
            0,
            [replace(rated("keep/a", 1.0, None), score=None)],
            "keep/a won with π 1.00: referee 1.00 (better than the base).",
        ),
        (
            0,
            [make_assessed("keep/a", Sample(instruction="Why?"))],
            "keep/a was taken without scores or verdicts, as the selection asks.",
        ),
        (
            0,
            [BASE, unread("keep/a")],
            "The base keep/seed was kept because the one verdict on another candidate could not be read, and nothing "
            "wins unread.",
        ),
        (
            1,
            [BASE, rated("keep/a", 1.0, 0.8125), unread("keep/b")],
            "keep/a won with π 0.81 = referee 1.00 (better than the base) × π_dual 0.81 (gap 0.20); the base keep/seed "
            "came next with 0.31; no verdict on 1 could be read.",
        ),
        (None, [FAILED], "Dropped: keep/c: length: cut."),
    ],
)
def test_one_sentence_says_why(chosen: int | None, candidates: list[Assessed], said: str) -> None:
    kind: OutcomeKind = "dropped" if chosen is None else "kept"
    reason = "keep/c: length: cut" if chosen is None else ""
    outcome = star_outcome("s", kind, candidates, reason=reason, chosen=chosen)
    assert why(outcome) == said


# Readers


async def test_questions_are_asked_by_a_few_at_once_and_see_what_is_committed(store: Store, tmp_path: Path) -> None:
    together, seen = threading.Barrier(QUESTIONS, timeout=60), set[int]()

    def question(reader: StoreReader) -> int:
        together.wait()
        seen.add(id(reader))
        return reader.latest_seq()

    seed = make_seed(1)
    async with Readers(tmp_path) as readers:
        assert await readers.ask(StoreReader.latest_seq) == 0
        await finish(store, [seed], [make_outcome(seed)])
        assert await asyncio.gather(*(readers.ask(question) for _ in range(4 * QUESTIONS))) == [1] * 4 * QUESTIONS
    assert len(seen) == QUESTIONS


async def test_a_question_that_fails_is_told_and_the_next_one_is_answered(store: Store, tmp_path: Path) -> None:
    async with Readers(tmp_path) as readers:
        for _ in range(2 * QUESTIONS):
            with pytest.raises(ZeroDivisionError):
                await readers.ask(lambda reader: 1 / reader.latest_seq())
        assert await readers.ask(StoreReader.latest_seq) == 0
    async with Readers(tmp_path / "nowhere") as readers:
        with pytest.raises(StoreError, match="no store here"):
            await readers.ask(StoreReader.latest_seq)
        with pytest.raises(StoreError, match="no store here"):
            async for _ in readers.stream(StoreReader.results):
                pass


async def test_downloads_hold_up_neither_questions_nor_the_log(store: Store, tmp_path: Path) -> None:
    seeds = [make_seed(number) for number in range(2 * PAGE)]
    await store.add_seeds(seeds)
    await store.lease(len(seeds))
    await asyncio.gather(*(commit(store, make_dropped(seed)) for seed in seeds))
    async with Readers(tmp_path) as readers:
        downloads = [readers.stream(StoreReader.results, 100) for _ in range(DOWNLOADS)]
        found = [[result.seed for result in await anext(download)] for download in downloads]
        assert await readers.ask(StoreReader.latest_seq) == len(seeds)
        with closing(sqlite3.connect(tmp_path / STORE_FILE, timeout=0)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0, "the log can be folded in while everybody downloads"
        for download, rows in zip(downloads, found, strict=True):
            rows += [result.seed async for results in download for result in results]
    assert found == [seeds] * DOWNLOADS


async def test_a_download_that_is_left_gives_its_connection_back(store: Store, tmp_path: Path) -> None:
    seeds = [make_seed(number) for number in range(9)]
    await finish(store, seeds, [make_dropped(seed) for seed in seeds])
    ended = []

    def numbers(reader: StoreReader) -> Any:
        try:
            yield from (result.row.seq for result in reader.results())
        finally:
            ended.append(reader)

    async with Readers(tmp_path) as readers:
        for _ in range(2 * DOWNLOADS):
            async with aclosing(readers.stream(numbers, 2)) as download:
                assert await anext(download) == [1, 2]
    assert len(ended) == 2 * DOWNLOADS

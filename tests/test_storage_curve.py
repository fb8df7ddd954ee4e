"""The curve of probabilities and the tallies: bounded, written with what they follow from, the same as a recount."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from older_release import CANDIDATES, add_candidates, outcome_payload
from star_outcomes import read_star_outcome
from storage_samples import commit, keeping, make_assessed, make_dropped, make_outcome, make_seed, seen

from star_agents.errors import StoreError
from star_agents.recipes.star_records import MEASURES
from star_agents.records import PAIRS, Declaration, Outcome, Score, Verdict, Vote
from star_agents.scheduling.policies import ThompsonPolicy
from star_agents.storage import curve, ledger, reads, recipe_tallies, tallies
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_tallies import BINS, edges
from star_agents.storage.sql import execute
from star_agents.storage.store import STORE_FILE, Store
from star_agents.storage.tallies import Tallies
from star_agents.text.plain_data import to_json

MOST = 8


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path) as store:
        yield store


@contextmanager
def open_database() -> Iterator[sqlite3.Connection]:
    """A store without a thread or a disk."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, Path("memory"), scripts())
        yield connection


def end_seed(connection: sqlite3.Connection, number: int, weights: Mapping[str, float], most: int) -> int:
    """One outcome after which these are the probabilities, on a curve of fewer points."""
    seed, state = make_seed(number), {"weights": weights}
    ledger.add_seeds(connection, [seed], 0.0)
    outcome = {"kind": "dropped", "reason": "", "arm": None, "cost_usd": 0.0, "payload": "{}"}
    outcome |= {"recipe": "star"}
    found = execute(connection, "add_outcome", seed_id=seed.id, revision=1, at=float(number), **outcome).fetchone()
    execute(connection, "save_pool", pool=PAIRS, state=to_json(state), revision=1)
    curve.add_outcome_point(connection, PAIRS, state, seq=found[0], at=float(number), most=most)
    return int(found[0])


# The curve


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["outcome", "outcome", "outcome", "pairs change", "started again"]), max_size=60))
def test_the_curve_is_bounded_ordered_reaches_back_and_says_what_a_replay_says(moves: list[str]) -> None:
    with open_database() as connection:
        replay, pairs, seq = {0: {"keep/0": 1.0}}, 1, 0
        curve.add_change_point(connection, PAIRS, {"weights": replay[0]}, revision=1, most=MOST)
        for number, move in enumerate(moves):
            pairs += move == "pairs change"
            weights = {f"keep/{pair}": 1 / (pair + number + 1) for pair in range(pairs)}
            if move == "outcome":
                seq = end_seed(connection, number, weights, MOST)
            else:
                weights = weights if move == "pairs change" else replay[seq]
                execute(connection, "save_pool", pool=PAIRS, state=to_json({"weights": weights}), revision=1)
                curve.add_change_point(connection, PAIRS, {"weights": weights}, revision=1, most=MOST)
            replay[seq] = weights
            points = curve.curve(connection, PAIRS)
            assert len(points) <= MOST
            assert [point.seq for point in points] == sorted({point.seq for point in points})
            assert (points[0].seq, points[-1].seq) == (0, seq)
            assert {point.seq: point.probabilities for point in points}.items() <= replay.items()


def test_a_long_curve_is_thinned_out_evenly(tmp_path: Path) -> None:
    with open_database() as connection:
        seeds = [make_seed(number) for number in range(2200)]
        ledger.add_seeds(connection, seeds, 0.0)
        connection.execute("BEGIN")
        ledger.save_pools(connection, {PAIRS: {"weights": {"keep/a": 0.0}}}, 1)
        for number, seed in enumerate(seeds, start=1):
            state = {"weights": {"keep/a": float(number)}}
            ledger.commit_outcome(
                connection, make_dropped(seed), foresee=keeping(state), memory=None, revision=1, at=1.0
            )
        points = curve.curve(connection, PAIRS)
        assert [point.seq for point in points] == [*range(0, 2200, 4), 2200]
        assert all(point.probabilities == {"keep/a": float(point.seq)} for point in points)


async def test_a_change_of_the_pairs_leaves_a_point_at_the_moment_of_its_revision(tmp_path: Path) -> None:
    clock = iter(range(100, 200))
    async with await Store.open(tmp_path, now=lambda: float(next(clock))) as store:
        for digest, pairs in (("first", "ab"), ("first", "ab"), ("other settings", "ab"), ("other pairs", "abc")):
            revision = await store.add_revision(digest, "{}")
            await store.save_pools({PAIRS: {"weights": {f"keep/{pair}": 1 / len(pairs) for pair in pairs}}}, revision)
        await store.add_seeds([make_seed(1)])
        (seed,) = await store.lease(1)
        await commit(store, make_outcome(seed))
        await store.save_pools(
            {PAIRS: {"weights": {"keep/a": 0.5, "keep/b": 0.5}}}, await store.add_revision("fewer", "{}")
        )
        revisions = {row.digest: row.at for row in seen(store, StoreReader.revisions)}
    with StoreReader(tmp_path) as reader:
        first, last = reader.curve(PAIRS)
    assert (first.seq, first.at, list(first.probabilities)) == (
        0,
        revisions["other pairs"],
        ["keep/a", "keep/b", "keep/c"],
    )
    assert (last.seq, last.at, list(last.probabilities)) == (1, revisions["fewer"], ["keep/a", "keep/b"])


async def test_a_point_goes_with_its_outcome_or_not_at_all(store: Store, tmp_path: Path) -> None:
    await store.add_seeds([make_seed(1)])
    (seed,) = await store.lease(1)
    await commit(store, make_outcome(seed))
    with StoreReader(tmp_path) as reader:
        before = reader.curve(PAIRS), reader.tallies()
        with pytest.raises(StoreError):
            await commit(store, make_outcome(seed))
        assert (reader.curve(PAIRS), reader.tallies()) == before


async def test_every_policy_names_its_probabilities(store: Store, tmp_path: Path) -> None:
    policy = ThompsonPolicy(["keep/a", "keep/b"])
    policy.observe([("keep/a", 1.0), ("keep/b", 0.0)])
    await store.save_pools({PAIRS: policy.state()}, 1)
    with StoreReader(tmp_path) as reader:
        (point,) = reader.curve(PAIRS)
    assert point.probabilities == policy.probabilities()


def test_a_curve_of_hundreds_of_arms_is_told_in_fewer_points_from_its_first_to_its_last() -> None:
    arms = {f"arm {number}": 1 / 300 for number in range(300)}
    with open_database() as connection:
        curve.add_change_point(connection, PAIRS, {"weights": arms}, revision=1)
        for number in range(700):
            end_seed(connection, number, arms, curve.POINTS)
        points = curve.curve(connection, PAIRS)
    assert sum(len(one.probabilities) for one in points) <= curve.VALUES + 2 * len(arms)
    assert len(points) > 150
    assert (points[0].seq, points[-1].seq) == (0, 700)
    steps = {later.seq - one.seq for one, later in pairwise(points[:-1])}
    assert len(steps) == 1, "evenly spaced"


# Tallies

VERDICTS = st.none() | st.builds(
    lambda value, votes: Verdict(value=value, votes=tuple(votes)),
    st.sampled_from([0.0, 0.5, 1.0, None]),
    st.lists(st.builds(Vote, referee=st.just("r"), value=st.just(0.5), agreed=st.booleans(), readable=st.booleans())),
)
SCORES = st.none() | st.builds(lambda gap: Score(ifd_small=gap / 1000, ifd_large=0.0), st.integers(-1500, 1500))
DRAWN_PAIRS = st.lists(st.sampled_from(["keep/a", "b/a", "b/c"]), max_size=3)


@st.composite
def outcomes(draw: st.DrawFn, number: int, orders: int = 2) -> Outcome:
    """An outcome of one base and some drawn candidates, of any kind."""
    seed, pairs = make_seed(number), ["keep/seed", *draw(DRAWN_PAIRS)]
    candidates = tuple(
        replace(
            make_assessed(
                pair, seed.sample, is_base=pair == "keep/seed", failure=draw(st.sampled_from(["", "length"]))
            ),
            score=draw(SCORES),
            verdict=draw(VERDICTS),
        )
        for pair in pairs
    )
    chosen = draw(st.none() | st.integers(0, len(pairs) - 1))
    # Nobody is asked of an answer that is the base's own: a tie, whose gap is the base's, and so it wins by none.
    assume(not (chosen and (verdict := candidates[chosen].verdict) and verdict.value == 0.5 and not verdict.votes))
    kind = "dropped" if chosen is None else "kept" if chosen else "base"
    return make_outcome(seed, kind=kind, candidates=candidates, chosen=chosen, orders=orders)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_tallies_are_what_a_recount_of_every_outcome_gives(data: st.DataObject) -> None:
    with open_database() as connection:
        both = ledger.add_revision(connection, "both", '{"referee":{"orders":"both"}}', 0.0)
        one = ledger.add_revision(connection, "one", '{"referee":{"orders":"one"}}', 0.0)
        recipe_tallies.declare(connection, [DECLARED])
        committed = []
        for number in range(data.draw(st.integers(0, 6))):
            revision = data.draw(st.sampled_from([both, one]))
            outcome = data.draw(outcomes(number, orders=2 if revision == both else 1))
            ledger.add_seeds(connection, [make_seed(number)], 0.0)
            ledger.commit_outcome(connection, outcome, foresee=keeping({}), memory=None, revision=revision, at=0.0)
            committed.append((outcome, revision == both))
        counted = tallies.tallies(connection)
        assert told(counted) == recount(committed)
        downgrade(connection)
        migrate(connection, Path("memory"), scripts())
        assert told(tallies.tallies(connection)) == recount(committed), "a store of version 3 learns it"
        recipe_tallies.declare(connection, [DECLARED])
        again = tallies.tallies(connection)
        assert (again.judges, again.pools) == (counted.judges, counted.pools)
        for now, before in zip(again.recipes, counted.recipes, strict=True):
            assert replace(now, measures=()) == replace(before, measures=())
            for one_now, one_before in zip(now.measures, before.measures, strict=True):
                assert (one_now.histogram, one_now.chosen, one_now.n) == (
                    one_before.histogram,
                    one_before.chosen,
                    one_before.n,
                )
                assert one_now.total == pytest.approx(one_before.total)


DECLARED = Declaration(recipe="star", takes=("sample",), measures=MEASURES)


def downgrade(connection: sqlite3.Connection) -> None:
    """Make it the same store as of version 3."""
    rows = reads.outcomes(connection, after_seq=0, limit=1000)
    connection.executescript(
        "DROP TABLE curve; DROP TABLE tallies; DROP TABLE failures; DROP INDEX outcomes_by_arm;"
        # Of version 5.
        "DROP INDEX calls_by_agent; ALTER TABLE calls DROP COLUMN reserved_tokens;"
        "CREATE INDEX calls_by_agent ON calls (agent); PRAGMA user_version = 3;"
        # Of versions 9 to 23.
        "DROP INDEX memory_keys; DROP TABLE reviews; DROP TABLE row_vectors; DROP TABLE batch_calls;"
        "DROP TABLE batches;"
        "DROP TABLE findings; DROP TABLE row_digests;"
        "DROP TABLE signature_bands; DROP TABLE signatures;"
        "DROP TABLE labelled; DROP TABLE reopened; DROP INDEX seeds_by_part;"
        "DROP TABLE recollections; DROP TABLE recipes; DROP TABLE measures;"
        "DROP TABLE rows; DROP TABLE trials; DROP TABLE judgements; DROP TABLE rewards_due; DROP INDEX seeds_by_parent;"
        "DROP INDEX waiting_by_recipe;"
        "ALTER TABLE outcomes DROP COLUMN recipe; ALTER TABLE seeds DROP COLUMN kind;"
        "ALTER TABLE seeds DROP COLUMN recipe; ALTER TABLE seeds DROP COLUMN labels;"
        "ALTER TABLE seeds DROP COLUMN parent; ALTER TABLE seeds DROP COLUMN round;"
        "ALTER TABLE seeds RENAME COLUMN content TO sample;"
        "CREATE TABLE policy (id INTEGER PRIMARY KEY CHECK (id = 1), after_seq INTEGER NOT NULL,"
        " revision INTEGER NOT NULL, state TEXT NOT NULL, start TEXT NOT NULL) STRICT;"
        "INSERT INTO policy SELECT 1, after_seq, revision, state, start FROM pools; DROP TABLE pools;"
        "ALTER TABLE outcomes RENAME COLUMN arm TO pair; ALTER TABLE outcomes ADD COLUMN pi REAL;"
        "ALTER TABLE memory RENAME COLUMN arm TO pair; ALTER TABLE memory RENAME COLUMN value TO pi;"
        f"{CANDIDATES} CREATE INDEX candidates_by_outcome ON candidates (seq, pair, chosen, cost_usd);"
    )
    add_candidates(connection, rows)
    for row in rows:
        payload = to_json(outcome_payload(row.outcome))
        connection.execute("UPDATE outcomes SET payload = ? WHERE seq = ?", (payload, row.seq))


Told = dict[str, object]


def told(counted: Tallies) -> Told:
    """What was always told."""
    said = counted.referees
    return {
        "gaps": (counted.gaps_chosen, counted.gaps_others),
        "drawn": counted.drawn,
        "won": counted.won,
        "said": (said.wins, said.losses, said.ties, said.without_verdict, said.won_by_tie),
        "votes": (said.both_orders, said.agreed, said.unreadable),
        "recipes": [(one.name, one.outcomes, one.rows) for one in counted.recipes if one.outcomes],
    }


def recount(committed: list[tuple[Outcome, bool]]) -> Told:
    """The same sums, from the outcomes themselves."""
    chosen, others = [0] * BINS, [0] * BINS
    drawn: Counter[str] = Counter()
    won: Counter[str] = Counter()
    values: list[float | None] = []
    votes: list[tuple[Vote, bool]] = []
    by_tie = 0
    for outcome, both in committed:
        seen = read_star_outcome(outcome)
        for one in seen.candidates:
            pair, is_chosen = one.candidate.pair.name, one is seen.winner
            if one.score is not None and one.score.gap is not None:
                (chosen if is_chosen else others)[gap_bin(one.score.gap)] += 1
            if not one.candidate.is_base:
                drawn[pair] += 1
                won.update([pair] if is_chosen else [])
            if one.verdict is not None and one.verdict.votes:
                values.append(one.verdict.value)
                votes += [(vote, both) for vote in one.verdict.votes]
                by_tie += is_chosen and outcome.kind == "kept" and one.verdict.value == 0.5
    kinds: Counter[str] = Counter(outcome.kind for outcome, _ in committed)
    rows = kinds.total() - kinds["dropped"]
    return {
        "gaps": (tuple(chosen), tuple(others)),
        "drawn": dict(drawn),
        "won": dict(won),
        "said": (*(values.count(side) for side in (1.0, 0.0, 0.5, None)), by_tie),
        "votes": (
            sum(both and vote.readable for vote, both in votes),
            sum(both and vote.readable and vote.agreed for vote, both in votes),
            sum(not vote.readable for vote, _ in votes),
        ),
        "recipes": [("star", dict(kinds), {"sft": rows} if rows else {})] if committed else [],
    }


def gap_bin(gap: float) -> int:
    return bisect_right(edges(-1.0, 1.0), gap)


@pytest.mark.parametrize(
    ("gap", "number"),
    [
        (-7.0, 0),
        (-1.0, 0),
        (-0.95, 1),
        (-1e-9, 19),
        (0.0, 20),
        (0.15, 23),
        (0.2, 24),
        (0.9999, 39),
        (1.0, 39),
        (7.0, 39),
    ],
)
def test_a_gap_falls_into_its_bin_and_one_beyond_the_ends_into_the_last(gap: float, number: int) -> None:
    assert gap_bin(gap) == number


async def test_outcomes_are_counted_in_which_the_memory_bank_had_a_say(store: Store, tmp_path: Path) -> None:
    seeds = [make_seed(number) for number in range(4)]
    await store.add_seeds(seeds)
    for seed, from_memory in zip(await store.lease(4), (1, 0, 2, None), strict=True):
        await commit(store, replace(make_outcome(seed), recalled=from_memory))
    with StoreReader(tmp_path) as reader:
        tallies = reader.tallies()
    assert (tallies.draws, tallies.hits) == (3, 2)


async def test_a_store_of_version_3_has_the_start_of_its_curve_its_present_and_its_draws(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.save_pools({PAIRS: {"weights": {"keep/a": 0.25}}}, await store.add_revision("d", "{}"))
        await store.add_seeds([make_seed(number) for number in range(3)])
        for from_memory, seed in enumerate(await store.lease(3)):
            await store.record_step(seed.id, "draw", {"base": [], "sampled": [], "from_memory": from_memory})
            await commit(store, replace(make_outcome(seed), recalled=from_memory))
    with StoreReader(tmp_path) as reader:
        before = reader.tallies()
    with closing(sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)) as connection:
        downgrade(connection)
    async with await Store.open(tmp_path):
        with StoreReader(tmp_path) as reader:
            points = reader.curve(PAIRS)
            now = reader.tallies()
    assert (now.draws, now.hits, now.judges, now.pools) == (before.draws, before.hits, before.judges, before.pools)
    assert [(point.seq, dict(point.probabilities)) for point in points] == [(0, {"keep/a": 0.25}), (3, {"keep/a": 1.0})]

"""How seeds ended by their labels: the same as a count by hand, over kills, restarts and later additions; bounded."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from battle_counts import by_label, lost_shares
from chaos_nursery import Nursery
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import run
from openai_server import OpenAIServer
from storage_samples import make_seed
from test_arena_catch_up import config as arena_config
from test_arena_kills import JUDGED, play
from test_arena_kills import set_up as set_up_arena

from star_agents.engine.stored_status import status_of_folder
from star_agents.process.crash_points import VARIABLE
from star_agents.records import Declaration, Measure, Outcome, Sample, Seed, Trial
from star_agents.storage import label_tallies, ledger, recipe_tallies
from star_agents.storage.label_tallies import MOST_VALUES, OTHERS, WINDOW, LabelSums, LabelTally
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.reader import StoreReader

CATEGORIES = ("maths", "writing")
LOST = Measure("lost", by_label=True)
PLAIN = Measure("lost")
DECLARED = Declaration(recipe="arena", takes=("sample",), measures=(LOST,))


@contextmanager
def open_database(*declared: Measure) -> Iterator[sqlite3.Connection]:
    """A store without a thread or a disk."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, Path("memory"), scripts())
        recipe_tallies.declare(connection, [replace(DECLARED, measures=declared)])
        yield connection


def commit(connection: sqlite3.Connection, number: int, category: object, lost: float | None) -> None:
    """Commit the outcome of a seed with something in its column; ``None``: it is dropped."""
    seed = replace(make_seed(number), meta={"category": category, "other": "ignored"})
    trials = [] if lost is None else [Trial(arm="target", sample=seed.sample, measures={"lost": lost, "score": 5.0})]
    outcome = Outcome(seed_id=seed.id, kind="dropped" if lost is None else "kept", recipe="arena", trials=tuple(trials))
    ledger.add_seeds(connection, [seed], 0.0)
    ledger.commit_outcome(connection, outcome, foresee=lambda _: {}, memory=None, revision=1, at=float(number))


def told(connection: sqlite3.Connection) -> Mapping[str, LabelTally]:
    return label_tallies.labelled(connection).get("arena", {}).get("category", {})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.booleans()), max_size=4 * WINDOW), st.randoms())
def test_sums_and_the_newest_values_are_those_of_the_outcomes_that_stand(
    events: list[tuple[float, bool]], rng: Any
) -> None:
    """Each value is added, or takes the place of an earlier one, as an outcome does that adds to another."""
    sums, standing = LabelSums(), dict[int, float]()
    for seq, (value, replaces) in enumerate(events, 1):
        if replaces and standing:
            old = rng.choice(list(standing))
            sums = sums.without(old, standing.pop(old))
        sums, standing[seq] = sums.added(seq, value), value
        newest = [one for at, one in standing.items() if at > sums.since]
        assert (sums.n, sums.total) == (len(standing), round(1e6 * sum(standing.values())))
        assert (sums.newest.n, sums.newest.total) == (len(newest), round(1e6 * sum(newest)))
        assert sums.newest.n < 2 * WINDOW
    if not any(replaces for _, replaces in events):
        assert sums.newest.n >= min(WINDOW, len(events))


def test_values_beyond_the_most_are_counted_together_and_a_column_that_holds_no_text_is_no_label() -> None:
    with open_database(LOST) as connection:
        for number in range(MOST_VALUES + 3):
            commit(connection, number, f"category {number}", 1.0)
        for number, value in enumerate((None, 7, ["a"], "  ", "x" * 1000), MOST_VALUES + 3):
            commit(connection, number, value, 1.0)
        found = told(connection)
        assert len(found) == MOST_VALUES + 1
        assert found[OTHERS].outcomes == found[OTHERS].measures["lost"].n == 4
        commit(connection, MOST_VALUES + 10, "category 0", 0.0)
        assert told(connection)["category 0"].measures["lost"].all.mean == 0.5
        assert max(map(len, found)) < 100, "the long one came too late to be a value of its own"


def test_a_measure_that_is_declared_so_later_is_counted_from_what_the_store_kept_and_forgotten_once_it_is_not() -> None:
    values = [("a", 1.0), ("b", 0.5), ("a", 0.0), ("a", None)]
    with open_database(PLAIN) as connection, open_database(LOST) as other:
        for number, (category, lost) in enumerate(values):
            commit(connection, number, category, lost)
            commit(other, number, category, lost)
        assert told(connection) == {}
        recipe_tallies.declare(connection, [DECLARED])
        assert told(connection) == told(other)
        assert (told(connection)["a"].outcomes, told(connection)["a"].dropped) == (3, 1)
        assert set(told(connection)["a"].measures) == {"lost"}, "what is not declared so is not counted so"
        recipe_tallies.declare(connection, [DECLARED])
        assert told(connection) == told(other), "declared again, nothing is counted twice"
        recipe_tallies.declare(connection, [replace(DECLARED, measures=(PLAIN,))])
        assert told(connection) == {}


def rivers(count: int) -> list[Seed]:
    """Questions, every other one of another category."""
    samples = [Sample(instruction=f"Name river {number}.") for number in range(count)]
    return [Seed.of(one, meta={"category": CATEGORIES[number % 2]}) for number, one in enumerate(samples)]


def counted(folder: Path) -> dict[str, tuple[int, float | None]]:
    """Category to the values and their mean, as the status of a folder tells it."""
    turns = status_of_folder(folder).turns["category"]
    return {one.name: (one.measures["lost"].all.n, one.measures["lost"].all.mean) for one in turns.rows}


def by_hand(folder: Path) -> dict[str, Any]:
    with StoreReader(folder) as reader:
        labels = {one.seed.id: {"category": one.seed.meta["category"]} for one in reader.results()}
    found = by_label(lost_shares(folder, "target"), labels)["category"]
    return {name: (len(values), pytest.approx(sum(values) / len(values))) for name, values in found.items()}


async def test_what_a_target_lost_by_category_is_a_count_by_hand_also_once_a_newcomer_has_caught_up(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    async with OpenAIServer(play) as server:
        await run(arena_config(tmp_path, server.url, ["one", "two"], "catch_up: true"), rivers(6), out)
        before = counted(out)
        assert before == by_hand(out)
        await run(arena_config(tmp_path, server.url, ["one", "two", "three", "four"], "catch_up: true"), rivers(6), out)
        after = counted(out)
    assert after == by_hand(out)
    assert {name: n for name, (n, _) in after.items()} == dict.fromkeys(CATEGORIES, 3), "once each, not twice"
    assert after != before, "of four opponents, the target lost another share"


@pytest.mark.timeout(600)
async def test_killed_around_an_outcome_and_run_again_it_is_a_count_by_hand_and_what_a_whole_run_counts(
    tmp_path: Path,
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(check, nursery, server.url, tmp_path)


def check(nursery: Nursery, url: str, folder: Path) -> None:
    set_up(folder / "whole", url)
    assert nursery.run(folder / "whole") == 0
    whole = counted(folder / "whole" / "out")
    assert whole == by_hand(folder / "whole" / "out")
    for point in ("outcome_before_commit", "outcome_committed"):
        set_up(folder / point, url)
        assert nursery.run(folder / point, **{VARIABLE: f"{point}:2"}) == -signal.SIGKILL
        assert nursery.run(folder / point) == 0
        assert counted(folder / point / "out") == by_hand(folder / point / "out") == whole


def set_up(folder: Path, url: str) -> None:
    set_up_arena(folder, url, JUDGED)
    rows = [json.dumps({"instruction": one.sample.instruction, **one.meta}) for one in rivers(4)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))

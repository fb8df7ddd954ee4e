"""What agents' calls took is told by kept sums as by a count of every call, whatever became of the calls meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest
from storage_samples import make_reply

from star_agents.storage import call_sums, journal, reads
from star_agents.storage.connection import connect
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.rows import Intent
from star_agents.storage.sql import queries
from star_agents.storage.store import STORE_FILE


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(connect(tmp_path / STORE_FILE)) as made:
        migrate(made, tmp_path / STORE_FILE, scripts())
        yield made


def intend(connection: Connection, key: str, *, chance: random.Random) -> None:
    intent = Intent(
        key=key,
        seed_id="s",
        step=key,
        agent=chance.choice("abc"),
        revision=1,
        parameters={},
        reserved_usd=chance.choice([None, 0.0, 0.5]),
        reserved_tokens=chance.choice([None, 64]),
    )
    journal.intend(connection, [intent], 1.0)


def answer(connection: Connection, key: str, *, chance: random.Random) -> None:
    reply = make_reply(cost_usd=chance.choice([None, 0.0, 0.25]))
    journal.record_answer(connection, key=key, reply=reply, at=2.0)


def counted(connection: Connection) -> object:
    """By every call."""
    connection.execute("SAVEPOINT aside")
    call_sums.forget(connection)
    found = reads.agent_usage(connection), reads.taken(connection, None)
    connection.execute("ROLLBACK TO aside")
    return found


def told(connection: Connection) -> object:
    return reads.agent_usage(connection), reads.taken(connection, None)


@pytest.mark.parametrize("number", range(3))
def test_kept_sums_and_what_came_since_are_the_sums_of_all_calls(connection: Connection, number: int) -> None:
    chance, in_hand, withdrawn, folds = random.Random(number), list[str](), list[str](), 0
    for step in range(200):
        what = chance.random()
        if what < 0.45 or not in_hand:
            key = withdrawn.pop() if withdrawn and chance.random() < 0.3 else f"k{step}"
            intend(connection, key, chance=chance)
            in_hand.append(key)
        elif what < 0.8:
            answer(connection, in_hand.pop(chance.randrange(len(in_hand))), chance=chance)
        elif what < 0.9:
            key = in_hand.pop()
            journal.withdraw(connection, [key])
            withdrawn.append(key)
        else:
            intend(connection, chance.choice(in_hand), chance=chance)  # Sent once more, without an answer so far.
        if step % 20 == 19:
            folds += call_sums.fold(connection, least=5)
        assert told(connection) == counted(connection)
    assert folds > 3


def test_kept_sums_are_not_believed_once_calls_lie_elsewhere(connection: Connection) -> None:
    chance = random.Random(1)
    for number in range(30):
        intend(connection, f"k{number}", chance=chance)
        answer(connection, f"k{number}", chance=chance)
    assert call_sums.fold(connection, least=5)
    connection.execute("UPDATE calls SET rowid = rowid + 1000 WHERE rowid > 10")  # As VACUUM may do.
    assert told(connection) == counted(connection)


def test_counts_that_are_repaired_are_counted_anew(connection: Connection) -> None:
    chance = random.Random(2)
    for number in range(30):
        intend(connection, f"k{number}", chance=chance)
        answer(connection, f"k{number}", chance=chance)
    connection.execute("UPDATE calls SET prompt_tokens = -1 WHERE key = 'k3'")
    assert call_sums.fold(connection, least=5)
    journal.repair_counts(connection)
    assert told(connection) == counted(connection)


def test_what_was_taken_since_the_first_call_is_what_was_taken_in_all(connection: Connection) -> None:
    chance = random.Random(4)
    for number in range(30):
        intend(connection, f"k{number}", chance=chance)
        answer(connection, f"k{number}", chance=chance)
    connection.execute("UPDATE calls SET intended_at = 3.0 WHERE key = 'k3'")
    assert reads.taken(connection, 1.0) == reads.taken(connection, None)
    assert sum(one.calls for one in reads.taken(connection, 2.0).values()) == 1


def test_few_calls_are_summed_as_they_are(connection: Connection) -> None:
    intend(connection, "k", chance=random.Random(3))
    answer(connection, "k", chance=random.Random(3))
    assert not call_sums.fold(connection)


def plan(connection: Connection, query: str) -> list[str]:
    asked = {"state": None, "most_tokens": 1, "most_usd": 1.0, "after": 3, "besides": "[1, 2]"}
    return [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {queries()[query]}", asked)]


def test_all_calls_are_counted_from_the_index_alone_in_its_order(connection: Connection) -> None:
    assert plan(connection, "sums_of_calls") == ["SCAN calls USING COVERING INDEX calls_by_agent"]


def test_calls_behind_a_place_are_counted_without_a_look_at_those_before_it(connection: Connection) -> None:
    steps = plan(connection, "sums_of_calls_after")
    assert "SEARCH calls USING INTEGER PRIMARY KEY (rowid>?)" in steps
    assert "SEARCH calls USING INTEGER PRIMARY KEY (rowid=?)" in steps, "and those before it that had no answer then"
    assert not any(step.startswith("SCAN calls") for step in steps)

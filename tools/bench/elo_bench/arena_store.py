"""A store as an arena leaves it: every player against every other over each prompt, judged in both orders."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from itertools import combinations
from pathlib import Path

from star_agents.recipes.protocol import done
from star_agents.records import Judgement, Sample, Seed, Trial
from star_agents.storage import ledger
from star_agents.storage.connection import connect
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.store import STORE_FILE

PLAYERS = ("target", "one", "two", "three", "four", "five")
WORTH = {"target": 5, "one": 4, "two": 5, "three": 6, "four": 7, "five": 3}
WORDS = "An answer goes on for a while, as answers do that were asked for more than a word. "
REASON = (
    "1: It is right, and says how it comes to that.\n2: It is right in part, and leaves out half of what was asked."
)
CATEGORIES = ("math", "coding", "writing")
PER_COMMIT = 200
BEGAN = 1.79e9


def fill(folder: Path, prompts: int) -> int:
    """Write the outcomes of so many prompts, always the same ones; how many battles that is."""
    folder.mkdir(parents=True)
    path, rng = folder / STORE_FILE, random.Random(1)
    with closing(connect(path)) as connection:
        migrate(connection, path, scripts())
        connection.execute("PRAGMA synchronous = OFF")  # Nobody needs it if it is not whole.
        ledger.add_revision(connection, "filled", '{"recipe": ["arena"]}', BEGAN)
        for start in range(0, prompts, PER_COMMIT):
            connection.execute("BEGIN")
            for number in range(start, min(start + PER_COMMIT, prompts)):
                _finish(connection, number, rng)
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return prompts * len(list(combinations(PLAYERS, 2)))


def one_more(folder: Path, number: int) -> None:
    """Another finished prompt in a store that is there."""
    with closing(connect(folder / STORE_FILE)) as connection:
        connection.execute("BEGIN")
        _finish(connection, number, random.Random(number))
        connection.execute("COMMIT")


def _finish(connection: sqlite3.Connection, number: int, rng: random.Random) -> None:
    asked = Sample(instruction=f"Prompt {number}. {WORDS}")
    seed = Seed.of(asked, source=f"filled:{number}", meta={"category": rng.choice(CATEGORIES), "language": "en"})
    ledger.add_seeds(connection, [seed], BEGAN + number)
    trials = [
        Trial(
            arm=player,
            role="target" if player == "target" else "opponent",
            sample=Sample(instruction=asked.instruction, response=f"{player}: {WORDS * rng.randint(3, 9)}"),
        )
        for player in PLAYERS
    ]
    suits = {player: rng.randint(-2, 2) for player in PLAYERS}
    judgements = [
        _judgement(left, right, suits, rng)
        for one, other in combinations(range(len(PLAYERS)), 2)
        for left, right in ((one, other), (other, one))
    ]
    ledger.commit_outcome(
        connection,
        done(seed, trials=trials, judgements=judgements),
        foresee=lambda _: {},
        memory=None,
        revision=1,
        at=BEGAN + number,
    )


def _judgement(left: int, right: int, suits: dict[str, int], rng: random.Random) -> Judgement:
    first, second = (
        float(min(10, max(1, WORTH[PLAYERS[place]] + suits[PLAYERS[place]] + rng.randint(-1, 1))))
        for place in (left, right)
    )
    value = 0.5 if first == second else float(first > second)
    return Judgement(judge="gpt", left=left, right=right, scores=(first, second), value=value, orders=1, reason=REASON)

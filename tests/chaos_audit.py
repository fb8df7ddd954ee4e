"""What must hold of a daemon's folder after any kill, joined with the book of the provider that it paid.

A look is taken while no daemon works on the folder. What was durable at one look must be there at every later one, and
must never be charged again.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from chaos_provider import charges, mark_of
from chaos_replay import replay_problems

from star_agents.storage import reads
from star_agents.storage.backup import damage
from star_agents.storage.connection import connect_reading
from star_agents.storage.migrations import scripts, version_of
from star_agents.storage.store import STORE_FILE

_ALL = 1 << 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """A folder and its book in numbers, at one look."""

    seeds: int = 0
    brought: int = 0
    """Seeds that came from outside."""
    working: int = 0
    draws: int = 0
    sends: int = 0
    pending: int = 0
    answered: int = 0
    cleared: int = 0
    """Samples whose texts retention has cleared."""
    outcomes: int = 0
    revisions: int = 0
    charges: int = 0


_FACTS = """
SELECT
    (SELECT count(*) FROM seeds),
    (SELECT count(*) FROM seeds WHERE parent = ''),
    (SELECT count(*) FROM seeds WHERE state = 'working'),
    (SELECT count(*) FROM steps),
    (SELECT coalesce(sum(sends), 0) FROM calls),
    (SELECT count(*) FROM calls WHERE state = 'intent'),
    (SELECT count(*) FROM calls WHERE state = 'answered'),
    (SELECT count(*) FROM outcomes WHERE cleared_at IS NOT NULL),
    (SELECT count(*) FROM outcomes),
    (SELECT count(*) FROM revisions)
"""


@dataclass(slots=True)
class Audit:
    """Looks at one folder again and again.

    Args:
        folder: The daemon's.
        book: The provider's.
        at_once: Most calls that may be open at one moment.
    """

    folder: Path
    book: Path
    at_once: int
    told: set[str] = field(default_factory=set)
    """Seeds that the daemon acknowledged; whoever sends them adds them here."""
    violations: list[str] = field(default_factory=list)
    looks: int = 0
    repaid: int = 0
    """Charges for a call that was charged before: it was in flight at a kill."""
    in_flight: int = 0
    """Charges whose answers were not durable when the process that asked for them was gone."""
    worst: int = 0
    """Most of them at one look."""
    charged: Counter[str] = field(default_factory=Counter)
    _durable: dict[str, str] = field(default_factory=dict)
    """Every answered call ever seen: its key, and the signature of the charge that paid for it."""
    _read: int = 0

    def look(self, what: str) -> Facts:
        """Check everything; ``what`` happened since the last look, for the messages."""
        self.looks += 1
        marks, problems = self._read_book()
        facts = Facts(charges=self.charged.total())
        path = self.folder / STORE_FILE
        if path.exists():
            with closing(connect_reading(path)) as connection:
                connection.execute("BEGIN")
                # Killed while the schema was being made: nothing can have been told.
                if version_of(connection) == len(scripts()):
                    facts, found = self._check(connection)
                    problems += found
        elif self.told:
            problems.append("the store is gone")
        problems += self._check_in_flight(marks)
        self.violations += [f"{what}: {problem}" for problem in problems]
        return facts

    def _read_book(self) -> tuple[list[str], list[str]]:
        """What was charged since the last look, and what of it was durable then."""
        marks, self._read = charges(self.book, self._read)
        paid = set(self._durable.values())
        problems = [f"call {mark} was paid again once its answer was durable" for mark in marks if mark in paid]
        for mark in marks:
            self.repaid += mark in self.charged
            self.charged[mark] += 1
        return marks, problems

    def _check_in_flight(self, marks: list[str]) -> list[str]:
        """A kill takes no more answers with it than there were calls in flight; only those are ever paid again."""
        lost = len(set(marks) - set(self._durable.values()))
        self.in_flight += lost
        self.worst = max(self.worst, lost)
        problems = []
        if lost > self.at_once:
            problems.append(f"{lost} answers were lost, and only {self.at_once} calls can have been in flight")
        if self.repaid > self.in_flight:
            problems.append(f"{self.repaid} calls were repaid, and only {self.in_flight} were in flight at a kill")
        return problems

    def _check(self, connection: sqlite3.Connection) -> tuple[Facts, list[str]]:
        numbers = connection.execute(_FACTS).fetchone()
        names = Facts.__slots__
        facts = Facts(**dict(zip(names, (*numbers, self.charged.total()), strict=True)))
        problems = [
            *self._check_seeds(connection),
            *self._check_calls(connection, facts),
            *self.check_method(connection),
        ]
        if problem := damage(connection, thorough=False):
            problems.append(problem)
        return facts, problems

    def check_method(self, connection: sqlite3.Connection) -> list[str]:
        """What the recipe's outcomes lead to: here Star's, which drops none of these seeds."""
        outcomes = reads.outcomes(connection, after_seq=0, limit=_ALL)
        dropped = [row.outcome.seed_id for row in outcomes if row.outcome.kind == "dropped"]
        return [
            *(f"seed {id_} was dropped" for id_ in dropped),
            *self.check_use(one.sample.response for row in outcomes for one in row.outcome.trials),
            *replay_problems(connection, outcomes, self.folder),
        ]

    def _check_seeds(self, connection: sqlite3.Connection) -> list[str]:
        there = {id_ for (id_,) in connection.execute("SELECT id FROM seeds")}
        done = {id_ for (id_,) in connection.execute("SELECT id FROM seeds WHERE state = 'done'")}
        ended = Counter(id_ for (id_,) in connection.execute("SELECT seed_id FROM outcomes"))
        problems = [f"seed {id_} was acknowledged, and is lost" for id_ in self.told - there]
        problems += [f"seed {id_} has {count} outcomes" for id_, count in ended.items() if count > 1]
        return problems + [f"seed {id_} has an outcome or is done, not both" for id_ in done ^ ended.keys()]

    def _check_calls(self, connection: sqlite3.Connection, facts: Facts) -> list[str]:
        sql = "SELECT key, json_extract(reply, '$.text') FROM calls WHERE state = 'answered'"
        answers: dict[str, str | None] = dict(connection.execute(sql).fetchall())
        problems = [f"the answer of call {key[:12]} was durable, and is lost" for key in self._durable.keys() - answers]
        for key, text in answers.items():
            mark = mark_of(text)
            if text is None and key in self._durable:
                continue  # Retention cleared it; the books still know it.
            if mark is None or self._durable.setdefault(key, mark) != mark:
                problems.append(f"the answer of call {key[:12]} is not what the provider said")
            elif mark not in self.charged:
                problems.append(f"the answer of call {key[:12]} was never charged")
        if facts.sends < facts.charges:
            problems.append(f"the provider was called {facts.charges} times, and {facts.sends} sends were intended")
        if facts.sends - facts.answered - facts.pending < self._settled_twice():
            problems.append("a call was paid twice, and the store does not count it")
        return problems

    def _settled_twice(self) -> int:
        """Charges beyond the first of calls whose answer is durable: each of them was sent again, and counted."""
        return sum(self.charged[mark] - 1 for mark in self._durable.values())

    def check_use(self, used: Iterable[str | None]) -> list[str]:
        """Order of every call: its answer is durable before it is used."""
        durable = set(self._durable.values())
        return [
            f"answer {mark} was used and is not durable" for mark in map(mark_of, used) if mark and mark not in durable
        ]

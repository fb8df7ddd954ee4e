"""The parts of the seeds: each belongs to one, and a run may work some of them alone.

A seed's part follows from its id, or its row names it; its children share it. It stands in its labels from the moment
in which it is queued and stays there, whatever agents.yaml says later.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from star_agents.config.sections import PartsConfig
from star_agents.errors import Problem, UsageError
from star_agents.records import Seed
from star_agents.records.seeds import PART
from star_agents.storage.split import Split
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json

WORKED = "parts.worked"
"""The fact that says which parts are worked, as a list in JSON; empty: all."""


T = TypeVar("T")
_PAGE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class PartCount:
    """Seeds of one part by state."""

    waiting: int = 0
    working: int = 0
    quarantined: int = 0
    done: int = 0

    @property
    def seeds(self) -> int:
        """All of them."""
        return self.waiting + self.working + self.quarantined + self.done


@dataclass(frozen=True)
class Parts:
    """How seeds are divided, and which parts are worked."""

    settings: PartsConfig
    split: Split = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "split", Split(self.settings.sizes, self.settings.seed, what="part:"))

    def part_of(self, seed: Seed) -> str:
        """The part that a seed has, or is to have."""
        return seed.part or self.part_of_row(seed.id, seed.meta)

    def part_of_row(self, seed_id: str, meta: Mapping[str, Any]) -> str:
        """The part of a seed from outside with these further columns."""
        return self._named(meta) or self.split.part_of(seed_id)

    def stamped(self, seed: Seed) -> Seed:
        """The seed with its part."""
        return seed if seed.part else replace(seed, labels={**seed.labels, PART: self.part_of(seed)})

    def is_worked(self, seed: Seed) -> bool:
        """Whether its part is."""
        return not self.settings.only or self.part_of(seed) in self.settings.only

    def problem(self, seed: Seed) -> Problem | None:
        """What is wrong with the part that a row names."""
        column = self.settings.column
        value = None if column is None else seed.meta.get(column)
        if column is None or value is None or self._named(seed.meta):
            return None
        fix = "name one of them, or none; another column is looked at by `parts: {column: NAME}` of agents.yaml"
        told = f"names no part ({value!r:.40}); there are: {', '.join(self.split.shares)}"
        return Problem(where=seed.source or seed.id, field=column, message=told, fix=fix)

    def _named(self, meta: Mapping[str, Any]) -> str:
        value = None if self.settings.column is None else meta.get(self.settings.column)
        return value if isinstance(value, str) and value in self.split.shares else ""


def declare(connection: sqlite3.Connection, parts: Parts | None) -> None:
    """Keep which parts are worked from now on, and give seeds that have no part yet theirs."""
    only = () if parts is None else parts.settings.only
    if tuple(worked_parts(connection)) != only:
        execute(connection, "meta_set", key=WORKED, value=json.dumps(only))
    if parts is None:
        return
    last = 0
    while page := execute(connection, "seeds_without_part", after=last, limit=_PAGE).fetchall():
        for last, seed_id, parent, meta in page:  # Parents first: theirs is known.
            inherited = _part_in_store(connection, parent) if parent else ""
            part = inherited or parts.part_of_row(seed_id, from_json(meta))
            execute(connection, "set_part", ordinal=last, part=part)


def worked_parts(connection: sqlite3.Connection) -> Sequence[str]:
    """The parts that are worked alone, as declared last; empty: all."""
    row = execute(connection, "meta_get", key=WORKED).fetchone()
    found: list[str] = [] if row is None else json.loads(row[0])
    return found


def count(connection: sqlite3.Connection) -> dict[str, PartCount]:
    """Seeds by part, in order of their names; nothing where seeds have no parts."""
    states: dict[str, dict[str, int]] = {}
    for part, state, n in execute(connection, "seeds_by_part"):
        states.setdefault(part, {})[state] = n
    return {part: PartCount(**found) for part, found in in_order(states).items()}


def in_order(by_part: Mapping[str, T]) -> dict[str, T]:
    """By the names of the parts: D2 before D10."""
    return dict(sorted(by_part.items(), key=lambda one: (len(one[0]), one[0])))


def check_parts(asked: Iterable[str], there_are: Iterable[str], what: str) -> None:
    """Raise UsageError where a part is asked for that none of these has."""
    known = list(there_are)
    for part in asked:
        if part not in known:
            told = f"there are: {', '.join(known)}" if known else "they have none: `parts` of agents.yaml divides them"
            raise UsageError(f"--part {part}: the {what} have no such part; {told}")


def _part_in_store(connection: sqlite3.Connection, seed_id: str) -> str:
    row = execute(connection, "part_of", id=seed_id).fetchone()
    return "" if row is None else str(row[0] or "")

"""Sums over the journal, by agent: what calls took and may have taken, from millions of them in a moment.

An answered call is never changed in what it adds to a sum. So the sums of those that are answered are kept, as of a
place in the table, and only what lies behind it is added up again, with those that had no answer then. What is kept is
not believed where the call at that place is another one (a file that was rewritten by VACUUM), or the schema is.

    read = sums(connection)         # anybody, in one transaction
    fold(connection)                # the writer, now and then
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from star_agents.limits.numbers import MOST_TOKENS, MOST_USD
from star_agents.storage.migrations import version_of
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json, to_json

FOLDED_FROM = 20_000
"""Calls behind the place of the kept sums from which on they are kept anew."""
_LOOKED_AT = "000"
"""What the keys of those answers begin with after which it is looked whether there are so many: one in 4,096."""
MOST_OPEN = 10_000
"""With more calls than these without an answer nothing is kept: they would be looked up one by one."""
_KEY = "call_sums"
_MOST = {"most_tokens": MOST_TOKENS, "most_usd": MOST_USD}


class CallSums(NamedTuple):
    """Of one agent."""

    answered: int = 0
    pending: int = 0
    """Intents without an answer."""
    repeated: int = 0
    """Sends that were repeated because no answer had been recorded."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    """Of the known prices."""
    unknown_price: int = 0
    """Answered calls whose price nobody knows."""
    at_risk_usd: float = 0.0
    """Most that sends of unknown cost may have cost, as far as something was reserved for them."""
    unreserved: int = 0
    """1 where nothing could be reserved for such a send."""
    sends: int = 0
    tokens: int = 0
    """Most that they took: sends of unknown length count as reserved."""

    def plus(self, other: CallSums) -> CallSums:
        """Of both together."""
        added: list[Any] = [one + another for one, another in zip(self, other, strict=True)]
        return CallSums(*added)._replace(unreserved=max(self.unreserved, other.unreserved))


_Sums = dict[str, CallSums]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """Sums of answered calls as of a place."""

    place: int
    """Of the last call that they hold."""
    open: list[int]
    """Places of calls before it that they do not hold."""
    sums: _Sums


def sums(connection: sqlite3.Connection) -> Mapping[str, CallSums]:
    """Of every agent, in order of name."""
    kept = _kept(connection)
    if kept is None:
        return _read(execute(connection, "sums_of_calls", state=None, **_MOST))
    return dict(sorted(_added(kept.sums, _behind(connection, kept, state=None)).items()))


def fold(connection: sqlite3.Connection, *, least: int = FOLDED_FROM) -> bool:
    """Keep the sums as of now, where at least so many calls came since they were kept; whether it did."""
    kept, newest = _kept(connection), execute(connection, "newest_call").fetchone()
    if newest is None or newest[0] - (kept.place if kept else 0) < least:
        return False
    still_open = [place for (place,) in execute(connection, "open_call_places", limit=MOST_OPEN + 1)]
    if len(still_open) > MOST_OPEN:
        return False
    place, key = newest
    if kept is None:
        found = _read(execute(connection, "sums_of_calls", state="answered", **_MOST))
    else:
        found = _added(kept.sums, _behind(connection, kept, state="answered"))
    told = {
        "schema": version_of(connection),
        "place": place,
        "key": key,
        "open": [one for one in still_open if one < place],
        "sums": found,
    }
    execute(connection, "meta_set", key=_KEY, value=to_json(told))
    return True


def fold_now_and_then(connection: sqlite3.Connection, key: str) -> None:
    """Keep the sums anew after some of the answers, going by their keys, which are hashes."""
    if key.startswith(_LOOKED_AT):
        fold(connection)


def forget(connection: sqlite3.Connection) -> None:
    """Keep none, where answered calls were changed."""
    execute(connection, "meta_forget", key=_KEY)


def _kept(connection: sqlite3.Connection) -> _Kept | None:
    """What is kept, where it can be believed."""
    row = execute(connection, "meta_get", key=_KEY).fetchone()
    if row is None:
        return None
    told = from_json(row[0])
    at_place = execute(connection, "call_at", place=told["place"]).fetchone()
    if told["schema"] != version_of(connection) or at_place is None or at_place[0] != told["key"]:
        return None
    sums_of = {agent: CallSums(*values) for agent, values in told["sums"].items()}
    return _Kept(place=told["place"], open=told["open"], sums=sums_of)


def _behind(connection: sqlite3.Connection, kept: _Kept, *, state: str | None) -> _Sums:
    asked = {"after": kept.place, "besides": json.dumps(kept.open), "state": state}
    return _read(execute(connection, "sums_of_calls_after", **asked, **_MOST))


def _read(rows: sqlite3.Cursor) -> _Sums:
    return {str(agent): CallSums(*amounts) for agent, *amounts in sorted(rows)}


def _added(some: Mapping[str, CallSums], others: Mapping[str, CallSums]) -> _Sums:
    none: Any = CallSums()
    return {agent: some.get(agent, none).plus(others.get(agent, none)) for agent in {*some, *others}}

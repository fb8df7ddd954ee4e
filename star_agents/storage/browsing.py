"""Rows looked for by what they say, where they come from and what was measured of them, in bounded time.

There is no index beside the store: outcomes are gone through in spans, newest or oldest first, until a page is full or
time is up. What was found by then is told with a cursor that goes on behind it, so a first look costs what it shows,
however many rows there are. An order by a measure has to see every row; cut short, it is one of those seen.
"""

from __future__ import annotations

import heapq
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from star_agents.errors import UsageError
from star_agents.records import Row
from star_agents.records.reviews import Review
from star_agents.storage.known_rows import row_digest
from star_agents.storage.pages import latest_seq
from star_agents.storage.reviews import reviews
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json

FIRST_SPAN, LARGEST_SPAN = 64, 4096
"""Outcomes that are looked at in one question: time is looked at between two."""
MOST_SORTED = 10_000
"""Rows of an order by a measure that can be paged through."""
_WORD = re.compile(r'"([^"]+)"|(\S+)')
_CURSOR = re.compile(r"(\d{1,18})\.(-?\d{1,9})\.(\d{1,18})")
_RANGE = re.compile(r"([^:,]{1,80}):([-+.eE0-9]{0,24}):([-+.eE0-9]{0,24})")


class Place(NamedTuple):
    """Where a row stands: its outcome, and its place among that one's rows; -1: the seed gave none."""

    seq: int
    ord: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What is looked for; what is empty says nothing."""

    words: str = ""
    """Each of them, or a phrase in double quotes, stands in a text of the row, whatever its case."""
    seed: str = ""
    kind: str = ""
    recipe: str = ""
    shape: str = ""
    """``none``: seeds without rows."""
    arm: str = ""
    """An arm, or an agent that is part of it."""
    label: str = ""
    value: str = ""
    ranges: str = ""
    """Such as ``gap:0.1:,pi:0.5:1``: bounds of measures, each may be left out."""
    review: str = ""
    """``accepted``, ``rejected``, ``edited``; ``any`` of these, or ``none``."""
    order: str = "newest"
    """``newest``, ``oldest``, or a measure, the highest first; the lowest with ``-`` before it."""


class Found(NamedTuple):
    """A page of places."""

    places: list[Place]
    next: str | None
    looked_at: int
    is_cut: bool


def find_places(connection: sqlite3.Connection, search: Search, *, cursor: str, limit: int, seconds: float) -> Found:
    """A page of rows.

    Args:
        connection: To read from, in one transaction.
        search: What is looked for.
        cursor: ``next`` of the page before; empty for the first.
        limit: Most rows.
        seconds: Time after which it is cut short.

    Raises:
        UsageError: the search or the cursor cannot be read.
    """
    _give_functions(connection, search)
    deadline = time.monotonic() + seconds
    if search.order in ("newest", "oldest"):
        return _in_order(connection, search, _cursor(cursor), limit, deadline)
    return _by_measure(connection, search, _cursor(cursor), limit, deadline)


def every_place(connection: sqlite3.Connection, search: Search, *, after: Place | None, outcomes: int) -> Found:
    """Places in the order of outcomes, of a span of so many of them behind ``after``, for whoever takes them all."""
    _give_functions(connection, search)
    begin = after.seq if after else 0
    upto = min(begin + outcomes, latest_seq(connection))
    rows = _places(connection, search, above=begin, upto=upto, turn=1, limit=-1)
    return Found([place for place, _ in rows], str(upto) if upto < latest_seq(connection) else None, upto, is_cut=False)


def _in_order(
    connection: sqlite3.Connection, search: Search, begin: tuple[Place, int] | None, limit: int, deadline: float
) -> Found:
    newest = latest_seq(connection)
    turn = -1 if search.order == "newest" else 1
    at, seen = begin or (Place(newest if turn < 0 else 1, -2), 0)
    found: list[Place] = []
    span = FIRST_SPAN
    while 1 <= at.seq <= newest:
        above, upto = (at.seq - span, at.seq) if turn < 0 else (at.seq - 1, at.seq + span - 1)
        more = limit - len(found) + 1
        found += [one for one, _ in _places(connection, search, above=above, upto=upto, turn=turn, limit=more, at=at)]
        if len(found) > limit:
            last = found[limit - 1]
            seen += abs(last.seq - at.seq)
            return Found(found[:limit], _text(last, seen), seen + 1, is_cut=False)
        seen += min(upto, newest) - max(above, 0)
        at = Place(above if turn < 0 else upto + 1, -2)
        if time.monotonic() >= deadline and 1 <= at.seq <= newest:
            return Found(found, _text(at, seen), seen, is_cut=True)
        span = min(2 * span, LARGEST_SPAN)
    return Found(found, None, seen, is_cut=False)


def _by_measure(
    connection: sqlite3.Connection, search: Search, begin: tuple[Place, int] | None, limit: int, deadline: float
) -> Found:
    skipped = begin[1] if begin else 0
    if skipped + limit > MOST_SORTED:
        raise UsageError(f"an order by a measure shows its first {MOST_SORTED:,} rows; narrow the search by a range")
    newest, seen = latest_seq(connection), 0
    sign = -1.0 if search.order.startswith("-") else 1.0
    best: list[tuple[float, int, int]] = []
    """A heap, its worst at the root."""
    span, is_cut = FIRST_SPAN, False
    at = newest
    while at > 0 and not is_cut:
        above = max(0, at - span)
        for place, value in _places(connection, search, above=above, upto=at, turn=-1, limit=-1):
            if value is not None:
                entry = (sign * value, place.seq, -place.ord)
                if len(best) < skipped + limit + 1:
                    heapq.heappush(best, entry)
                else:
                    heapq.heappushpop(best, entry)
        seen, at, span = seen + at - above, above, min(2 * span, LARGEST_SPAN)
        is_cut = at > 0 and time.monotonic() >= deadline
    ordered = [Place(seq, -negative) for _, seq, negative in sorted(best, reverse=True)]
    has_more = len(ordered) > skipped + limit
    following = _text(Place(0, 0), skipped + limit) if has_more else None
    return Found(ordered[skipped : skipped + limit], following, seen, is_cut)


def _places(
    connection: sqlite3.Connection,
    search: Search,
    *,
    above: int,
    upto: int,
    turn: int,
    limit: int,
    at: Place | None = None,
) -> Iterator[tuple[Place, float | None]]:
    by = search.order.lstrip("-")
    asked = {name: getattr(search, name) for name in ("seed", "kind", "recipe", "shape", "arm", "label", "value")}
    rows = execute(
        connection,
        "browsed_places",
        **asked,
        review=search.review,
        ranged=bool(search.ranges),
        worded=bool(search.words),
        by="" if by in ("newest", "oldest") else by,
        above=above,
        upto=upto,
        seq=at.seq if at else 0,
        ord=at.ord if at else -2,
        turn=turn,
        limit=limit,
    )
    return ((Place(seq, ord_), value) for seq, ord_, value in rows)


def _cursor(text: str) -> tuple[Place, int] | None:
    if not text:
        return None
    if (found := _CURSOR.fullmatch(text)) is None:
        raise UsageError(f"cursor: {text!r} is none; give the `next` of the page before, as it is")
    return Place(int(found[1]), int(found[2])), int(found[3])


def _text(place: Place, seen: int) -> str:
    return f"{place.seq}.{place.ord}.{seen}"


def _give_functions(connection: sqlite3.Connection, search: Search) -> None:
    """What the query asks of this search."""
    known = reviews(connection) if search.review else {}
    connection.create_function("holds", 1, _holds(search.words))
    connection.create_function("within", 3, _within(_read_ranges(search.ranges)))
    connection.create_function("reviewed", 3, _reviewed(search.review, known))
    by = search.order.lstrip("-")
    connection.create_function("measured", 3, lambda *told: measure(by, *told))


def _holds(words: str) -> Callable[[str], bool]:
    asked = [(phrase or word).casefold() for phrase, word in _WORD.findall(words)]
    written = [json.dumps(word, ensure_ascii=False)[1:-1] for word in asked]

    def holds(data: str) -> bool:
        folded = data.casefold()
        # Most rows are told apart by their JSON; one that may hold the words is read, since its keys are no texts.
        if "\\u" not in folded and not all(word in folded for word in written):
            return False
        texts = list(_texts(from_json(data)))
        return all(any(word in text for text in texts) for word in asked)

    return holds


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.casefold()
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if name not in ("role", "shape", "labels"):
                yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def measure(name: str, measures: str | None, payload: str | None, cost_usd: float | None) -> float | None:
    """A number that a row has, by name: of its trial, ``margin`` of a reward row, or ``cost_usd`` of its seed."""
    if name == "cost_usd":
        return cost_usd
    value = from_json(measures).get(name) if measures else None
    if value is None and name == "margin" and payload:
        value = from_json(payload).get("data", {}).get("margin")
    return value if isinstance(value, (int, float)) else None


def _within(ranges: list[tuple[str, float, float]]) -> Callable[[str | None, str | None, float | None], bool]:
    def within(measures: str | None, payload: str | None, cost_usd: float | None) -> bool:
        values = ((measure(name, measures, payload, cost_usd), low, high) for name, low, high in ranges)
        return all(value is not None and low <= value <= high for value, low, high in values)

    return within


def _read_ranges(text: str) -> list[tuple[str, float, float]]:
    found = []
    for part in filter(None, text.split(",")):
        read = _RANGE.fullmatch(part.strip())
        try:
            bounds = [float(read[at]) if read[at] else end for at, end in ((2, -1e308), (3, 1e308))] if read else []
        except ValueError:
            bounds = []
        if not read or not bounds:
            raise UsageError(f"ranges: {part!r} is none; write measure:low:high, such as gap:0.1: or pi:0.5:1")
        found.append((read[1], *bounds))
    return found  # type: ignore[return-value]


def _reviewed(
    wanted: str, known: Mapping[str, Mapping[bytes, Review]]
) -> Callable[[str, str | None, str | None], bool]:
    def reviewed(seed_id: str, payload: str | None, sample: str | None) -> bool:
        of_seed = known.get(seed_id)
        if payload is None:
            return False  # A seed that gave no row has nothing to review.
        review = of_seed.get(row_digest(read_row(payload, sample))) if of_seed else None
        if wanted in ("none", "any"):
            return (review is None) == (wanted == "none")
        return review is not None and review.verdict == wanted

    return reviewed


def read_row(payload: str, sample: str | None) -> Row:
    """A row as it lies in the store; ``sample`` is that of its trial, where its text is kept there."""
    plain = from_json(payload)
    if sample is not None:
        plain["data"] = {"sample": from_json(sample)}
    return Row.from_dict(plain)

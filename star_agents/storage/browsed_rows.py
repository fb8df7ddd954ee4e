"""Rows at places that were found (``browsing``), as people are shown them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from star_agents.observe.browsing import BrowsedDetail, BrowsedFacts, BrowsedPage, BrowsedRow, RowReview
from star_agents.records import Row
from star_agents.records.reviews import Review, editable
from star_agents.records.seeds import PART, without_part
from star_agents.storage.browsing import Place, Search, find_places, read_row
from star_agents.storage.known_rows import row_digest
from star_agents.storage.pages import latest_seq
from star_agents.storage.reviews import OfSeed, count_reviews, reviews, reviews_of_row
from star_agents.storage.sql import execute
from star_agents.storage.stories import seed_story
from star_agents.text.plain_data import from_json, plain, writable

FACTS_OF = 2_000
"""Newest outcomes from which labels and recipes are read."""
VALUES_SHOWN = 200
BESIDE = ("cost_usd", "margin")
"""Numbers that are looked for like measures (``browsing.measure``)."""


def browsed_page(
    connection: sqlite3.Connection, search: Search, *, cursor: str, limit: int, seconds: float
) -> BrowsedPage:
    """A page of rows; see ``browsing.find_places``."""
    found = find_places(connection, search, cursor=cursor, limit=limit, seconds=seconds)
    return BrowsedPage(
        rows=[shown for shown, _ in rows_at(connection, found.places)],
        next=found.next,
        outcomes=latest_seq(connection),
        looked_at=found.looked_at,
        is_cut=found.is_cut,
    )


def browsed_detail(connection: sqlite3.Connection, place: Place) -> BrowsedDetail | None:
    """A row with its reviews and its story; ``None`` where there is none, or it no longer counts."""
    for shown, row in rows_at(connection, [place]):
        story = seed_story(connection, shown.seed_id)
        if story is None:
            return None
        given = [] if row is None else reviews_of_row(connection, shown.seed_id, row)
        return BrowsedDetail(row=shown, reviews=[_told(one, row) for one in given if row], story=story)
    return None


def row_at(connection: sqlite3.Connection, place: Place) -> tuple[str, Row] | None:
    """A row and its seed's id; ``None`` where there is none."""
    return next(((shown.seed_id, row) for shown, row in rows_at(connection, [place]) if row is not None), None)


def browsed_facts(connection: sqlite3.Connection, *, folder: str, reviewer: str, why_no_review: str) -> BrowsedFacts:
    """What can be looked for."""
    labels: dict[str, list[str]] = {}
    for name, value, _ in execute(connection, "newest_labels", outcomes=FACTS_OF):
        values = labels.setdefault(name, [])
        if len(values) < VALUES_SHOWN:
            values.append(str(value))
    outcomes = latest_seq(connection)
    return BrowsedFacts(
        folder=folder,
        outcomes=outcomes,
        recipes=[name for (name,) in execute(connection, "recipes_of_outcomes", outcomes=FACTS_OF)],
        arms=[name for (name,) in execute(connection, "arms_that_won") if name],
        measures=[*(name for (name,) in execute(connection, "measure_names")), *BESIDE],
        labels={name: values for name, values in labels.items() if name != PART},
        looked_at=min(outcomes, FACTS_OF),
        reviews=dict(count_reviews(connection)),
        reviewer=reviewer,
        why_no_review=why_no_review,
    )


def rows_at(connection: sqlite3.Connection, places: Sequence[Place]) -> list[tuple[BrowsedRow, Row | None]]:
    """What is shown of rows, in the order of their places; those that are not there are left out."""
    asked = execute(connection, "browsed_rows", places=json.dumps(places)).fetchall()
    known = reviews(connection) if asked else {}
    made = (_shown(known.get(one[8], {}), *one) for one in asked)
    return [one for one in made if (one[1] is None) == (one[0].ord == -1)]


def _shown(known: OfSeed, *columns: Any) -> tuple[BrowsedRow, Row | None]:
    seq, ord_, at, kind, reason, recipe, arm, cost_usd, seed_id, source, labels = columns[:11]
    seed_kind, content, payload, sample, measures = columns[11:]
    row = None if payload is None else read_row(payload, sample)
    review = known.get(row_digest(row)) if row is not None and known else None
    measured = {**(from_json(measures) if measures else {})}
    if row is not None and "margin" in row.data:
        measured["margin"] = row.data["margin"]
    texts = editable(row) if row is not None else _texts_of_seed(seed_kind, from_json(content))
    shown = BrowsedRow(
        seq=seq,
        ord=ord_,
        at=at,
        seed_id=seed_id,
        shape="" if row is None else row.shape,
        kind=kind,
        reason=writable(reason),
        recipe=recipe,
        arm=arm,
        cost_usd=cost_usd,
        source=source,
        labels=plain(without_part({**from_json(labels), **(row.labels if row is not None else {})})),
        measures=measured,
        texts=_writable(texts),
        review=None if review is None or row is None else _told(review, row),
    )
    return shown, row


def _told(review: Review, row: Row) -> RowReview:
    texts: dict[str, str] = {}
    if review.data is not None:
        texts = editable(Row(shape=row.shape, data=review.data))
    return RowReview(verdict=review.verdict, reviewer=review.reviewer, at=review.at, texts=_writable(texts))


def _texts_of_seed(kind: str, content: dict[str, Any]) -> dict[str, str]:
    names = ("title", "text") if kind == "document" else ("instruction", "input", "response")
    return {name: content[name] for name in names if content.get(name)}


def _writable(texts: dict[str, str]) -> dict[str, str]:
    return {name: writable(text) for name, text in texts.items()}

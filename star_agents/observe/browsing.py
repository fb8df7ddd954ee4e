"""What is told to whoever looks through a folder's rows: one model for the store that finds them, the routes that
answer with it and the page. Open to every room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from star_agents.observe.status.model import view_model
from star_agents.observe.stories import SeedStory
from star_agents.records import OutcomeKind
from star_agents.records.reviews import Verdict


@view_model
class RowReview:
    """What a person said of a row."""

    verdict: Verdict
    reviewer: str
    at: float
    """Seconds since 1970."""
    texts: Mapping[str, str]
    """What an edited row says now, by the name of the text; empty otherwise."""


@view_model
class BrowsedRow:
    """A row of the dataset, or a seed that gave none."""

    seq: int
    """The outcome that gave it."""
    ord: int
    """Its place among the rows of the outcome; -1: a seed without rows."""
    at: float
    seed_id: str
    shape: Literal["sft", "preference", "reward", "instruction", ""]
    """Empty for a seed without rows."""
    kind: OutcomeKind
    reason: str
    """Why it was dropped."""
    recipe: str
    arm: str
    """Whose text it is, such as an agent-pair; empty where nobody's."""
    cost_usd: float | None
    """Of the seed's calls; null where a price is unknown."""
    source: str
    labels: Mapping[str, str]
    measures: Mapping[str, float | None]
    """Of the trial behind it, and a reward row's margin."""
    texts: Mapping[str, str]
    """What it says, by name: `instruction`, `input`, `response`, or `chosen` and `rejected`; these may be edited."""
    review: RowReview | None
    """The one that counts."""


@view_model
class BrowsedPage:
    """Rows that were looked for."""

    rows: Sequence[BrowsedRow]
    next: str | None
    """Cursor of what follows; null at the end."""
    outcomes: int
    """How many there are."""
    looked_at: int
    """Of them, with this page and those before it; with an order by a measure, with this page."""
    is_cut: bool
    """Time was up before all were looked at: by its cursor it goes on; an order by a measure is one of those seen."""


@view_model
class BrowsedFacts:
    """What can be looked for in a folder."""

    folder: str
    outcomes: int
    recipes: Sequence[str]
    arms: Sequence[str]
    measures: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    """Values by label, of the newest outcomes."""
    looked_at: int
    """How many outcomes recipes and labels were read from."""
    reviews: Mapping[str, int]
    """Rows by the review that counts."""
    reviewer: str
    """Who reviews here; empty: nobody."""
    why_no_review: str
    """Why no row can be reviewed; empty where they can be."""


@view_model
class BrowsedDetail:
    """A row with everything behind it."""

    row: BrowsedRow
    reviews: Sequence[RowReview]
    """All that were given, newest first."""
    story: SeedStory

"""What the routes of `browse` take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from star_agents.web.schemas import LONGEST_FILTER, Format, Query

LONGEST_TEXT = 500_000
Text = Annotated[str, Field(max_length=LONGEST_FILTER)]


class SearchQuery(Query):
    """What is looked for among rows; what is left out says nothing."""

    words: Text = ""
    """Words, each of which stands in a text of the row; a phrase stands in double quotes. Case is nothing."""
    seed: Text = ""
    """Only rows of this seed, by its id."""
    kind: Literal["", "kept", "base", "dropped"] = ""
    """How the seed ended."""
    recipe: Text = ""
    """Which worked it."""
    shape: Literal["", "sft", "preference", "reward", "instruction", "none"] = ""
    """Of rows; `none` for seeds that gave none."""
    arm: Text = ""
    """An arm such as an agent-pair, or an agent that is part of it."""
    label: Text = ""
    """A label, or its end behind a colon: `type` for `agent_instruct:type`."""
    value: Text = ""
    """With `label`: its value; left out, any."""
    ranges: Text = ""
    """Bounds of measures, such as `gap:0.1:,pi:0.5:1`; `cost_usd` and `margin` are measures here."""
    review: Literal["", "none", "any", "accepted", "rejected", "edited"] = ""
    """What people said of it."""


class RowsQuery(SearchQuery):
    """Of GET /v1/browse/rows."""

    order: Annotated[str, Field(min_length=1, max_length=LONGEST_FILTER)] = "newest"
    """`newest`, `oldest`, or a measure, the highest first; with `-` before it the lowest."""
    cursor: Text = ""
    """`next` of the page before."""
    limit: int = Field(default=50, ge=1, le=500)
    """Rows on one page."""
    seconds: float = Field(default=1.5, gt=0, le=60)
    """Time after which the search is cut short."""


class SelectionQuery(SearchQuery):
    """Of GET /v1/browse/selection."""

    format: Format = "messages"
    """Columns of the rows, as `export --format` has them."""
    file: Literal["jsonl", "json", "parquet"] = "jsonl"
    """Kind of file."""
    provenance: bool = True
    """Whether each row says where it comes from."""
    reviewed: Literal["follow", "only", "as-is"] = "follow"
    """Rejected rows out and edits in; only rows that people accepted or edited; or all as they were made."""


class GivenReview(BaseModel):
    """What a person says of a row."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["accepted", "rejected", "edited", "withdrawn"]
    """`withdrawn` takes back what was said before."""
    texts: dict[str, Annotated[str, Field(max_length=LONGEST_TEXT)]] = Field(default_factory=dict, max_length=8)
    """Of an edit: what the row's texts are to be, by name; those left out stay."""

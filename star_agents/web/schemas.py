"""What the routes take as parameters, as models: they check requests, and OpenAPI documents them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LARGEST_SEQ = 2**63 - 1
"""SQLite's largest row number."""
LONGEST_FILTER = 200
Seq = Annotated[int, Field(ge=0, le=LARGEST_SEQ)]
Filter = Annotated[str, Field(min_length=1, max_length=LONGEST_FILTER)]
Format = Literal["messages", "prompt-completion", "sharegpt", "alpaca", "tools", "dpo", "sharegpt-dpo", "messages-dpo"]
Level = Literal["debug", "info", "warning", "error", "critical"]


class Query(BaseModel):
    """Parameters of a route; what is not named here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Nothing(Query):
    """A route without parameters."""


class SeedsQuery(Query):
    """Of POST /v1/seeds."""

    source: str = Field(default="POST /v1/seeds", max_length=LONGEST_FILTER)
    """Where the seeds come from, for people; row numbers are added."""


class OutcomesQuery(Query):
    """Of GET /v1/outcomes."""

    before: Seq | None = None
    """Newest first, from the outcome before this one."""
    after: Seq | None = None
    """Oldest first, from the outcome after this one."""
    limit: int = Field(default=50, ge=1, le=500)
    """Outcomes on one page."""
    kind: Literal["kept", "base", "dropped"] | None = None
    """Only outcomes of this kind."""
    pair: Filter | None = None
    """Only outcomes that this pair won: `instruction/response`."""
    agent: Filter | None = None
    """Only outcomes won by a pair in which this agent is."""


class DatasetQuery(Query):
    """Of GET /v1/dataset."""

    format: Format = "messages"
    """Columns of the rows, as `export --format` has them."""
    file: Literal["jsonl", "json", "parquet"] = "jsonl"
    """Kind of file."""
    which: Literal["dataset", "rejected"] = "dataset"
    """The dataset, or the seeds that were dropped, each with its reason, as rows that can be read as seeds again."""
    provenance: bool = True
    """Whether each row of the dataset says where it comes from."""


class LogsQuery(Query):
    """Of GET /v1/logs."""

    event: Filter | None = None
    """Only lines of this event."""
    without: Filter | None = None
    """Lines of every event but this one."""
    agent: Filter | None = None
    """Only lines about this agent."""
    seed: Filter | None = None
    """Only lines about this seed: its id, or how it begins."""
    level: Level = "debug"
    """Only lines of this level or above."""
    limit: int = Field(default=200, ge=1, le=2000)
    """The newest so many."""


class EventsQuery(Query):
    """Of GET /v1/events."""

    after: Seq | None = None
    """Begin with the outcome after this one; a `Last-Event-ID` header says so too, and goes before. Left out: from
    now on."""
    logs: bool = False
    """Send the log's lines too."""
    level: Level = "info"
    """Of the log, only lines of this level or above."""

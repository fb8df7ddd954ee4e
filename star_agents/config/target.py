"""`target_rows` and `quota` of agents.yaml: how many rows are wanted, and how many of them may be alike."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from star_agents.config.base import MAX_COUNT, Section

Shape = Literal["sft", "preference", "reward", "instruction"]


class TargetConfig(Section):
    """How many rows the dataset is to have. `target_rows: 10_000` is short for `{rows: 10_000}`."""

    rows: int = Field(ge=1, le=MAX_COUNT)
    """So many, and not one more: what else comes of seeds that were in hand is kept as spare in the store."""
    shape: Shape = "sft"
    """Of this kind: `sft` (answered samples), `preference`, `reward`, or `instruction` (still to be answered)."""


class QuotaConfig(Section):
    """The most rows of the target that may have one value of a label: `{by: skill, at_most: 0.2}`."""

    by: str = Field(min_length=1, max_length=200)
    """A label of rows as `export --by` knows it: `skill`, `type`, `document`, `recipe`, `pair`, `source` …"""
    at_most: Annotated[float, Field(gt=0, le=1)]
    """Share of `target_rows`, rounded down, at least one row."""

"""What a report tells of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from star_agents.report.curves import Edit, Moment

GAPS = 50_000
"""Gaps that the histograms are drawn from; a run up to this length counts whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """A run, as a report tells it."""

    name: str
    """Of the folder."""
    summary: Mapping[str, Any]
    """The numbers, as plain data."""
    gaps_chosen: list[float]
    gaps_others: list[float]
    stories: Mapping[str, Sequence[Mapping[str, Any]]]
    """Seeds to read, by sort: best, typical, base, dropped. As GET /v1/seeds/{id} tells them."""
    pools: Mapping[str, Sequence[Moment]]
    """The curve of every pool but that of the pairs."""

    @property
    def moments(self) -> list[Moment]:
        """The curve of every pair."""
        return [Moment(one["seq"], one["probabilities"]) for one in self.summary["curve"]]

    @property
    def edits(self) -> list[Edit]:
        """What changed in agents.yaml on the way."""
        return [
            Edit(one["seq"], f"agents.yaml after {one['seq']:,}: {', '.join(one['changes'])}")
            for one in self.summary["edits"]
        ]


def summary_text(summary: Mapping[str, Any]) -> str:
    """The numbers as JSON to read."""
    return json.dumps(summary, indent=2, ensure_ascii=False) + "\n"

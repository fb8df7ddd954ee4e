"""What comes out of a file, row by row: a row with its place, or what stands in its way there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from star_agents.errors import Problem

Row = dict[str, Any]
Found = tuple[str, Row] | Problem
"""A row with its place, such as ``seeds.jsonl:12``; or what is wrong there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutShort(Problem):
    """The file ends in the middle of something: it was cut, or somebody is still writing it."""

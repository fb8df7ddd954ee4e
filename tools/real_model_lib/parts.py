"""What each agent of a run did, from the run's own store: calls, tokens, replies of no use, and mending."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from star_agents.records.failures import FLAWS, UNREADABLE
from star_agents.storage.reader import StoreReader

_CALLS = """
SELECT agent, count(*), sum(prompt_tokens), sum(completion_tokens), sum(answered_at - intended_at),
    sum(step LIKE '%:repair'), sum(step LIKE '%:repair' AND json_extract(reply, '$.finish_reason') = 'length')
FROM calls WHERE state = 'answered' GROUP BY agent ORDER BY min(intended_at)
"""
_WALL = "SELECT min(intended_at), max(answered_at) FROM calls WHERE state = 'answered'"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One agent; where each plays one part, that part."""

    agent: str
    calls: int
    """Answered, those that asked once more included."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """Of its calls, waiting for the server included; of two at once both count."""
    without_form: int
    """Replies that had not the form that was asked for."""
    cut: int
    """Replies that came to no end, where that makes them useless."""
    repairs: int
    """Calls that told what was wrong with a reply, and asked once more."""
    mended: int
    """Those of them whose reply could be read."""

    @property
    def unreadable(self) -> float:
        """Share of its replies that were of no use."""
        return (self.without_form + self.cut) / self.calls


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A run, part by part, in the order in which they were first asked."""

    parts: Sequence[Part]
    wall_s: float
    """From the first call to the last answer, pauses between two runs in one folder included."""

    @property
    def calls(self) -> int:
        """Of all parts."""
        return sum(one.calls for one in self.parts)

    @property
    def tokens_per_second(self) -> float:
        """Written by all parts together; prompts are not counted."""
        return sum(one.completion_tokens for one in self.parts) / self.wall_s if self.wall_s else 0.0


def figures(folder: Path) -> Figures:
    """Read them. Raises StoreError where there is no store."""
    with StoreReader(folder) as reader:
        counted = {(one.name, one.reason): one.failures for one in reader.tallies().failures if one.part in _ASKED}
        with closing(sqlite3.connect(f"{reader.path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(_CALLS).fetchall()
            began, ended = connection.execute(_WALL).fetchone()
    return Figures(parts=[_part(row, counted) for row in rows], wall_s=(ended or 0.0) - (began or 0.0))


_ASKED = ("agent", "referee")


def _part(row: tuple[str, int, int, int, float, int, int], counted: dict[tuple[str, str], int]) -> Part:
    agent, calls, prompt_tokens, completion_tokens, seconds, repairs, cut_again = row
    cut = counted.get((agent, FLAWS["length"]), 0)
    without_form = counted.get((agent, FLAWS["format"]), 0) + counted.get((agent, UNREADABLE), 0)
    # Each reply without its form is followed by a repair unless it is one; one that is cut counts only where that does.
    again = max(0, without_form - repairs) + (cut_again if cut else 0)
    return Part(
        agent=agent,
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=seconds,
        without_form=without_form,
        cut=cut,
        repairs=repairs,
        mended=max(0, repairs - again),
    )


def table(found: Figures) -> str:
    """As lines that a terminal shows."""
    head = (
        "part",
        "calls",
        "unreadable",
        "no form",
        "cut",
        "asked again",
        "mended",
        "tokens read",
        "written",
        "s/call",
    )
    lines = [
        (
            one.agent,
            f"{one.calls}",
            f"{one.unreadable:.0%}",
            f"{one.without_form}",
            f"{one.cut}",
            f"{one.repairs}",
            f"{one.mended}",
            f"{one.prompt_tokens}",
            f"{one.completion_tokens}",
            f"{one.seconds / one.calls:.1f}",
        )
        for one in found.parts
    ]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    shown = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *lines)]
    total = f"{found.calls} calls in {found.wall_s:.0f} s, {found.tokens_per_second:.0f} tokens written per second"
    return "\n".join([*shown, total])

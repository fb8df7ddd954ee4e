"""What a person said of a row: kept beside it, each time anew; the newest counts, and the row stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from star_agents.records.samples import Sample
from star_agents.records.trials import Row

Verdict = Literal["accepted", "rejected", "edited", "withdrawn"]
"""``withdrawn``: the person takes back what was said before."""
ReviewsUse = Literal["follow", "only", "as-is"]
"""``follow``: rejected rows are left out, edited ones say what they were changed to; ``only``: of these, only rows that
were accepted or edited; ``as-is``: reviews change nothing."""
SAMPLES = ("sft", "instruction")
"""Shapes of rows that hold one sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What somebody said of a row."""

    verdict: Verdict
    reviewer: str
    at: float
    """Seconds since 1970."""
    data: Mapping[str, Any] | None = None
    """Of an edited one: what the row says now, in the form of ``Row.data``."""

    @property
    def told(self) -> dict[str, Any]:
        """As a row's provenance tells it."""
        return {"verdict": self.verdict, "reviewer": self.reviewer, "at": self.at}


def editable(row: Row) -> dict[str, str]:
    """The texts of a row that a person may change, by name."""
    prompt = Sample.from_dict(row.data["sample" if row.shape in SAMPLES else "prompt"])
    asked = {"instruction": prompt.instruction, **({"input": prompt.input} if prompt.input else {})}
    if row.shape == "instruction":
        return asked
    if row.shape == "sft":
        return {**asked, **({} if prompt.response is None else {"response": prompt.response})}
    return {**asked, "chosen": row.data["chosen"], "rejected": row.data["rejected"]}


def edited(row: Row, texts: Mapping[str, str]) -> dict[str, Any]:
    """The data of a row with some of its ``editable`` texts changed.

    Raises:
        ValueError: saying which text cannot be changed so.
    """
    known = editable(row)
    if unknown := sorted(texts.keys() - known.keys()):
        raise ValueError(f"{unknown[0]}: is no text of this row; it has {', '.join(known)}")
    if blank := [name for name, text in texts.items() if name != "input" and not text.strip()]:
        raise ValueError(f"{blank[0]}: must not be empty; reject the row instead")
    now = {**known, **texts}
    if now == known:
        raise ValueError("nothing was changed; accept the row instead")
    if "chosen" in now and now["chosen"] == now["rejected"]:
        raise ValueError("rejected: is the chosen answer once more, which prefers nothing; reject the row instead")
    place = "sample" if row.shape in SAMPLES else "prompt"
    asked = {name: text for name, text in now.items() if name not in ("chosen", "rejected")}
    data = {**row.data, place: {**row.data[place], **asked}}
    return {**data, **{name: now[name] for name in ("chosen", "rejected") if name in now}}

"""Seeds to read in a report: what came in, what was chosen and why, and what the others wrote. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Data = Mapping[str, Any]
SORTS = {
    "best": ("Improved the most", "The highest π, and among equals the largest gap."),
    "typical": ("Improved, as most are", "Gaps about the median."),
    "base": ("Kept as their base", "No sampled pair did better than the base. Drawn at random."),
    "dropped": ("Dropped", "Nothing usable was written. Drawn at random."),
}
"""Heading and meaning of each sort."""


def stories(by_sort: Mapping[str, Sequence[Data]]) -> list[dict[str, Any]]:
    """Everything to read, sort by sort."""
    return [
        {"head": head, "meaning": meaning, "stories": [_story(one) for one in found if one["outcomes"]]}
        for sort, (head, meaning) in SORTS.items()
        if (found := by_sort.get(sort))
    ]


def _story(story: Data) -> dict[str, Any]:
    seed, outcome = story["seed"], story["outcomes"][0]
    sample = seed["sample"]
    turns = [(turn["role"], turn["content"]) for turn in sample["messages"]]
    candidates = [{**one, "numbers": _numbers(one), "texts": _texts(one, seed)} for one in outcome["candidates"]]
    return {
        "source": seed["source"],
        "why": outcome["why"],
        "earlier": turns[: -2 if sample["response"] is not None else -1],
        "sample": sample,
        "chosen": next((one for one in candidates if one["chosen"]), None),
        "others": [one for one in candidates if not one["chosen"]],
    }


def _texts(one: Data, seed: Data) -> list[tuple[str, str]]:
    """What a pair wrote: the response, and the instruction where it is another than the seed's."""
    turns = one["messages"]
    if not turns:
        return [("text", "not kept any more (retention_days)")]
    response = turns[-1]["content"] if turns[-1]["role"] == "assistant" else ""
    question = next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), "")
    asked = next((turn["content"] for turn in reversed(seed["sample"]["messages"]) if turn["role"] == "user"), "")
    return ([("instruction", question)] if question != asked else []) + [("response", response)]


def _numbers(one: Data) -> list[tuple[str, float]]:
    """What was measured of a candidate, by the names that the field gives it."""
    score = one["score"] or {}
    facts = [
        ("π", one["pi"]),
        ("referee", one["pi_llm"]),
        ("gap", score.get("gap")),
        ("IFD small", score.get("ifd_small")),
        ("IFD large", score.get("ifd_large")),
    ]
    return [(name, value) for name, value in facts if value is not None]

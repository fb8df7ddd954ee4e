"""Seeds to read in a report: what came in, what was chosen and why, and what the others wrote. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.report.markup import earlier_turns, labelled, text

Data = Mapping[str, Any]
SORTS = {
    "best": ("Improved the most", "The highest π, and among equals the largest gap."),
    "typical": ("Improved, as most are", "Gaps about the median."),
    "base": ("Kept as their base", "No sampled pair did better than the base. Drawn at random."),
    "dropped": ("Dropped", "Nothing usable was written. Drawn at random."),
}
"""Heading and meaning of each sort."""


def stories(by_sort: Mapping[str, Sequence[Data]]) -> str:
    """Everything to read, sort by sort."""
    parts = []
    for sort, (head, meaning) in SORTS.items():
        if found := by_sort.get(sort):
            told = "".join(_story(one) for one in found)
            parts.append(f'<section><h2>{head}</h2><p class="quiet">{meaning}</p>{told}</section>')
    return "".join(parts)


def _story(story: Data) -> str:
    outcome = story["outcomes"][0] if story["outcomes"] else None
    seed = story["seed"]
    source = f' <span class="quiet">{text(seed["source"])}</span>' if seed["source"] else ""
    if outcome is None:
        return ""
    chosen = next((one for one in outcome["candidates"] if one["chosen"]), None)
    head = f"<b>{text(chosen['pair'])}</b>{_numbers(chosen)}" if chosen else "<b>dropped</b>"
    others = [one for one in outcome["candidates"] if not one["chosen"]]
    return (
        f'<article><p class="numbers">{head}{source}</p><p class="why">{text(outcome["why"])}</p>'
        f"{_question(seed)}{labelled('seed: response', seed['sample']['response'] or '')}"
        f"{_chosen(chosen, seed) if chosen else ''}{''.join(_other(one, seed) for one in others)}</article>"
    )


def _question(seed: Data) -> str:
    sample = seed["sample"]
    turns = [(turn["role"], turn["content"]) for turn in sample["messages"]]
    earlier = turns[: -2 if sample["response"] is not None else -1]
    parts = [labelled("seed: instruction", sample["instruction"]), labelled("seed: input", sample["input"])]
    return earlier_turns(earlier) + "".join(parts)


def _chosen(one: Data, seed: Data) -> str:
    return "".join(labelled(f"chosen: {label}", said) for label, said in _written(one, seed))


def _other(one: Data, seed: Data) -> str:
    """Another candidate, folded."""
    kind = "base" if one["is_base"] else "candidate"
    if one["failure"]:
        return f'<p class="failed">{kind} {text(one["pair"])}: {text(one["failure"])}</p>'
    texts = "".join(labelled(label, said) for label, said in _written(one, seed))
    head = f"{kind} <b>{text(one['pair'])}</b>{_numbers(one)}"
    return f'<details><summary><span class="numbers">{head}</span></summary>{texts}</details>'


def _written(one: Data, seed: Data) -> list[tuple[str, str]]:
    """What a pair wrote: the response, and the instruction where it is another than the seed's."""
    turns = one["messages"]
    if not turns:
        return [("text", "not kept any more (retention_days)")]
    response = turns[-1]["content"] if turns[-1]["role"] == "assistant" else ""
    question = next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), "")
    asked = next((turn["content"] for turn in reversed(seed["sample"]["messages"]) if turn["role"] == "user"), "")
    return ([("instruction", question)] if question != asked else []) + [("response", response)]


def _numbers(one: Data) -> str:
    score = one["score"] or {}
    facts = [
        ("π", one["pi"]),
        ("referee", one["pi_llm"]),
        ("gap", score.get("gap")),
        ("IFD small", score.get("ifd_small")),
        ("IFD large", score.get("ifd_large")),
    ]
    return "".join(f"<span>{name} {_number(value)}</span>" for name, value in facts if value is not None)


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")

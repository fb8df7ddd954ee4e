"""What the target lost, counted by hand from ``battles.jsonl``: by ten lines that know nothing of the product's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from lines import read_jsonl

Rows = Iterable[Mapping[str, Any]]


def lost_shares(folder: Path, target: str) -> dict[str, float]:
    """Prompt to the share of its battles that the target lost; both orders are one battle, equal answers a tie."""
    margins: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row in read_jsonl(folder / "battles.jsonl"):
        if target in (row["first"], row["second"]):
            other = row["second"] if row["first"] == target else row["first"]
            sign = 1 if row["second"] == target else -1
            ahead = 0.0 if row["answers_are_equal"] else sign * (row["first_score"] - row["second_score"])
            margins[row["prompt"]][other][row["judge"]].append(ahead)
    return {
        prompt: fmean(fmean(fmean(each) for each in of.values()) > 1e-9 for of in others.values())
        for prompt, others in margins.items()
    }


def by_label(shares: Mapping[str, float], labels: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, list[float]]]:
    """Label to value, to the shares of the prompts that have it."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for prompt, share in shares.items():
        for label, value in labels[prompt].items():
            found[label][value].append(share)
    return {label: dict(values) for label, values in found.items()}

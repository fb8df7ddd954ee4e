"""What a row says of where it comes from, by name. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from star_agents.records.outcomes import Outcome
from star_agents.records.seeds import PART, Seed, without_part
from star_agents.records.trials import Row

NONE = "(none)"
"""The value of a label that a row does not have."""


def labels_of_row(outcome: Outcome, row: Row, seed: Seed) -> dict[str, str]:
    """Its labels and those of its seed; beside them ``recipe``, ``pair``, ``source`` and ``part``."""
    arms = [outcome.trials[place].arm for place in row.from_trials if place < len(outcome.trials)]
    return labels_from(
        {**seed.labels, **row.labels}, recipe=outcome.recipe, source=seed.source, arm=arms[0] if arms else ""
    )


def labels_from(labels: Mapping[str, str], *, recipe: str, source: str, arm: str) -> dict[str, str]:
    """The same of their parts."""
    part = labels.get(PART, "")
    beside = {"recipe": recipe, "pair": arm, "source": source, **({"part": part} if part else {})}
    return {**beside, **without_part(labels)}


def value_of(labels: Mapping[str, str], label: str) -> str:
    """The value of a label, which may be named by its end alone where it stands behind a recipe's name; ``(none)``
    where a row has none."""
    if (found := labels.get(label)) is None:
        found = next((value for name, value in labels.items() if name.endswith(f":{label}")), "")
    return found or NONE

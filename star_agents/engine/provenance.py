"""What the provenance of a row says, as cards tell it. Of one from a file, what is of another kind says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from star_agents.records import STAR

Provenance = Mapping[str, Any]
_PLACE = re.compile(r"(#.*\d+-\d+|:(row )?\d+( instances\[\d+\])?)$", re.DOTALL)
"""Of a part of a document, of a row, or of one of a row's instances."""


def recipe_of(provenance: Provenance) -> str:
    """The recipe that made the row; empty where nothing tells it."""
    recipe = provenance.get("recipe") or (STAR if provenance.get("pair") else "")
    return recipe if isinstance(recipe, str) else ""


def models_of(provenance: Provenance) -> frozenset[str]:
    """The models that had a hand in it, by the names that agents.yaml has for them."""
    trials = provenance.get("trials")
    makers = [provenance, *(trials if isinstance(trials, list) else ())]
    named = [one.get("models") for one in makers if isinstance(one, Mapping)]
    return frozenset(
        name for one in named if isinstance(one, Mapping) for name in one.values() if isinstance(name, str)
    )


def source_of(provenance: Provenance) -> str:
    """The file or dataset that the seed came from, without its place in it; empty where nothing tells it."""
    source = provenance.get("source")
    if not isinstance(source, str):
        return ""
    return _PLACE.sub("", source) or source

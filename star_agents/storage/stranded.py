"""Seeds that no recipe of the chain takes: they wait until one does, are passed over, and are told.

An edit may take a recipe out of the chain while its seeds wait. What they are made of is paid for: nobody drops them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from star_agents.records import Declaration, SeedKind
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json

Taken = Sequence[tuple[str, str]]
"""Recipe and kind of the seeds that a chain takes; the recipe is empty for seeds from outside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stranded:
    """Seeds that wait for a recipe that is not in the chain."""

    recipe: str
    """Empty for seeds from outside, which the first recipe takes."""
    kind: str
    seeds: int

    @property
    def sentence(self) -> str:
        """In words, with what to do."""
        count = f"{self.seeds:,} seeds wait" if self.seeds > 1 else "1 seed waits"
        what = "they are" if self.seeds > 1 else "it is"
        if self.recipe:
            told = f"{count} for recipe {self.recipe}, which is not in `recipe` of agents.yaml"
            return f"{told}; put it back into the chain, and {what} worked"
        kind = f"an {self.kind}" if self.kind == "instruction" else f"a {self.kind}"
        each = f", each {kind}" if self.seeds > 1 else f", {kind}"
        told = f"{count}{each}, which the first recipe of agents.yaml does not take"
        return f"{told}; put one first that takes {self.kind}s, and {what} worked"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for status and summary, the sentence included."""
        return {"recipe": self.recipe, "kind": self.kind, "seeds": self.seeds, "sentence": self.sentence}


def taken_by(chain: Sequence[Declaration]) -> list[tuple[str, str]]:
    """What a chain takes: of outside what its first recipe takes, and whatever kind was made for one of its recipes."""
    first: set[str] = set(chain[0].takes) if chain else set()
    # A sample is an instruction, too.
    outside = {*first, *({"sample"} if "instruction" in first else ())}
    made = [(one.recipe, kind) for one in chain for kind in get_args(SeedKind)]
    return [*(("", kind) for kind in sorted(outside)), *made]


def stranded(connection: sqlite3.Connection) -> tuple[Stranded, ...]:
    """Seeds that the chain which was declared last does not take; of a store that was never worked on, none."""
    declared = [
        Declaration(recipe=name, takes=tuple(from_json(takes)))
        for name, stage, takes in execute(connection, "declared_recipes")
        if stage is not None
    ]
    if not declared:
        return ()
    rows = execute(connection, "waiting_by_recipe", taken=json.dumps(taken_by(declared)))
    return tuple(Stranded(recipe=recipe, kind=kind, seeds=seeds) for recipe, kind, seeds in rows)

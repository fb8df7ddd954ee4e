"""Seeds that nobody takes as things stand: they wait, are passed over, and are told.

An edit may take a recipe out of the chain while its seeds wait. What they are made of is paid for: nobody drops them.
And a run may work some parts of the seeds alone (``parts``): those of the others wait for their turn.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from star_agents.records import Declaration, SeedKind
from star_agents.storage import parts
from star_agents.storage.sql import execute
from star_agents.text.plain_data import from_json

Taken = Sequence[tuple[str, str]]
"""Recipe and kind of the seeds that a chain takes; the recipe is empty for seeds from outside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stranded:
    """Seeds that wait for a recipe that is not in the chain, or for the turn of their part."""

    recipe: str = ""
    """Empty for seeds from outside, which the first recipe takes."""
    kind: str = ""
    """Empty where they wait for their part."""
    seeds: int
    parts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many are of which part, where it is not worked now."""

    @property
    def sentence(self) -> str:
        """In words, with what to do."""
        count = f"{self.seeds:,} seeds wait" if self.seeds > 1 else "1 seed waits"
        what = "they are" if self.seeds > 1 else "it is"
        if self.parts:
            told = ", ".join(f"{part} {n:,}" for part, n in self.parts.items())
            how = "`run --part NAME`, or `parts: {only: [NAME]}` of agents.yaml, says which are worked"
            return f"{count} whose part is not worked now ({told}); {how}"
        if self.recipe:
            told = f"{count} for recipe {self.recipe}, which is not in `recipe` of agents.yaml"
            return f"{told}; put it back into the chain, and {what} worked"
        kind = f"an {self.kind}" if self.kind == "instruction" else f"a {self.kind}"
        each = f", each {kind}" if self.seeds > 1 else f", {kind}"
        told = f"{count}{each}, which the first recipe of agents.yaml does not take"
        return f"{told}; put one first that takes {self.kind}s, and {what} worked"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for status and summary, the sentence included."""
        return {
            "recipe": self.recipe,
            "kind": self.kind,
            "seeds": self.seeds,
            "parts": dict(self.parts),
            "sentence": self.sentence,
        }


def taken_by(chain: Sequence[Declaration]) -> list[tuple[str, str]]:
    """What a chain takes: of outside what its first recipe takes, and whatever kind was made for one of its recipes."""
    first: set[str] = set(chain[0].takes) if chain else set()
    # A sample is an instruction, too.
    outside = {*first, *({"sample"} if "instruction" in first else ())}
    made = [(one.recipe, kind) for one in chain for kind in get_args(SeedKind)]
    return [*(("", kind) for kind in sorted(outside)), *made]


def stranded(connection: sqlite3.Connection) -> tuple[Stranded, ...]:
    """Seeds that the chain which was declared last does not take, or whose part it does not work; of a store that was
    never worked on, none."""
    declared = [
        Declaration(recipe=name, takes=tuple(from_json(takes)))
        for name, stage, takes in execute(connection, "declared_recipes")
        if stage is not None
    ]
    if not declared:
        return ()
    taken = json.dumps(taken_by(declared))
    rows = execute(connection, "waiting_by_recipe", taken=taken)
    found = [Stranded(recipe=recipe, kind=kind, seeds=seeds) for recipe, kind, seeds in rows]
    if only := parts.worked_parts(connection):
        others = dict(execute(connection, "waiting_of_other_parts", parts=json.dumps(only), taken=taken).fetchall())
        found += [Stranded(seeds=sum(others.values()), parts=parts.in_order(others))] if others else []
    return tuple(found)

"""The rows of a run, or of a file, as examples of one method; and what there is to tell of them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_agents.engine.provenance import models_of, recipe_of
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.storage.incoming.tool_dialogues import row_of_dialogue
from star_agents.storage.outgoing.training_rows import TaughtRow, TaughtShape, files_of, taught_rows
from star_agents.storage.split import Split
from star_agents.text.content_hash import digest
from star_agents.training.examples import Example
from star_agents.training.request import Method

TAKES: Mapping[Method, tuple[TaughtShape, ...]] = {
    "sft": ("sft",),
    "dpo": ("preference", "reward"),
    "reward": ("reward", "preference"),
    "rloo": ("sft", "instruction", "preference", "reward"),
}
"""Shapes that a method learns from."""
ONE_SHAPE = ("dpo", "reward")
"""Methods that take the first of their shapes that there is: a run tells each pair in both."""
IN_WORDS: Mapping[TaughtShape, str] = {
    "sft": "answered",
    "preference": "preference",
    "reward": "reward",
    "instruction": "unanswered",
}
PROBLEMS_TOLD = 20
HELD_OUT = "held out"
CHUNK = 1 << 20


@dataclass(kw_only=True)
class Rows:
    """The rows that a training was given, as examples, and how many were left out and why."""

    examples: list[Example] = field(default_factory=list[Example])
    """To learn from, in the order in which they stand."""
    held_out: list[Example] = field(default_factory=list[Example])
    shapes: Counter[str] = field(default_factory=Counter[str])
    """Of all rows, those of other methods included."""
    repeated: int = 0
    """Prompts that stand in an earlier row: RLOO answers each once."""
    problems: list[Problem] = field(default_factory=list[Problem])
    bad: int = 0
    """Rows that could not be read; ``problems`` tells the first ones."""
    skipped: Counter[str] = field(default_factory=Counter[str])
    """Pairs of a run that teach no preference, by reason."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Name of each file to its SHA-256; none for a store."""
    recipes: Counter[str] = field(default_factory=Counter[str])
    revisions: set[int] = field(default_factory=set[int])
    """Of the run's config."""
    agents: Counter[str] = field(default_factory=Counter[str])
    """Who made the rows, as their provenance names them."""
    digest: str = ""
    """Of every example, in order."""


def read_examples(source: Path, method: Method, *, eval_share: float, seed: int, bad_rows: float) -> Rows:
    """Read all rows that a method learns from.

    Args:
        source: A run's folder or a file.
        method: Which shapes are taken.
        eval_share: Share of the prompts that are held out.
        seed: Another one holds out others.
        bad_rows: Share of the rows that may be unreadable.

    Raises:
        SeedFileError: more of them are, or there is no such file.
        StoreError: the folder's store cannot be read.
        UsageError: no row is one for this method.
    """
    rows = Rows()
    by_shape: dict[TaughtShape, list[Example]] = {shape: [] for shape in IN_WORDS}
    origins: dict[TaughtShape, list[Mapping[str, Any]]] = {shape: [] for shape in IN_WORDS}
    for one in taught_rows(source, rows.skipped):
        if isinstance(one, Problem):
            rows.bad += 1
            if len(rows.problems) < PROBLEMS_TOLD:
                rows.problems.append(one)
        else:
            rows.shapes[one.shape] += 1
            by_shape[one.shape].append(_example(one))
            origins[one.shape].append(one.provenance)
    _refuse_bad(rows, bad_rows)
    taken = _taken(by_shape, method)
    chosen = [example for shape in taken for example in by_shape[shape]]
    for provenance in itertools.chain.from_iterable(origins[shape] for shape in taken):
        _note_origin(rows, provenance)
    if method == "rloo":
        unique: dict[str, Example] = {}
        for example in chosen:
            unique.setdefault(example.group, example)
        rows.repeated, chosen = len(chosen) - len(unique), list(unique.values())
    if not chosen:
        raise UsageError(_why_none(source, rows, method))
    split = Split({HELD_OUT: eval_share, "learned": 1 - eval_share}, seed, "training ") if eval_share else None
    for example in chosen:
        is_held = split is not None and split.part_of(example.group) == HELD_OUT
        (rows.held_out if is_held else rows.examples).append(example)
    if eval_share and not (rows.held_out and rows.examples):
        side = "is left to learn from" if rows.held_out else f"falls into --eval-share {eval_share:g}"
        raise UsageError(f"{source}: holds {len(chosen):,} rows, and no prompt of them {side}: take another share")
    rows.digest = _digest(chosen)
    rows.files = {file.name: _file_hash(file) for file in files_of(source)}
    return rows


def _taken(by_shape: Mapping[TaughtShape, list[Example]], method: Method) -> list[TaughtShape]:
    """Shapes that the method learns from here."""
    there = [shape for shape in TAKES[method] if by_shape[shape]]
    return there[:1] if method in ONE_SHAPE else there


def _example(row: TaughtRow) -> Example:
    sample = row.sample
    dialogue = row_of_dialogue(sample) if sample.holds_tools else None
    asked = tuple(turn.to_dict() for turn in sample.prompt)
    answered = len(sample.messages) > len(asked)
    return Example(
        prompt=asked,
        answer=sample.messages[-1].content if answered else "",
        rejected=row.rejected,
        margin=row.margin,
        turns=tuple(dialogue["messages"]) if dialogue else (),
        answers=sum(turn.role == "assistant" for turn in sample.tool_turns) + (sample.response is not None),
        tools=tuple(tool.to_dict() for tool in sample.tools),
        where=row.where,
        group=digest([dict(turn) for turn in asked])[:32],
    )


def _note_origin(rows: Rows, provenance: Mapping[str, Any]) -> None:
    """What the card tells of a row."""
    if isinstance(revision := provenance.get("revision"), int):
        rows.revisions.add(revision)
    if recipe := recipe_of(provenance):
        rows.recipes[recipe] += 1
    rows.agents.update(models_of(provenance))


def _refuse_bad(rows: Rows, share: float) -> None:
    read = rows.bad + rows.shapes.total()
    if rows.bad > share * read:
        untold = rows.bad - len(rows.problems)
        last = Problem(
            where=rows.problems[0].where.partition(":")[0], field="", message=f"holds {untold:,} more bad rows"
        )
        told = [*rows.problems, *([last] if untold else [])]
        fix = Problem(
            where=f"{rows.bad:,} of {read:,} rows",
            field="",
            message=f"cannot be read, and --bad-rows {share:g} lets {int(share * read):,} be left out",
            fix="mend them, or raise --bad-rows",
        )
        raise SeedFileError([*told, fix])


def _why_none(source: Path, rows: Rows, method: Method) -> str:
    held = ", ".join(f"{n:,} {IN_WORDS[shape]}" for shape in IN_WORDS if (n := rows.shapes[shape])) or "no"
    wanted = " or ".join(IN_WORDS[shape] for shape in TAKES[method])
    others = [name for name, shapes in TAKES.items() if any(rows.shapes[shape] for shape in shapes)]
    fix = f": --method {' or '.join(others)} takes them" if others else ""
    skipped = ", ".join(f"{n:,} {reason}" for reason, n in rows.skipped.items())
    return f"{source}: {method} learns from {wanted} rows; found {held} rows{fix}" + (
        f" (pairs left out: {skipped})" if skipped else ""
    )


def _digest(examples: Iterable[Example]) -> str:
    found = hashlib.sha256()
    for one in examples:
        plain = [one.prompt, one.answer, one.rejected, one.margin, one.turns, one.tools]
        found.update(digest(plain).encode())
    return found.hexdigest()[:32]


def _file_hash(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as handle:
        while block := handle.read(CHUNK):
            found.update(block)
    return found.hexdigest()

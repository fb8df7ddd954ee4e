"""`export`: the dataset in a format of the field."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from star_agents.cli.export_by_label import ByLabel, label_options, stripped
from star_agents.cli.redeciding import redeciding
from star_agents.cli.tables import print_json
from star_agents.errors import UsageError
from star_agents.records.reviews import ReviewsUse
from star_agents.storage.export import FORMATS, Wanted, dataset_rows, write_export
from star_agents.storage.parts import check_parts
from star_agents.storage.reader import StoreReader
from star_agents.storage.result_rows import PREFERENCE_SHAPES, Row
from star_agents.storage.split import Split
from star_agents.storage.trainers import TRAINERS, format_for, hint, write_beside
from star_agents.text.printing import say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="File: .jsonl, .json or .parquet.")
@click.option("-f", "--format", "asked", type=click.Choice(FORMATS), help="Columns of the rows.  [default: messages]")
@click.option("--for", "trainer", type=click.Choice(TRAINERS), help="Rows, and what is needed beside them, as it asks.")
@click.option("--split", "parts", help="Files by parts of the seeds: train=0.95, or train=0.9,valid=0.05,test=0.05.")
@click.option("--split-seed", default=0, show_default=True, help="Another number splits otherwise.")
@click.option("--part", "only_parts", multiple=True, metavar="NAME", help="Only seeds of this part (`run --part`).")
@click.option("--only", type=click.Choice(["improved"]), help="Leave out seeds that were kept as their base.")
@click.option("--min-pi", type=click.FloatRange(0, 1), help="Leave out seeds whose chosen sample has a lower π.")
@click.option("--no-provenance", is_flag=True, help="Leave out where each row comes from.")
@click.option(
    "--with-reasoning", is_flag=True, help="Add a column `reasoning`: what the model thought before it answered."
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="RECIPE.KEY=VALUE",
    help="Decide the rows again under another setting, at no cost: arena.keep.sft=1",
)
@click.option(
    "--reviewed",
    type=click.Choice(["only", "as-is"]),
    help="Only rows that people accepted or edited (`browse`), or all rows as they were made."
    "  [default: rejected rows are left out, edited ones say what they were changed to]",
)
@label_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path,
    out: Path,
    asked: str | None,
    trainer: str | None,
    parts: str | None,
    split_seed: int,
    only_parts: tuple[str, ...],
    only: str | None,
    min_pi: float | None,
    no_provenance: bool,
    with_reasoning: bool,
    changes: Sequence[str],
    reviewed: ReviewsUse | None,
    by: str | None,
    at_most: str | None,
    balance: str | None,
    group: str | None,
    label_seed: int,
    as_json: bool,
) -> None:
    """Write what FOLDER (the -o of `run`, the --data-dir of `serve`) holds so far, also while a daemon works on it.

    A part of a split is written beside the others, as out-train.jsonl for -o out.jsonl; a seed's part never changes.
    """
    format = format_for(trainer, asked) if trainer else asked or "messages"
    split = Split.parse(parts, split_seed) if parts else None
    wanted = Wanted(only_improved=only is not None, min_pi=min_pi, split=split, only_parts=only_parts)
    labels = ByLabel.of(by, at_most, balance, group, label_seed)
    if labels is not None and labels.group and (split or trainer):
        raise UsageError("--group writes files by a label alone; give it without --split and --for")
    skipped: Counter[str] = Counter()
    with StoreReader(folder) as reader:
        check_parts(only_parts, reader.tallies().parts, f"seeds of {folder}")
        decided = redeciding(reader, changes) if changes else None
        read = partial(dataset_rows, reader, format, reasoning=with_reasoning, decided=decided)
        read = partial(read, reviews=reviewed or "follow")
        files = _write(read, wanted, out, labels, skipped, provenance=not no_provenance)
    left_out = _left_out(skipped)
    if not files:
        raise UsageError(f"{folder} holds no rows to export as {format}: {_why_none(format, left_out, changes)}")
    paths = {part: path for part, (path, _) in files.items()}
    beside = write_beside(trainer, format, paths) if trainer else []
    if as_json:
        print_json(_result(format, files, skipped, beside, labels))
        return
    for path, count in files.values():
        say(f"wrote {count:,} rows as {format} to {path}")
    for part in (part for part in (split.shares if split else ()) if part not in files):
        say(f"{part}: no seed fell into this part; no file written")
    if labels is not None:
        labels.show()
    if left_out:
        say(f"left out: {left_out}")
    for path in beside:
        say(f"wrote {path}")
    if trainer:
        say(f"{trainer}: {hint(trainer, format, paths)}")


def _write(
    read: Callable[..., Iterator[Row]],
    wanted: Wanted,
    out: Path,
    labels: ByLabel | None,
    skipped: Counter[str],
    *,
    provenance: bool,
) -> dict[str, tuple[Path, int]]:
    """Write the rows, part by part of a split or value by value of a label; path and rows of each file."""
    split, everything = wanted.split, replace(wanted, split=None)
    if labels is not None:
        labels.count(partial(read, wanted=everything))
        if labels.group:
            return labels.write_groups(partial(read, wanted=everything), out, skipped, provenance=provenance)
    files: dict[str, tuple[Path, int]] = {}
    for part in split.shares if split else ("",):
        path = split.path_of(part, out) if split else out
        rows = read(wanted=replace(wanted, part=part), skipped=skipped)
        rows = stripped(rows if labels is None else labels.kept(rows), provenance=provenance)
        if count := _write_unless_empty(rows, path, stale=split is not None):
            files[part] = path, count
    return files


def _write_unless_empty(rows: Iterator[Row], path: Path, *, stale: bool) -> int:
    """Write the rows and return how many; without any, write nothing, and remove what is there if it is ``stale``."""
    first = next(rows, None)
    if first is None:
        if stale:
            path.unlink(missing_ok=True)
        return 0
    return write_export(itertools.chain([first], rows), path)


def _why_none(format: str, left_out: str, changes: Sequence[str]) -> str:
    if left_out:
        return f"left out {left_out}"
    if changes:
        return f"under {' and '.join(changes)} nothing is taught"
    if format in PREFERENCE_SHAPES:
        return "no verdict prefers one of two answers to the same prompt"
    return "no seed is finished, or all were dropped"


def _left_out(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())


def _result(
    format: str,
    files: Mapping[str, tuple[Path, int]],
    skipped: Mapping[str, int],
    beside: Sequence[Path],
    labels: ByLabel | None,
) -> dict[str, Any]:
    name = "value" if labels is not None and labels.group else "part"
    return {
        "rows": sum(count for _, count in files.values()),
        "format": format,
        "files": [{name: part or None, "path": str(path), "rows": count} for part, (path, count) in files.items()],
        "left_out": dict(skipped),
        "beside": [str(path) for path in beside],
        **({} if labels is None else {"by_label": labels.to_dict()}),
    }

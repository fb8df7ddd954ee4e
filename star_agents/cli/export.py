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
from star_agents.process.termination import exit_on_sigterm
from star_agents.records.reviews import ReviewsUse
from star_agents.storage.formats.row_writing import IN_PIECES
from star_agents.storage.outgoing.export import FORMATS, Wanted, dataset_rows, write_export
from star_agents.storage.outgoing.export_piece import Piece
from star_agents.storage.outgoing.export_processes import SEEDS_PER_PROCESS, processes_for_export, write_pieces
from star_agents.storage.outgoing.result_rows import PREFERENCE_SHAPES, Row
from star_agents.storage.outgoing.trainers import TRAINERS, format_for, hint, write_beside
from star_agents.storage.parts import check_parts
from star_agents.storage.reader import StoreReader
from star_agents.storage.split import Split
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
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Processes that make the rows.  [default: one per core, with 50,000 seeds or more for each]",
)
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
    processes: int | None,
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
    whole = Piece(
        folder=folder,
        suffix=out.suffix.lower(),
        format=format,
        provenance=not no_provenance,
        reasoning=with_reasoning,
        wanted=wanted,
        reviews=reviewed or "follow",
    )
    skipped: Counter[str] = Counter()
    with exit_on_sigterm(), StoreReader(folder) as reader:
        check_parts(only_parts, reader.tallies().parts, f"seeds of {folder}")
        files = _write(reader, whole, out, labels, changes, processes, skipped)
    left_out = _left_out(skipped)
    if not files:
        raise UsageError(f"{folder} holds no rows to export as {format}: {_why_none(format, left_out, changes)}")
    paths = {part: path for part, (path, _) in files.items()}
    beside = write_beside(trainer, format, paths) if trainer else []
    if as_json:
        print_json(_result(format, files, skipped, beside, labels))
        return
    _tell(files, format, split, labels, left_out)
    for path in beside:
        say(f"wrote {path}")
    if trainer:
        say(f"{trainer}: {hint(trainer, format, paths)}")


def _tell(
    files: Mapping[str, tuple[Path, int]], format: str, split: Split | None, labels: ByLabel | None, left_out: str
) -> None:
    for path, count in files.values():
        say(f"wrote {count:,} rows as {format} to {path}")
    for part in (part for part in (split.shares if split else ()) if part not in files):
        say(f"{part}: no seed fell into this part; no file written")
    if labels is not None:
        labels.show()
    if left_out:
        say(f"left out: {left_out}")


def _write(
    reader: StoreReader,
    whole: Piece,
    out: Path,
    labels: ByLabel | None,
    changes: Sequence[str],
    processes: int | None,
    skipped: Counter[str],
) -> dict[str, tuple[Path, int]]:
    """Write the rows, by as many processes as are asked for or pay; path and rows of each file."""
    whole = replace(whole, newest_review=reader.newest_review())
    why_one = _why_one_process(whole, labels, changes)
    if why_one and (processes or 1) > 1:
        raise UsageError(f"--processes {processes}: {why_one} is written by one process; leave it out")
    most = 1 if why_one else processes or processes_for_export()
    spans = reader.spans(most, 1 if processes else SEEDS_PER_PROCESS)
    if len(spans) > 1:
        pieces = [replace(whole, span=span) for span in spans]
        return _write_parts(partial(_write_in_pieces, pieces), whole.wanted, out, skipped)
    decided = redeciding(reader, changes) if changes else None
    read = partial(dataset_rows, reader, whole.format, reasoning=whole.reasoning, decided=decided)
    read = partial(read, reviews=whole.reviews, newest_review=whole.newest_review)
    return _write_in_one(read, whole.wanted, out, labels, skipped, provenance=whole.provenance)


def _why_one_process(whole: Piece, labels: ByLabel | None, changes: Sequence[str]) -> str:
    """What keeps an export from being made in pieces; empty where nothing does."""
    if whole.suffix not in IN_PIECES:
        return f"a {whole.suffix} file"
    return "what --set changes" if changes else "what goes by a label" if labels is not None else ""


def _write_in_one(
    read: Callable[..., Iterator[Row]],
    wanted: Wanted,
    out: Path,
    labels: ByLabel | None,
    skipped: Counter[str],
    *,
    provenance: bool,
) -> dict[str, tuple[Path, int]]:
    """Write the rows in this process, part by part of a split or value by value of a label."""
    everything = replace(wanted, split=None)
    if labels is not None:
        labels.count(partial(read, wanted=everything))
        if labels.group:
            return labels.write_groups(partial(read, wanted=everything), out, skipped, provenance=provenance)

    def write(part: Wanted, path: Path, skipped: Counter[str]) -> int:
        rows = read(wanted=part, skipped=skipped)
        rows = stripped(rows if labels is None else labels.kept(rows), provenance=provenance)
        first = next(rows, None)
        return 0 if first is None else write_export(itertools.chain([first], rows), path)

    return _write_parts(write, wanted, out, skipped)


def _write_in_pieces(pieces: Sequence[Piece], wanted: Wanted, path: Path, skipped: Counter[str]) -> int:
    """Write the rows by a process for each piece, and return how many; without any, write nothing."""
    written = write_pieces([replace(one, wanted=wanted) for one in pieces], path)
    skipped.update(written.skipped)
    return written.rows


def _write_parts(
    write: Callable[[Wanted, Path, Counter[str]], int], wanted: Wanted, out: Path, skipped: Counter[str]
) -> dict[str, tuple[Path, int]]:
    """Write a file, or one for each part of a split; path and rows by part. A part without rows has no file."""
    files: dict[str, tuple[Path, int]] = {}
    split = wanted.split
    for part in split.shares if split else ("",):
        path = split.path_of(part, out) if split else out
        if count := write(replace(wanted, part=part), path, skipped):
            files[part] = path, count
        elif split:
            path.unlink(missing_ok=True)  # Of an earlier export.
    return files


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

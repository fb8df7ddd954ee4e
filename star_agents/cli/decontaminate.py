"""`decontaminate`: what of benchmarks a dataset holds, and the dataset without it; useful by itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio
import click

from star_agents.admission.contamination import COVERAGE, NGRAM
from star_agents.cli.tables import print_json, print_table
from star_agents.config.contamination import BenchmarkColumns, BenchmarkFile, ContaminationConfig
from star_agents.engine.benchmark_neighbours import HASHING, Suspect, write_neighbours
from star_agents.engine.decontamination import BenchmarkFound, Decontaminated, Decontamination, decontaminate
from star_agents.errors import UsageError
from star_agents.records.failures import one_line
from star_agents.storage.formats.row_writing import writer_for
from star_agents.text.printing import say

CONTAMINATED = 6
"""Exit code with --fail where a row holds an item."""
PARTS = ("question", "answer", "id")
PROBLEMS_SHOWN = 5
SUSPECTS_SHOWN, LONGEST_SHOWN = 10, 100


def _columns(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> BenchmarkColumns | None:
    """``question=a,b answer=c id=d`` as the columns of benchmarks."""
    columns: dict[str, tuple[str, ...]] = {}
    for one in given:
        part, _, names = one.partition("=")
        found = tuple(name.strip() for name in names.split(",") if name.strip())
        if part not in PARTS or not found or (part == "id" and len(found) > 1):
            raise click.BadParameter(f"{one!r}: write question=NAME, question=NAME,NAME, answer=NAME or id=NAME")
        columns[part] = found
    if not columns:
        return None
    if "question" not in columns:
        raise click.BadParameter("name the column of the question, too: question=NAME")
    identifier = columns.get("id", (None,))[0]
    return BenchmarkColumns(question=columns["question"], answer=columns.get("answer", ()), id=identifier)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", multiple=True, required=True, help="File of a benchmark; as often as there are files.")
@click.option(
    "--against-columns", multiple=True, callback=_columns, help="question=NAME[,NAME], answer=NAME, id=NAME: theirs."
)
@click.option("--columns", default="", help="NAME,NAME: what to read of FILE; otherwise its form is told by the row.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Dataset: .jsonl, .json, .csv or .parquet.")
@click.option(
    "--refuse/--keep",
    default=True,
    help="Leave the rows that hold items out of OUT, or mark them there.",
    show_default=True,
)
@click.option("--report", type=click.Path(path_type=Path), help="Evidence: JSON lines, one for each row and item.")
@click.option(
    "--coverage", type=click.FloatRange(0.2, 1), default=COVERAGE, show_default=True, help="Of an item's words."
)
@click.option("--ngram", type=click.IntRange(4, 50), default=NGRAM, show_default=True, help="Words of an n-gram.")
@click.option(
    "--neighbours", type=click.Path(path_type=Path), help="Also write the five rows nearest to each item, to look at."
)
@click.option("--embedder", default=HASHING, show_default=True, help="Of --neighbours; or sentence-transformers:NAME.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows of FILE out instead of stopping.")
@click.option("--force", is_flag=True, help="Replace OUT and the report where they are there.")
@click.option("--fail", is_flag=True, help=f"Exit with code {CONTAMINATED} where a row holds an item.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    file: Path,
    against: tuple[str, ...],
    against_columns: BenchmarkColumns | None,
    columns: str,
    out: Path | None,
    refuse: bool,
    report: Path | None,
    coverage: float,
    ngram: int,
    neighbours: Path | None,
    embedder: str,
    skip_bad: bool,
    force: bool,
    fail: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the rows of FILE that hold items of benchmarks.

    A row holds an item where it has half of the words of the question or the answer in common 8-grams; of short items,
    where it has nearly all of them in their order. Items of one or two words are not looked for, and counted. FILE and
    benchmarks are .jsonl, .json, .csv, .tsv or .parquet, text also packed (.gz, .zst): questions and answers as
    FastChat has them, any dataset of instructions, or whatever columns are named. FILE may have any length: a row is in
    memory at a time.

    Exit code 0, found or not; with --fail 6 where something was found.
    """
    _refuse_outputs(file, out, {"report": report, "neighbours": neighbours}, force=force)
    settings = ContaminationConfig(
        against=tuple(BenchmarkFile(file=one, columns=against_columns) for one in against),
        coverage=coverage,
        ngram=ngram,
    )
    named = tuple(name.strip() for name in columns.split(",") if name.strip())
    job = Decontamination(
        source=file, settings=settings, columns=named, clean=out, keep=not refuse, report=report, skip_bad=skip_bad
    )
    found, benchmarks = decontaminate(job, (lambda _: None) if quiet else partial(say, err=True))
    suspects: list[Suspect] = []
    if neighbours is not None:
        suspects = anyio.run(write_neighbours, file, settings.against, named, embedder, neighbours)
    if as_json:
        print_json({**_summary(found, benchmarks, job), "neighbours": str(neighbours) if neighbours else None})
    else:
        _show(found, benchmarks, job)
        if neighbours is not None:
            _show_neighbours(suspects, embedder, neighbours)
    if fail and found.rows_found:
        sys.exit(CONTAMINATED)


def _refuse_outputs(file: Path, out: Path | None, lines: Mapping[str, Path | None], *, force: bool) -> None:
    if out is not None:
        writer_for(out)
    for option, path in lines.items():
        if path is not None and path.suffix != ".jsonl":
            raise UsageError(f"--{option} {path}: it is written as JSON lines; let the name end in .jsonl")
    paths = [path for path in (out, *lines.values()) if path is not None]
    for path in paths:
        if path.resolve() == file.resolve():
            raise UsageError(f"{path} is the dataset that is read; name another file")
        if path.exists() and not force:
            raise UsageError(f"{path} is there already; --force replaces it")
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("one file is named for two things; give each its own")


def _summary(found: Decontaminated, benchmarks: list[BenchmarkFound], job: Decontamination) -> dict[str, object]:
    return {
        "rows": found.rows,
        "rows_found": found.rows_found,
        "rows_written": found.rows_written,
        "bad_rows": found.bad_rows,
        "rows_of_unknown_form": found.unknown_forms,
        "benchmarks": [one.to_dict() for one in benchmarks],
        "out": str(job.clean) if job.clean else None,
        "report": str(job.report) if job.report else None,
    }


def _show(found: Decontaminated, benchmarks: list[BenchmarkFound], job: Decontamination) -> None:
    rows = [
        [one.benchmark, *(f"{n:,}" for n in (one.items, one.too_short + one.too_common, one.items_found, one.rows))]
        for one in benchmarks
    ]
    title = f"{found.rows_found:,} of {found.rows:,} rows of {job.source.name} hold items of benchmarks"
    print_table(title, ["benchmark", "items", "not looked for", "items found", "rows"], rows)
    for benchmark in benchmarks:
        for where, one in benchmark.examples:
            say(f"  {where}: {one.told}")
        for count, why in ((benchmark.too_short, "too short"), (benchmark.too_common, "no more than what others say")):
            if count:
                say(f"  {benchmark.benchmark}: {count:,} items are not looked for, being {why}")
    if found.unknown_forms:
        told = "rows are in no form of a dataset: all their texts were read (--columns names some)"
        say(f"{found.unknown_forms:,} {told}")
    if found.bad_rows:
        say(f"{found.bad_rows:,} bad rows left out, such as:", err=True)
        for problem in found.problems[:PROBLEMS_SHOWN]:
            say(f"  {problem}", err=True)
    if job.clean is not None:
        what = "all of them, with a column `contamination`" if job.keep else "without those that hold items"
        say(f"{found.rows_written:,} rows, {what}: {job.clean}")
    if job.report is not None:
        say(f"evidence: {job.report}")


def _show_neighbours(suspects: list[Suspect], embedder: str, out: Path) -> None:
    say("items whose nearest row is nearest, to look at:")
    for one in suspects[:SUSPECTS_SHOWN]:
        say(f"  {one.similarity:.3f}  {one.benchmark} {one.item}: {one_line(one.question, LONGEST_SHOWN)}")
        say(f"         {one.row}: {one_line(one.text, LONGEST_SHOWN)}")
    if embedder == HASHING:
        say("  the embedder is `hashing`, which sees shared words and no meaning; another one: --embedder")
    say(f"the five nearest of each item: {out}")

"""How `reproduce` shows what came of it: one table with the paper beside it, and where the order differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from star_agents.arena.bootstrap import Estimate, in_words
from star_agents.cli.rounds_table import rating_in_words, show_rounds
from star_agents.cli.tables import print_table
from star_agents.engine.reproduction.prerequisites import Finding
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.text.figures import duration, usd
from star_agents.text.plain_data import json_text
from star_agents.text.printing import say

SUMMARY_FILE, REPORT_FILE = "summary.json", "report.md"
ARENA_COLUMNS = ["step", "in the paper", "Elo there", "Elo here", "rows there", "rows here"]
_KINDS = {"data": "runs", "model": "trainings", "grades": "models graded"}


def write_star(folder: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """Write the table as text and as numbers into the folder; return the numbers."""
    return _written(folder, summary, "".join(_report(summary)))


def write_arena(folder: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """Likewise for Arena Learning."""
    table = _markdown(summary["paper"], ARENA_COLUMNS, _arena_rows(summary))
    return _written(folder, summary, "".join((*table, *(f"- {one}\n" for one in _arena_remarks(summary)))))


def _written(folder: Path, summary: dict[str, Any], report: str) -> dict[str, Any]:
    texts = {SUMMARY_FILE: f"{json_text(summary, indent=2)}\n", REPORT_FILE: report}
    for name, text in texts.items():
        with atomic_file(folder / name) as handle:
            handle.write(text.encode("utf-8", "replace"))
    return summary


def show_star(summary: Mapping[str, Any]) -> None:
    """Print the table and what it says."""
    print_table(summary["paper"], columns_of(summary), list(rows_of(summary)))
    for sentence in remarks(summary):
        say(sentence)
    if summary["shown"]:
        rows = [[one["question"], one["answer"] or "(nothing)"] for one in summary["shown"]]
        print_table("answers of the model server, to be read; they are in no figure", ["question", "answer"], rows)


def columns_of(summary: Mapping[str, Any]) -> list[str]:
    """Of the table."""
    return ["arm", "", *summary["benchmarks"].values(), "average", "rows", *_right(summary, "right")]


def rows_of(summary: Mapping[str, Any], *, whole: bool = False) -> Iterator[list[str]]:
    """Two rows for each arm, the paper's and ours; ``whole``: each benchmark with its interval."""
    names = (*summary["benchmarks"], "average")
    for one in summary["arms"]:
        paper, ours = one["paper"], one["ours"]
        tables = "no table" if paper is None else f"table {', '.join(map(str, paper['tables']))}"
        yield [one["arm"], tables, *(_number(paper, name) for name in names), "", *_right(summary, "")]
        cells = [_ours(ours, name, whole=whole or name == "average") for name in names]
        rows = "-" if one["rows"] is None else f"{one['rows']:,}"
        right = "-" if not one["rows"] or one["rows_right"] is None else f"{one['rows_right'] / one['rows']:.0%}"
        yield ["", "here", *cells, rows, *_right(summary, right)]


def _right(summary: Mapping[str, Any], cell: str) -> list[str]:
    return [cell] if summary["is_closed_world"] else []


def _number(row: Mapping[str, Any] | None, name: str) -> str:
    return "–" if row is None or row[name] is None else f"{row[name]:.2f}"


def _ours(row: Mapping[str, Any] | None, name: str, *, whole: bool) -> str:
    if row is None:
        return "–"
    found = Estimate(**row[name])
    return in_words(found if whole else Estimate(found.value))


def remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    """What stands in no cell, a sentence each."""
    if summary["done"] < summary["steps"]:
        yield f"{summary['done']} of {summary['steps']} steps are done; the same command goes on"
    trainings = max((one["ours"]["trainings"] for one in summary["arms"] if one["ours"] is not None), default=0)
    over = "questions and trainings" if trainings > 1 else "questions alone"
    of_each = f"{trainings} trainings" if trainings > 1 else "1 training"
    yield f"{summary['questions']:,} questions, {of_each} of an arm; 95 % intervals by bootstrap over {over}"
    if summary["is_closed_world"]:
        yield (
            "here a checker grades: 10 for a right answer and 1 for any other; 1.90 is one right answer of ten. "
            "The paper's judge grades otherwise: only the order can be compared"
        )
        yield "right: share of the rows trained on whose answer is right, which the checker knows and no arm was told"
    yield from summary["sentences"]
    unreadable = sum(one["ours"]["unreadable"] for one in summary["arms"] if one["ours"] is not None)
    if unreadable:
        yield f"{unreadable:,} judgements hold no grade that can be read, and are in no mean"
    if summary["missing"]:
        yield f"{summary['missing']:,} turns have no judgement, since a call failed, and are in no mean"
    yield f"{duration(summary['seconds'])} of work so far"


def _report(summary: Mapping[str, Any]) -> Iterator[str]:
    """Markdown."""
    yield from _markdown(summary["paper"], columns_of(summary), rows_of(summary, whole=True))
    for sentence in remarks(summary):
        yield f"- {sentence}\n"
    yield "\n## Arms\n\n"
    for one in summary["arms"]:
        row = "" if one["paper"] is None else f" ({one['paper']['name']})"
        yield f"- {one['arm']}{row}: {one['what']}\n"


def _markdown(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"# {title}\n\n"
    for cells in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(cells)} |\n"
    yield "\n"


def show_arena(summary: Mapping[str, Any]) -> None:
    """Print the rounds beside the paper's, and each rise that it tells of."""
    print_table(summary["paper"], ARENA_COLUMNS, list(_arena_rows(summary)))
    for sentence in _arena_remarks(summary):
        say(sentence)
    show_rounds(summary["rounds"])


def _arena_rows(summary: Mapping[str, Any]) -> Iterator[list[str]]:
    for one in summary["steps"]:
        paper, rated = one["paper"], one["rating"]
        elo = "–" if paper["elo"] is None else f"{paper['elo']:,.0f}{'*' if paper['read'] == 'by_difference' else ''}"
        shares = ("–" if share is None else f"{share:.0%}" for share in (one["paper_share"], one["share"]))
        yield [one["step"], paper["name"], elo, rating_in_words(rated, signed=False), *shares]


def _arena_remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "Elo of the paper and ours stand on scales of their own: differences can be compared, heights cannot"
    yield "rows: share of its part's instructions that gave a row of the stage; *: by a difference that it tells"
    yield "in the place of the paper's PPO stands RLOO"
    yield from summary["sentences"]


def show_findings(findings: Sequence[Finding]) -> None:
    """Print what is needed, and whether it is there."""
    print_table("what is needed", ["", "", "detail"], [[one.what, one.state, one.detail] for one in findings])


def show_estimate(estimate: Mapping[str, Any]) -> None:
    """Print what is to come."""
    rows = [
        [
            _KINDS[one["kind"]],
            f"{one['left']:,} of {one['steps']:,}",
            f"{one['calls']:,}",
            usd(one["usd"]),
            f"{one['training_steps']:,}" if one["training_steps"] else "-",
            "unknown" if one["seconds"] is None else duration(one["seconds"]),
        ]
        for one in estimate["kinds"]
    ]
    print_table("what is left", ["", "left", "calls", "dollars", "training steps", "time"], rows)
    for sentence in estimate["remarks"]:
        say(sentence)

"""What the rounds of a folder are written down as: numbers, a page, and what stands in neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from star_agents.engine.campaign.summary import SUMMARY_FILE, rounds_summary
from star_agents.report.rounds import rounds_page
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.text.figures import usd_sum
from star_agents.text.plain_data import json_text

REPORT_FILE = "report.html"


def write_rounds(
    folder: Path, *, page: Path | None = None, numbers: Path | None = None, is_at_work: bool = False
) -> dict[str, Any]:
    """Write the page and the numbers of the rounds in a folder, into it unless told otherwise; return the numbers."""
    summary = rounds_summary(folder)
    text = rounds_page(summary, folder.resolve().name, list(rounds_remarks(summary)), is_at_work=is_at_work)
    for path, content in (
        (page or folder / REPORT_FILE, text),
        (numbers or folder / SUMMARY_FILE, f"{json_text(summary, indent=2)}\n"),
    ):
        with atomic_file(path) as handle:
            handle.write(content.encode("utf-8", "replace"))
    return summary


def rounds_remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    """What stands in no cell, a sentence each."""
    yield (
        "lost: share of its battles that the target of then lost; difficulty: points by which it lost where it "
        "learned; ratings and gains in Elo points with intervals of 95 %"
    )
    if summary["exam_battles"]:
        yield f"rated over {summary['exam_prompts']:,} prompts and {summary['exam_battles']:,} battles of the exam"
    for one in summary["steps"]:
        for failure in one["failures"]:
            yield f"{one['name']}: a training failed: {failure['reason']}"
        if one["given_up"]:
            yield f"{one['name']}: gone on without it"
    yield from summary["troubles"]
    cost = summary["cost"]
    yield f"the target is {summary['target']}: {summary['model']}"
    yield f"{cost['calls']:,} calls in all, {usd_sum(cost['usd'], cost['calls_of_unknown_price'])}"
    if summary["stopped"]:
        yield f"ended early: {summary['stopped']}"

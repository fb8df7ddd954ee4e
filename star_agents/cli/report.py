"""`report`: a run on one page."""

from __future__ import annotations

from pathlib import Path

import click

from star_agents.cli.tables import print_json
from star_agents.engine.campaign.report import write_rounds
from star_agents.engine.campaign.state import STATE_FILE
from star_agents.engine.run_facts import read_facts
from star_agents.report.facts import summary_text
from star_agents.report.run_page import run_page
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.storage.reader import StoreReader
from star_agents.text.printing import say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("-o", "--out", type=click.Path(path_type=Path), default="report.html", show_default=True)
@click.option(
    "--summary", type=click.Path(path_type=Path), help="The numbers as JSON; OUT with `.summary.json` if not given."
)
@click.option("--json", "as_json", is_flag=True, help="Print where they are as JSON.")
def command(folder: Path, out: Path, summary: Path | None, as_json: bool) -> None:
    """Write what FOLDER (the -o of `run` or `rounds`, the --data-dir of `serve`) tells so far, also while it grows.

    One file that opens from disk without a network: curves, costs, gaps, samples to read; and the numbers as JSON.
    """
    numbers = summary or out.with_suffix(".summary.json")
    if (folder / STATE_FILE).is_file():
        rounds = write_rounds(folder, page=out, numbers=numbers)
        told = {"report": str(out), "summary": str(numbers), "steps": len(rounds["steps"])}
        return print_json(told) if as_json else say(f"wrote {out} and {numbers}")
    seeds = write_report(folder, out, numbers)
    if as_json:
        return print_json({"report": str(out), "summary": str(numbers), "seeds": seeds})
    return say(f"wrote {out} and {numbers}")


def write_report(folder: Path, out: Path, numbers: Path) -> int:
    """Write the page, and the numbers beside it; how many seeds they tell of."""
    with StoreReader(folder) as reader:
        facts = read_facts(reader, folder.resolve().name)
    for path, content in ((out, run_page(facts)), (numbers, summary_text(facts.summary))):
        with atomic_file(path) as handle:
            handle.write(content.encode("utf-8", "replace"))
    seeds: int = facts.summary["counts"]["done"]
    return seeds

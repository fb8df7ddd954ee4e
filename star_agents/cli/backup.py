"""`backup`: one file that holds a store as it is at this moment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from star_agents.cli.tables import print_json
from star_agents.storage.backup import back_up
from star_agents.text.printing import say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="File to write, or to replace.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(folder: Path, out: Path, as_json: bool) -> None:
    """Copy the store in FOLDER to one file, check the copy, and only then give it its name.

    To restore, put the file as store.sqlite3 into an empty folder and name that folder to `serve` or `run`.
    """
    backup = back_up(folder, out)
    if as_json:
        print_json({**asdict(backup), "path": str(out)})
    else:
        size = f"{backup.bytes / 2**20:,.1f} MiB"
        say(f"{backup.seeds} seeds, {backup.outcomes} outcomes, {size} to {out}; checked")

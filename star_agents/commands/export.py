"""`export`: the dataset in a format of the field."""

from __future__ import annotations

from pathlib import Path

import click

from star_agents.commands.tables import print_json
from star_agents.storage.export import dataset_rows, write_export
from star_agents.storage.reader import StoreReader


@click.command(short_help="Write the dataset in a format of the field.")
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option(
    "-f", "--format", "layout", type=click.Choice(["alpaca", "messages", "sharegpt", "dpo"]), default="messages"
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="File: .jsonl, .json or .parquet.")
@click.option("--no-provenance", is_flag=True, help="Leave out where each row comes from.")
@click.option(
    "--with-reasoning", is_flag=True, help="Add a column `reasoning`: what the model thought before it answered."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(folder: Path, layout: str, out: Path, no_provenance: bool, with_reasoning: bool, as_json: bool) -> None:
    """Write what FOLDER (the -o of `run`, the --data-dir of `serve`) holds so far, also while a daemon works on it."""
    with StoreReader(folder) as reader:
        rows = dataset_rows(reader, layout, provenance=not no_provenance, reasoning=with_reasoning)
        count = write_export(rows, out)
    if as_json:
        print_json({"rows": count, "format": layout, "path": str(out)})
    else:
        click.echo(f"wrote {count} rows as {layout} to {out}")

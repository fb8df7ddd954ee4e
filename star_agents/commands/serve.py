"""`serve`: the daemon."""

from __future__ import annotations

from pathlib import Path

import anyio
import click

from star_agents.daemon import serve
from star_agents.logs import set_up_logging


@click.command(short_help="Run the daemon.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("--data-dir", type=click.Path(path_type=Path), default="star_data", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; overrides agents.yaml, 0 takes a free one.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def command(config_path: Path, data_dir: Path, port: int | None, log_level: str) -> None:
    """Take seeds by HTTP and from the inbox folder, and work them until told otherwise.

    Edits of agents.yaml are in force within two seconds. SIGTERM drains and exits 0.
    """
    set_up_logging(level=log_level)

    async def run() -> None:
        await serve(config_path, data_dir, port=port)

    anyio.run(run)

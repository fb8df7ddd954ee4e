"""`serve`: the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import click

from star_agents.engine.configuration import read_config
from star_agents.observe.logs import set_up_logging


@click.command()
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("--data-dir", type=click.Path(path_type=Path), default="star_data", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; overrides agents.yaml, 0 takes a free one.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option("--log-content", is_flag=True, help="Log the texts of prompts and replies too.")
def command(config_path: Path, data_dir: Path, port: int | None, log_level: str, log_content: bool) -> None:
    """Take seeds by HTTP and from the inbox folder, and work them until told otherwise.

    Edits of agents.yaml are in force within two seconds, at once on SIGHUP.

    SIGTERM or Ctrl-C drains: no new seeds, calls in flight are awaited up to server.drain_s. A second one ends at once;
    seeds in hand wait for the next start, and calls in flight may then be paid again.

    \b
    Exit codes:
      0   drained, or ended by a second signal
      1   a fault in star_agents, with its traceback
      2   agents.yaml, the command line or the address cannot be used
      3   the store cannot be used, or another process works on it
      4   an agent failed while the line was built
      5   a scorer model cannot be loaded
      75  it was at work and lost its scorer, its disk, or the files of its store: starting again may help
    """
    read_config(config_path, os.environ)  # A mistake is told before a second goes into loading what it keeps from use.
    from star_agents.engine.daemon import serve  # noqa: PLC0415

    log = set_up_logging(level=log_level, folder=data_dir, content=log_content)

    async def run() -> None:
        await serve(config_path, data_dir, port=port, log=log)

    anyio.run(run)

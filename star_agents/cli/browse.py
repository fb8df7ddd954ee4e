"""`browse`: a folder's rows on a page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import click

from star_agents.config.sections import ServerConfig
from star_agents.errors import UsageError
from star_agents.text.printing import say

LONGEST_NAME = 80


@click.command()
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path), default="star_data")
@click.option("--reviewer", default="", metavar="NAME", help="Who accepts, rejects and edits rows; kept with each.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Beyond loopback a token is asked for.")
@click.option("--port", type=click.IntRange(0, 65535), default=8322, show_default=True, help="0 takes a free one.")
@click.option("--token", metavar="os.environ/NAME", help="The variable that holds a token, as server.token names it.")
@click.option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME", help="A name under which it is asked.")
def command(
    folder: Path, reviewer: str, host: str, port: int, token: str | None, allowed_hosts: tuple[str, ...]
) -> None:
    """Show the rows of OUT (the -o of `run`, the --data-dir of `serve`) on a page, until Ctrl-C.

    It needs no daemon and changes nothing of the run. Reviews are kept beside the rows, and `export`, `push`, `card`
    and `train` follow them. While somebody works on OUT it can be read, and rows are reviewed later.
    """
    name = reviewer.strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"--reviewer: up to {LONGEST_NAME} characters on one line; it stands beside every review")
    try:
        server = ServerConfig(host=host, port=port, token=token, allowed_hosts=allowed_hosts)
    except ValueError:
        raise UsageError(f"--token {token}: write os.environ/NAME; the token itself stands in that variable") from None
    from star_agents.engine.browsing import browse, stopped  # noqa: PLC0415

    def tell(url: str) -> None:
        who = f"; reviews are {name}'s" if name else "; read only (--reviewer NAME lets you accept, reject and edit)"
        say(f"{folder} is shown at {url}{who}; Ctrl-C ends it")

    anyio.run(partial(browse, folder, reviewer=name, server=server, tell=tell, until=stopped))

"""`logs`: read and follow the log of a folder or of a running daemon."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from star_agents.cli.add import address_in
from star_agents.cli.daemon_log import DaemonLog
from star_agents.observe.logs.feed import Wanted
from star_agents.observe.logs.reading import LogTail
from star_agents.observe.logs.stream import for_people
from star_agents.text.printing import say, say_coloured

LOOK_EVERY_S = 0.25
Line = tuple[bytes, dict[str, Any]]
"""A line as it stands, and as plain data."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("--url", help="Ask the daemon there instead of reading FOLDER.")
@click.option("-f", "--follow", is_flag=True, help="Go on with the lines to come, until Ctrl-C.")
@click.option("-e", "--event", "events", multiple=True, help="Only this event, such as call_failed; may be repeated.")
@click.option("-a", "--agent", default="", help="Only lines about this agent, and outcomes that it won.")
@click.option("-s", "--seed", default="", help="Only lines about the seed whose id begins so.")
@click.option(
    "-l",
    "--level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="debug",
    help="At least this level.",
)
@click.option(
    "-n", "--lines", "count", type=click.IntRange(min=0), default=100, show_default=True, help="Newest lines."
)
@click.option("--token-env", default="STAR_AGENTS_TOKEN", show_default=True, help="Variable that holds the token.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines on a terminal too.")
def command(
    folder: Path,
    url: str | None,
    follow: bool,
    events: tuple[str, ...],
    agent: str,
    seed: str,
    level: str,
    count: int,
    token_env: str,
    as_json: bool,
) -> None:
    """Show the newest lines of the log that FOLDER keeps: in colours on a terminal, as JSON lines elsewhere.

    What the lines mean is told in star_agents/observe/logs/events.md.
    """
    url = url or address_in(folder)
    wanted = Wanted.of(event=events, agent=agent, seed=seed, level=level)
    if url:
        lines = _of_daemon(DaemonLog(url, token_env), wanted, count, follow)
    else:
        lines = _of_folder(folder, wanted, count, follow)
    show = _printer(as_json)
    try:
        for line in lines:
            show(line)
    except BrokenPipeError:  # such as `logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printer(as_json: bool) -> Callable[[Line], None]:
    if as_json or not sys.stdout.isatty():
        return lambda line: say(line[0].decode())
    render = for_people()
    return lambda line: say_coloured(render(line[1]))


def _of_folder(folder: Path, wanted: Wanted, count: int, follow: bool) -> Iterator[Line]:
    with LogTail(folder) as tail:
        yield from deque((line for line in tail.read() if line[1] in wanted), maxlen=count)
        while follow:
            yield from (line for line in tail.read() if line[1] in wanted)
            time.sleep(LOOK_EVERY_S)


def _of_daemon(log: DaemonLog, wanted: Wanted, count: int, follow: bool) -> Iterator[Line]:
    for line in deque(log.recent(wanted), maxlen=count):
        yield orjson.dumps(line), line
    for line in log.follow(wanted) if follow else ():
        yield orjson.dumps(line), line

"""`serve`: the daemon inside a program of one's own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from star_agents.api.inputs import PathLike
from star_agents.api.job import Job, Words, running_loop
from star_agents.engine.configuration import read_config
from star_agents.engine.interruption import Stop


async def serve(
    config: PathLike,
    folder: PathLike = "star_data",
    *,
    port: int | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run the daemon until it is cancelled: seeds come in by HTTP and the inbox folder, the page shows it at work.

    It is the command `serve` in a thread of its own, for an event loop of asyncio that has other things to do. Edits
    of the file are in force within two seconds. Cancellation drains: no new seeds, calls in flight are awaited for up
    to ``server.drain_s`` seconds, and then it is raised. A second one ends at once; nothing is lost either way.

    Args:
        config: The path of agents.yaml.
        folder: Where everything is kept; made where it is missing.
        port: TCP port; overrides the config's, 0 takes a free one.
        on_ready: Is called with the address, such as ``http://127.0.0.1:8321``, once seeds are taken there; in the
            daemon's thread.

    Raises:
        asyncio.CancelledError: it was cancelled, and has drained.
        ConfigError: the config cannot be used.
        UsageError: the address or its token cannot be used, or the event loop is not asyncio's.
        StoreError: the folder cannot be used.
        StarAgentsError: it was at work and lost its scorer or its disk.
    """
    running_loop()
    read_config(Path(config), os.environ)
    job = Job(lambda words: _serve(words, Path(config), Path(folder), port, on_ready), folder=Path(folder).absolute())
    job.start()
    await job.end()


async def _serve(
    words: Words, config: Path, folder: Path, port: int | None, on_ready: Callable[[str], None] | None
) -> None:
    # Loaded here: whoever only runs batches needs no web server.
    from star_agents.engine.daemon import DaemonHost, serve  # noqa: PLC0415
    from star_agents.observe.logs import folder_log  # noqa: PLC0415

    @contextmanager
    def signals() -> Iterator[AsyncIterator[int]]:
        with words.heard() as stops:
            yield _numbers(stops)

    with folder_log(folder) as log:
        host = DaemonHost(signals=signals, hear=log.hear, on_ready=on_ready or _tell_nobody, owns_process=False)
        await serve(config, folder, port=port, log=log.feed, host=host)


async def _numbers(stops: AsyncIterator[Stop]) -> AsyncIterator[int]:
    async for stop in stops:
        yield stop.number


def _tell_nobody(url: str) -> None:
    return

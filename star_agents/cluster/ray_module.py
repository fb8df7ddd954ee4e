"""The library itself: loaded when a cluster is wanted, quiet, and with none of its exceptions let through."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from star_agents.errors import ClusterError

PINNED = "2.60.0"
"""All nodes of a cluster must have one release, and this one is tested."""
LONGEST_LINE = 300
_used_by: set[int] = set()
"""Processes, by id, that used Ray by this module: in one that was forked, the one that it was forked from."""
_HEADLESS_S = 365 * 24 * 3600
"""For ever: whether the head is gone we find out ourselves (``Connection``)."""


def load() -> Any:
    """The module ``ray``. Raises ClusterError where it is not installed."""
    # Ray tells its makers of every cluster that it starts, unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Of the future rather than of now: actors without a GPU see none, as they do today.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    # Ray ends the process of whoever is connected a minute after the head is gone: a daemon's, too.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(_HEADLESS_S))
    # Ray's C++ takes SIGTERM for a crash: it writes a trace of the stack, and three seconds later the process aborts.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    # Ray starts a cluster of its own where it is used without a connection, as after the head was lost.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ClusterError(
            f"`cluster` of agents.yaml asks for Ray, which is not installed here: pip install 'star-agents[ray]' "
            f"(ray {PINNED}, on every node too)"
        ) from error


def claim(ray: Any) -> None:
    """Note that this process uses Ray. Raises ClusterError where one used it that this process was forked from: Ray's
    threads did not come along, and every call would wait for them for ever."""
    me = os.getpid()
    worker: Any = importlib.import_module("ray._private.worker").global_worker
    listener = getattr(worker, "listener_thread", None)
    is_here = ray.is_initialized() and not ray.util.client.ray.is_connected()
    is_of_parent = is_here and listener is not None and not listener.is_alive()
    if is_of_parent or (_used_by and me not in _used_by):
        raise ClusterError(
            "this process was forked from one that had used Ray, which does not work in it: start it afresh, as "
            "multiprocessing.get_context('spawn') does, or use no `cluster` in it"
        )
    _used_by.add(me)


@contextmanager
def quiet() -> Iterator[None]:
    """While Ray starts or connects: its loggers say errors only, and its handlers of signals are taken back, since
    SIGTERM is ours: it drains."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.util.client")]
    levels = [logger.level for logger in loggers]
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if is_main else None
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(max(level, logging.ERROR))
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def hear(tell: Callable[[str], None]) -> None:
    """What Ray would print on our standard output, on whatever occasion, goes to ``tell``: a line of each message, as
    the rest of it is in Ray's own log files."""
    worker: Any = importlib.import_module("ray._private.worker")

    def print_to_stdstream(data: Any, *_: object, **__: object) -> None:
        lines = (line.strip() for text in data.get("lines", ()) for line in str(text).splitlines())
        if line := next(filter(None, lines), ""):
            tell(f"Ray says: {line[:LONGEST_LINE]}")

    # There is no public way, and a line on standard output breaks `--json`. The release is pinned, and a test holds it.
    worker.print_to_stdstream = print_to_stdstream

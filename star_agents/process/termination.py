"""SIGTERM to a command that only writes a file: it ends as by Ctrl-C, and takes back what it began."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATED = 128 + signal.SIGTERM
"""Exit code, as a shell tells it."""


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM leave the block by SystemExit, so that all within is closed. Only a main thread hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

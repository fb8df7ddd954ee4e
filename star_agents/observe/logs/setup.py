"""Sets up the log of this process, and hears the bus and every library for it."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from star_agents.events import Event
from star_agents.observe.logs.feed import LogFeed
from star_agents.observe.logs.lines import LibraryLine
from star_agents.observe.logs.log import Log
from star_agents.text.printing import say
from star_agents.text.redaction import keep_secrets_of, redactor
from star_agents.text.streams import standard_error


class _Libraries(logging.Handler):
    """Hears the standard library's loggers, through which every library speaks."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # their arguments do not fit their format
            message = str(record.msg)
        fields = LibraryLine(logger=record.name, message=message)
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
        self._log.hear_library(min(record.levelno // 10 * 10, logging.CRITICAL), fields)


_current: Log | None = None


def set_up_logging(
    *, level: str = "info", folder: Path | None = None, content: bool = False, stream: TextIO | None = None
) -> LogFeed:
    """Log to ``stream`` (standard error): colours on a terminal, else JSON lines; libraries from warnings up.

    Args:
        level: Lines of this level and above go to the stream.
        folder: Also keep a log file there, from `info` up, as soon as the folder exists.
        content: Log the texts of prompts and replies too.
        stream: Another stream.

    Returns:
        The feed of all lines, for readers in this process.
    """
    global _current
    if _current is not None:
        atexit.unregister(_current.close)
        _current.close()
    keep_secrets_of(os.environ)
    log = _current = Log(stream or sys.stderr, logging.getLevelNamesMapping()[level.upper()], folder, content=content)
    atexit.register(log.close)
    root = logging.getLogger()
    root.handlers = [_Libraries(log)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell_of_fault
    return log.feed


@contextmanager
def folder_log(folder: Path) -> Iterator[Log]:
    """The log of one folder in a process that is somebody else's: nothing that holds for all of it is set.

    Its file lies in ``folder``; errors go to standard error too. What libraries say goes where the process leads it.
    """
    keep_secrets_of(os.environ)
    log = Log(standard_error(), logging.ERROR, folder)
    try:
        yield log
    finally:
        log.close()


def log_event(event: Event) -> None:
    """Write one event as one line; subscribe this to the bus. Nothing where no log is set up."""
    if _current is not None:
        _current.hear(event)


def _tell_of_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The end of a process by an error of ours: its traceback, without secrets."""
    if _current is not None and not isinstance(error, KeyboardInterrupt):
        _current.fault(error)
    say(redactor.text("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)

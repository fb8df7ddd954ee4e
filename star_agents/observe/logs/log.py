"""What writes the lines: level, fields, JSON, secrets struck out, then to every place where the log is read."""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import orjson

from star_agents.events import Event, OutcomeCommitted
from star_agents.observe.logs.feed import LogFeed
from star_agents.observe.logs.file import LogFile
from star_agents.observe.logs.lines import FaultLine, HeldBackLine, Kind, LibraryLine, LogFileLine, kind_of
from star_agents.observe.logs.outcome import SeedCounts, content_of, outcome_fields
from star_agents.observe.logs.repeats import WINDOW_S, Repeats
from star_agents.observe.logs.stream import LogStream
from star_agents.text.redaction import redactor

_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_APPEND_NEWLINE
LONGEST_LINE = 32_000
"""Bytes beyond which a line's texts are looked at one by one, and cut."""
_CHANGING = re.compile(r"[0-9a-f]{6,}|\d+")
"""Numbers and identifiers: complaints that differ in nothing else are the same."""


class Log:
    """Writes lines. May be used by several threads.

    Args:
        stream: Where people or a service manager read; gets lines from ``level`` up.
        level: As `logging` numbers them.
        folder: Where the log file lies; it and the feed get lines from ``info`` up, or from ``level`` where that is
            lower. ``None``: no file.
        content: Whether the texts of prompts and replies are logged.
    """

    def __init__(self, stream: TextIO, level: int, folder: Path | None, *, content: bool = False) -> None:
        self.feed = LogFeed()
        self._stream = LogStream(stream)
        self._stream_level = level
        self._level = level if folder is None else min(level, logging.INFO)
        self._file = None if folder is None else LogFile(folder, tell=self._tell_of_the_file)
        self._content = content
        self._kinds: dict[type[Event], Kind] = {}
        self._seeds = SeedCounts()
        self._repeats = Repeats()
        self._moment = _Moment()
        self._lock = threading.RLock()  # A warning may come out of the garbage collector in the middle of a line.

    def hear(self, event: Event) -> None:
        """Write one event as one line."""
        kind = self._kinds.get(type(event))
        if kind is None:
            kind = self._kinds[type(event)] = kind_of(type(event))
        self._seeds.hear(event)
        level = kind.level_of(event)
        if level < self._level:
            return
        fields = self._outcome(event) if isinstance(event, OutcomeCommitted) else kind.fields(event)
        if not kind.alike or self._is_news(event.name, " ".join(str(fields[name]) for name in kind.alike)):
            self.write(level, event.name, fields)

    def hear_library(self, level: int, fields: LibraryLine) -> None:
        """Write what a library said."""
        if self._is_news("library_message", f"{fields['logger']} {fields['message']}"):
            self.write(level, "library_message", fields)

    def write(self, level: int, event: str, fields: Mapping[str, Any]) -> None:
        """Write one line to all places that want lines of this level."""
        with self._lock:
            self._tell_what_was_held_back(time.monotonic())
            line = self._render(level, event, fields)
            if level >= self._stream_level:
                self._stream.write(line)
            if self._file is not None:
                self._file.write(line)
            self.feed.append(level, line[:-1])

    def fault(self, error: BaseException) -> None:
        """Keep a traceback in file and feed; the stream gets it from whoever ends the process."""
        with self._lock:
            told = "".join(traceback.format_exception(error))
            line = self._render(logging.CRITICAL, "fault", FaultLine(message=repr(error), exception=told))
            if self._file is not None:
                self._file.write(line)
            self.feed.append(logging.CRITICAL, line[:-1])

    def close(self) -> None:
        """Say what was held back, end the readers of the feed, close the file."""
        with self._lock:
            self._tell_what_was_held_back(float("inf"))
            self.feed.close()
            if self._file is not None:
                self._file.close()

    def _outcome(self, event: OutcomeCommitted) -> Mapping[str, Any]:
        fields = outcome_fields(event, self._seeds.end(event.outcome.seed_id))
        if self._content:
            fields["content"] = content_of(event.outcome)
        return fields

    def _is_news(self, event: str, said: str) -> bool:
        with self._lock:
            now = time.monotonic()
            self._tell_what_was_held_back(now)
            return self._repeats.admit(event, _CHANGING.sub("…", said), now)

    def _tell_what_was_held_back(self, now: float) -> None:
        if now < self._repeats.next_end:
            return
        for event, like, lines in self._repeats.ended(now):
            fields = HeldBackLine(of=event, like=like, count=lines, seconds=WINDOW_S)
            self.write(logging.WARNING, "lines_held_back", fields)

    def _tell_of_the_file(self, message: str) -> None:
        line = self._render(logging.ERROR, "log_file_trouble", LogFileLine(message=message))
        self._stream.write(line)
        self.feed.append(logging.ERROR, line[:-1])

    def _render(self, level: int, event: str, fields: Mapping[str, Any]) -> bytes:
        """A line of JSON, without secrets, with its line feed."""
        line = {"timestamp": self._moment(), "level": _NAMES[level], "event": event, **fields}
        try:
            rendered = orjson.dumps(line, default=str, option=_JSON)
        except TypeError:  # half a surrogate pair in what a provider said, or a number beyond 64 bits
            return orjson.dumps(redactor.plain(line), option=_JSON)
        if len(rendered) > LONGEST_LINE or redactor.suspects(rendered):
            return orjson.dumps(redactor.plain(line), option=_JSON)
        return rendered


class _Moment:
    """The time in UTC as ISO 8601 has it. The calendar is asked once a second, since it takes as long as the rest."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self) -> str:
        second, micros = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{micros:06d}Z"

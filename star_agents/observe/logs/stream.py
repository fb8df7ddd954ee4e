"""The log as a person or a service manager reads it while it is written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, TextIO

import orjson
import structlog

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LogStream:
    """Standard error or another stream: colours on a terminal, else JSON lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bytes = getattr(stream, "buffer", None)
        self._for_people = for_people() if stream.isatty() else None

    def write(self, line: bytes) -> None:
        """Write a line of JSON; a reader that is gone is no reason to fail."""
        try:
            if self._for_people is not None:
                self._stream.write(f"{self._for_people(orjson.loads(line))}\n")
            elif self._bytes is not None:
                self._bytes.write(line)
            else:
                self._stream.write(line.decode())
            self._stream.flush()
        except (OSError, ValueError):
            return


def for_people() -> Callable[[dict[str, Any]], str]:
    """Return what renders a line for a terminal: without the fields that say nothing, numbers with four digits."""
    # structlog does not look at NO_COLOR by itself (https://no-color.org).
    console = structlog.dev.ConsoleRenderer(sort_keys=False, colors=not os.environ.get("NO_COLOR"))

    def render(line: dict[str, Any]) -> str:
        shown = {name: _short(value) for name, value in line.items() if value is not None and value != ""}
        return str(console(None, "", shown))

    return render


def _short(value: Any) -> Any:
    if isinstance(value, str):  # what a provider said must not steer the terminal
        return _STEERING.sub("�", value)
    return float(f"{value:.4g}") if isinstance(value, float) else value

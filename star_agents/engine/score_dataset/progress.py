"""What scoring a file shows while it runs: rows done, rows per second, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from star_agents.text.consoles import say_on


class ScoreProgress:
    """A bar on a terminal, or a line every tenth of the way elsewhere.

    Args:
        total: Rows of the file.
        done: Of those, how many an earlier run scored.
        console: Where to draw; standard error unless given.
    """

    def __init__(self, total: int, *, done: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._total = total
        self._done = done
        self._done_before = done
        self._started = time.monotonic()
        self._tenths_shown = 10 * done // max(total, 1)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("loading models", total=total, completed=done, rate="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self) -> None:
        """The models are there: the clock that rows per second are measured by starts now."""
        self._started = time.monotonic()
        self._progress.update(self._task, description="rows")

    def advance(self, rows: int) -> None:
        """So many rows more are scored, and on disk."""
        self._done += rows
        self._progress.update(self._task, completed=self._done, rate=self._rate())
        tenths = 10 * self._done // max(self._total, 1)
        if not self._console.is_terminal and tenths > self._tenths_shown:
            self._tenths_shown = tenths
            line = f"{self._done:,}/{self._total:,} rows, {self._rate()}, {self._left()}"
            say_on(self._console, line)

    @property
    def rows_per_second(self) -> float:
        """Over this run, without loading."""
        return (self._done - self._done_before) / max(time.monotonic() - self._started, 1e-9)

    def _rate(self) -> str:
        rate = self.rows_per_second
        return f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.2g} rows/s"

    def _left(self) -> str:
        seconds = round((self._total - self._done) / max(self.rows_per_second, 1e-9))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

"""What scoring a file shows while it runs: rows done, rows per second, time left."""

from __future__ import annotations

import time

from rich.console import Console

from star_agents.engine.progress_bar import ProgressBar


class ScoredRows(ProgressBar):
    """The rows of a file.

    Args:
        total: Rows of the file.
        done: Of those, how many an earlier run scored.
        console: Where to draw; standard error unless given.
    """

    def __init__(self, total: int, *, done: int, console: Console | None = None) -> None:
        super().__init__("rows", total, done=done, console=console, clock=time.monotonic)
        self.prepare("loading models")

    def advance(self, rows: int) -> None:
        """So many rows more are scored, and on disk."""
        self.done += rows
        self.show(self._rate())

    @property
    def rows_per_second(self) -> float:
        """Over this run, without loading."""
        return self.done_here / self.seconds

    def _rate(self) -> str:
        rate = self.rows_per_second
        return f"{rate:,.0f} rows/s" if rate >= 10 else f"{rate:.2g} rows/s"

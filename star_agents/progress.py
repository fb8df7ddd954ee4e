"""What a batch shows while it runs: seeds done, calls, cost so far and projected, time left."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from star_agents.events import (
    BudgetCleared,
    BudgetReached,
    CallAnswered,
    CallFailed,
    Event,
    FailureFirstSeen,
    OutcomeCommitted,
    PriceNoted,
)


class BatchProgress:
    """Hears the bus and draws a bar on a terminal, or a line every tenth of the way elsewhere.

    Args:
        total: Seeds that this batch is about.
        done: Of those, how many an earlier run settled.
        spent_usd: What those cost.
        console: Where to draw.
    """

    def __init__(self, total: int, *, done: int, spent_usd: float, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._total = total
        self._done = done
        self._done_before = done
        self._spent_before = spent_usd
        self._spent = 0.0
        self._unpriced = 0
        self._calls = 0
        self._reused = 0
        self._failed = 0
        self._tenths_shown = 10 * done // max(total, 1)
        self._progress = Progress(
            TextColumn("seeds"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("seeds", total=total, completed=done, facts=self._facts())

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def calls(self) -> int:
        """Calls that were sent and answered in this run."""
        return self._calls

    def hear(self, event: Event) -> None:
        """Take in one event; subscribe this to the bus."""
        match event:
            case CallAnswered(from_journal=True):
                self._reused += 1
            case CallAnswered():
                self._calls += 1
                self._unpriced += event.cost_usd is None
                self._spent += event.cost_usd or 0.0
            case CallFailed():
                self._failed += 1
            case OutcomeCommitted():
                self._done += 1
            case BudgetReached() | BudgetCleared() | PriceNoted():
                self._console.print(event.message, highlight=False, markup=False, soft_wrap=True)
            case FailureFirstSeen():
                who = f"{event.part} {event.agent}".rstrip()
                self._console.print(f"{who}: {event.reason}", highlight=False, markup=False, soft_wrap=True)
            case _:
                return
        self._progress.update(self._task, completed=self._done, facts=self._facts())
        self._show_tenths()

    def _show_tenths(self) -> None:
        """Where no bar can be drawn (a file, CI), say every tenth of the way in a line."""
        tenths = 10 * self._done // max(self._total, 1)
        if not self._console.is_terminal and tenths > self._tenths_shown:
            self._tenths_shown = tenths
            self._console.print(f"{self._done}/{self._total} seeds, {self._facts()}", highlight=False, soft_wrap=True)

    def _facts(self) -> str:
        parts = [f"{self._calls:,} calls"]
        if self._reused:
            parts.append(f"{self._reused:,} from the journal")
        if self._failed:
            parts.append(f"{self._failed:,} failed")
        settled = self._done - self._done_before
        spent = self._spent_before + self._spent
        money = f"${spent:,.4f}"
        if settled and self._total > self._done:
            money += f", ${spent + self._spent / settled * (self._total - self._done):,.4f} projected"
        if self._unpriced:
            money += f", {self._unpriced:,} calls of unknown price"
        return ", ".join([*parts, money])

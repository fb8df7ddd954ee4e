"""How far a job of many parts is: a bar on a terminal, or a line every tenth of the way elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from star_agents.text.consoles import say_on
from star_agents.text.figures import duration


class ProgressBar:
    """Draws while it is entered.

    Args:
        what: The parts, in the plural.
        total: How many there are.
        done: Of those, how many an earlier run did.
        console: Where to draw; standard error unless given.
        clock: Monotonic seconds.
        shortest_s: What the time since the beginning counts at least: a rate of the first moments says nothing.
    """

    def __init__(
        self,
        what: str,
        total: int,
        *,
        done: int,
        console: Console | None,
        clock: Callable[[], float],
        shortest_s: float = 1e-9,
    ) -> None:
        self.total = total
        self.done = done
        self._what = what
        self._console = console or Console(stderr=True)
        self._done_before = done
        self._clock = clock
        self._shortest_s = shortest_s
        self._began = clock()
        self._tenths_shown = 10 * done // max(total, 1)
        self._is_drawn = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            disable=not self._is_drawn,
        )
        self._task = self._progress.add_task(what, total=total, completed=done, facts="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing, so that a person can be asked something."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def prepare(self, why: str) -> None:
        """Say what goes on before the first part; the clock begins with ``begin``."""
        self._progress.update(self._task, description=why)

    def begin(self) -> None:
        """The first part is begun: rates and the time left are measured from now on."""
        self._began = self._clock()
        self._progress.update(self._task, description=self._what)

    @property
    def is_due(self) -> bool:
        """Whether anything would come of ``show``: elsewhere than on a terminal, another tenth has to be done."""
        return self._is_drawn or 10 * self.done // max(self.total, 1) > self._tenths_shown

    def show(self, facts: str = "") -> None:
        """Show how far it is, with facts if there are any; call it when ``done``, ``total`` or they have changed."""
        self._progress.update(self._task, total=self.total, completed=self.done, facts=facts)
        if not self._is_drawn and self.is_due:
            self._tenths_shown = 10 * self.done // max(self.total, 1)
            parts = (f"{self.done:,}/{self.total:,} {self._what}", facts, self._time_left())
            self.say(", ".join(filter(None, parts)))

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        say_on(self._console, message)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return max(self._shortest_s, self._clock() - self._began)

    @property
    def done_here(self) -> int:
        """Parts that were done since the beginning."""
        return self.done - self._done_before

    @property
    def left(self) -> int:
        """Parts that are not done yet."""
        return self.total - self.done

    def _time_left(self) -> str:
        if not self.done_here or not self.left:
            return ""
        return f"about {duration(self.seconds / self.done_here * self.left)} left"

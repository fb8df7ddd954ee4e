"""The page of an evaluation while it runs: written anew every few seconds, beside the work."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from star_agents.events import Event, OutcomeCommitted

EVERY_S = 5.0


class LivePage:
    """Hears what is finished, and has the page written, one after another, in a thread of its own.

    Args:
        write: Writes the page, given how far the work is.
        every_s: Seconds between two pages.
        clock: In seconds.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._every_s = every_s
        self._clock = clock
        self._done = self._total = 0
        self._last = clock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evaluation-page")
        self._page: Future[None] | None = None
        self._trouble = ""

    def begin(self, total: int) -> Callable[[Event], None]:
        """A batch of so many seeds begins; hears what happens in it."""
        self._done, self._total = 0, total
        return self.hear

    def hear(self, event: Event) -> None:
        """Count what is finished; a page is begun where one is due and the one before it is written."""
        if not isinstance(event, OutcomeCommitted):
            return
        self._done += 1
        is_due = self._clock() - self._last >= self._every_s
        if is_due and (self._page is None or self._page.done()):
            self._last = self._clock()
            self._note_trouble()
            self._page = self._thread.submit(self._write, f"{self._done:,} of {self._total:,} done")

    def close(self) -> str:
        """Wait for the page that is being written; what went wrong with the last one that failed, if any did."""
        self._thread.shutdown(wait=True)
        self._note_trouble()
        return self._trouble

    def _note_trouble(self) -> None:
        if self._page is not None and self._page.done() and (error := self._page.exception()) is not None:
            self._trouble = str(error)

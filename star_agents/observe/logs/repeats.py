"""Which of many equal complaints are worth a line: the first few of each minute; of the others it is told how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

BURST = 5
"""Equal complaints that are let through in each window."""
WINDOW_S = 60.0
KINDS_KNOWN = 1_000
"""Bounds the memory; beyond it nothing is held back."""


class HeldBack(NamedTuple):
    """Equal complaints of one window that were not let through."""

    event: str
    like: str
    lines: int


@dataclass(slots=True)
class _Window:
    ends_at: float
    seen: int = 0


class Repeats:
    """Decides, and owns no clock: every moment is handed in, in seconds from any start.

    Args:
        burst: Equal complaints that are let through in each window.
        window_s: How long a window is.
    """

    def __init__(self, *, burst: int = BURST, window_s: float = WINDOW_S) -> None:
        self._burst = burst
        self._window_s = window_s
        self._windows: dict[tuple[str, str], _Window] = {}
        self.next_end = float("inf")
        """When the first window ends."""

    def admit(self, event: str, like: str, now: float) -> bool:
        """Whether this complaint may pass; ``ended`` is asked before, where a window is over."""
        key = (event, like)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= KINDS_KNOWN:
                return True
            window = self._windows[key] = _Window(now + self._window_s)
            self.next_end = min(self.next_end, window.ends_at)
        window.seen += 1
        return window.seen <= self._burst

    def ended(self, now: float) -> list[HeldBack]:
        """Forget every window that is over; return those that held something back."""
        over = [(key, window) for key, window in self._windows.items() if window.ends_at <= now]
        for key, _ in over:
            del self._windows[key]
        self.next_end = min((window.ends_at for window in self._windows.values()), default=float("inf"))
        return [HeldBack(*key, window.seen - self._burst) for key, window in over if window.seen > self._burst]

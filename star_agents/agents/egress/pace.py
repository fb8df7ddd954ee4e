"""How long to gather before one message carries it all: a message between processes costs as much as several calls.

A share of what a call takes is waited, so a call is never slowed by more than that, and nothing is where few are in
flight, as with one call after another.
"""

from __future__ import annotations

SHARE = 0.05
"""Of a call's time, for each way."""
LONGEST_S = 0.025
FEW = 8
"""In flight; with so few there is nothing to gather."""
_WEIGHT = 0.05
"""Of the newest call in the mean."""


class Pace:
    """Learns how long calls take. Pure: it is told the times."""

    def __init__(self) -> None:
        self._mean_s = 0.0

    def took(self, seconds: float) -> None:
        """Count a call that took so many seconds."""
        self._mean_s += _WEIGHT * (seconds - self._mean_s)

    def pause_s(self, in_flight: int) -> float:
        """How many seconds requests are gathered before they go out together."""
        return 0.0 if in_flight <= FEW else min(LONGEST_S, SHARE * self._mean_s)

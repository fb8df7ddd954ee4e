"""What becomes of a batch in which agents answer nothing but 429: does it stop, or is one seed at fault? Pure.

Two seeds in a row that nobody was answered for are the provider's doing: the batch stops. One alone may be at fault by
itself, since towards the end nobody else asks: it is tried again, and dropped where others ended well before.
"""

from __future__ import annotations

from typing import Literal

Fate = Literal["again", "dropped", "stop"]


class RejectedSeeds:
    """The seeds since the last one that ended well."""

    def __init__(self) -> None:
        self._first = ""
        self._has_ended_well = False

    def ended_well(self) -> None:
        """Note an outcome that was chosen: agents answer."""
        self._first, self._has_ended_well = "", True

    def fate_of(self, seed_id: str) -> Fate:
        """Note a seed that was rejected until a call was given up."""
        first, self._first = self._first, self._first or seed_id
        if not first:
            return "again"
        return "dropped" if first == seed_id and self._has_ended_well else "stop"

"""The deployments that could take a call, by how many each has in flight: who is next, at the same cost for any number.

Loads change by one at a time, so a pile per load is enough: no heap, no search.
"""

from __future__ import annotations


class IdleFirst:
    """A set of deployments, known by their indices. Pure.

    Args:
        count: How many there are; each is idle.
    """

    def __init__(self, count: int) -> None:
        self._loads = dict.fromkeys(range(count), 0)
        self._piles: dict[int, dict[int, None]] = {0: dict.fromkeys(range(count))}
        """By calls in flight; within a pile the one first that has been in it longest."""
        self._least = 0
        """The lowest pile, or lower."""

    def __contains__(self, index: int) -> bool:
        """Whether it could take a call."""
        return index in self._loads

    def __len__(self) -> int:
        """How many could."""
        return len(self._loads)

    def put(self, index: int, in_flight: int) -> None:
        """It could take a call, and has so many in flight."""
        if self._loads.get(index) == in_flight:
            return
        self.remove(index)
        self._loads[index] = in_flight
        self._piles.setdefault(in_flight, {})[index] = None
        self._least = min(self._least, in_flight)

    def remove(self, index: int) -> None:
        """It could not, or is not known."""
        load = self._loads.pop(index, None)
        if load is not None:
            pile = self._piles[load]
            del pile[index]
            if not pile:
                del self._piles[load]

    def first(self) -> int:
        """The one with the fewest calls in flight, and of several the one that has stood so longest.

        Raises:
            LookupError: There is none.
        """
        if self._least not in self._piles:
            if not self._piles:
                raise LookupError("no deployment could take a call")
            self._least = min(self._piles)
        return next(iter(self._piles[self._least]))

"""The rows of a dataset that are nearest to each item of a benchmark by their vectors, while rows pass by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

MOST = 5
"""Rows kept of each item, as in the Arena Learning paper, which left these out of its training data."""
Vectors = npt.NDArray[np.float32]
Row = TypeVar("Row")


class NearestRows(Generic[Row]):
    """Holds so many rows of each item, however many pass.

    Args:
        items: Vectors of length 1, [items, d].
        most: Rows of each item.
    """

    def __init__(self, items: Vectors, most: int = MOST) -> None:
        self._items, self._most = items, most
        self._similarities = np.zeros((len(items), 0), np.float32)
        self._rows = np.zeros((len(items), 0), np.object_)

    def add(self, vectors: Vectors, rows: Sequence[Row]) -> None:
        """Let some rows pass.

        Args:
            vectors: Of length 1, or 0 for a row that is near to nothing, [rows, d].
            rows: What is kept of each.
        """
        kept = np.empty((1, len(rows)), np.object_)
        kept[0, :] = rows
        similarities = np.hstack([self._similarities, self._items @ vectors.T])
        everything = np.hstack([self._rows, np.repeat(kept, len(self._items), axis=0)])
        order = np.argsort(-similarities, axis=1, kind="stable")[:, : self._most]
        self._similarities = np.take_along_axis(similarities, order, axis=1)
        self._rows = np.take_along_axis(everything, order, axis=1)

    def of(self, item: int) -> list[tuple[Row, float]]:
        """The rows nearest to an item with their cosines, the nearest first; of equals the earlier."""
        return list(zip(self._rows[item], self._similarities[item].tolist(), strict=True))

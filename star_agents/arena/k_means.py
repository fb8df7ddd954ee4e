"""K-means by Lloyd's algorithm from k-means++ centres (Arthur & Vassilvitskii 2007). Pure: vectors in, groups out.

Of our own because that is all that is needed of scikit-learn here, which brings scipy with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
ITERATIONS = 100
_ROWS = 8192
"""Vectors whose distances to all centres are in memory at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouping:
    """Vectors in groups, the largest group first."""

    labels: npt.NDArray[np.int64]
    """Int64 [n]: the group of each vector."""
    distances: npt.NDArray[np.float32]
    """Float32 [n]: squared Euclidean distance of each vector to the centre of its group."""
    centres: Vectors
    """Float32 [k, d]."""

    @property
    def inertia(self) -> float:
        """Sum of the squared distances: what K-means makes small."""
        return float(self.distances.sum(dtype=np.float64))


def k_means(vectors: Vectors, groups: int, random_seed: int) -> Grouping:
    """Group vectors around at most so many centres; fewer where fewer of the vectors are distinct.

    Args:
        vectors: Float32 [n, d], n above 0.
        groups: At least 1.
        random_seed: The same one, on the same machine, gives the same groups.
    """
    centres = _first_centres(vectors, groups, np.random.default_rng(random_seed))
    labels, distances = _nearest(vectors, centres)
    for _ in range(ITERATIONS):
        centres = _means(vectors, labels, distances, centres)
        before = labels
        labels, distances = _nearest(vectors, centres)
        if np.array_equal(labels, before):
            break
    return _largest_first(labels, distances, centres)


def _first_centres(vectors: Vectors, groups: int, chance: np.random.Generator) -> Vectors:
    """Each next one is drawn with a probability that grows with the squared distance to those before it; of a few that
    are drawn so, the one that leaves the least (greedy k-means++, as scikit-learn has it)."""
    own = np.einsum("nd,nd->n", vectors, vectors)
    chosen = [int(chance.integers(len(vectors)))]
    distances = _squared(vectors, own, chosen)[:, 0]
    tries = 2 + int(math.log(groups))
    while len(chosen) < min(groups, len(vectors)):
        total = distances.sum(dtype=np.float64)
        if total <= 0.0:
            break  # All that is left equals a centre.
        drawn = chance.choice(len(vectors), size=tries, p=distances.astype(np.float64) / total)
        left = np.minimum(distances[:, None], _squared(vectors, own, drawn))
        best = int(left.sum(axis=0, dtype=np.float64).argmin())
        chosen.append(int(drawn[best]))
        distances = left[:, best]
    return vectors[chosen]


def _squared(vectors: Vectors, own: Vectors, places: Sequence[int] | npt.NDArray[np.int64]) -> Vectors:
    """Float32 [n, places]: squared distances to some of the vectors. What rounding leaves between equal ones is 0.

    Args:
        vectors: Float32 [n, d].
        own: Float32 [n]: their squared lengths.
        places: Which of them.
    """
    found: Vectors = own[:, None] + own[places][None] - 2.0 * (vectors @ vectors[places].T)
    found[found < 1e-5 * own[:, None]] = 0.0
    return np.maximum(found, 0.0)


def _nearest(vectors: Vectors, centres: Vectors) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The nearest centre of each vector, the first of equally near ones, and its squared distance."""
    labels = np.empty(len(vectors), dtype=np.int64)
    distances = np.empty(len(vectors), dtype=np.float32)
    lengths = np.einsum("kd,kd->k", centres, centres)
    for start in range(0, len(vectors), _ROWS):
        some = vectors[start : start + _ROWS]
        apart = lengths - 2.0 * (some @ centres.T)
        nearest = apart.argmin(axis=1)
        labels[start : start + len(some)] = nearest
        own = np.einsum("nd,nd->n", some, some)
        distances[start : start + len(some)] = np.maximum(own + apart[np.arange(len(some)), nearest], 0.0)
    return labels, distances


def _means(
    vectors: Vectors, labels: npt.NDArray[np.int64], distances: npt.NDArray[np.float32], centres: Vectors
) -> Vectors:
    """The mean of each group; a group that lost all of its vectors begins anew at the one that is farthest off."""
    order = labels.argsort(kind="stable")
    counts = np.bincount(labels, minlength=len(centres))
    filled = counts > 0
    starts = (counts.cumsum() - counts)[filled]
    found = centres.copy()
    found[filled] = np.add.reduceat(vectors[order], starts, axis=0) / counts[filled, None]
    empty = np.flatnonzero(~filled)
    found[empty] = vectors[(-distances).argsort(kind="stable")[: len(empty)]]
    return found


def _largest_first(labels: npt.NDArray[np.int64], distances: npt.NDArray[np.float32], centres: Vectors) -> Grouping:
    counts = np.bincount(labels, minlength=len(centres))
    order = (-counts).argsort(kind="stable")[: int((counts > 0).sum())]
    renamed = np.empty(len(centres), dtype=np.int64)
    renamed[order] = np.arange(len(order))
    return Grouping(labels=renamed[labels], distances=distances, centres=centres[order])

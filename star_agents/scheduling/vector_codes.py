"""Vectors made small for the memory bank: a sketch that a graph is made of, a rotation, and bytes that ranks are by.

A sketch is what a vector is in the 128 directions in which the first ones differ most (principal components, by
subspace iteration; Halko, Martinsson and Tropp 2011). The rotation is a randomised Hadamard transform (signs of chance,
then H of order 2^k; Ailon and Chazelle 2009): it keeps every distance, takes O(d √d) here, and spreads what lies in a
few dimensions over all of them, as it does in hidden states of language models, so that one byte for each coordinate
loses under a hundredth of a vector's length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Bytes = NDArray[np.int8]

SKETCH = 128
"""Coordinates that a graph is made of, before ranks are made by the bytes."""
_BESIDE, _ITERATIONS = 32, 4
"""Directions more than are wanted, and passes, by which those that are wanted are found well."""
_STEPS = 127
_SEED = b"memory bank, rotation 1"


def as_vector(values: Iterable[float]) -> Vector:
    """Make a unit vector of shape [d], float32; a zero vector stays zero."""
    vector = np.asarray(list(values), dtype=np.float32)
    norm = float(np.linalg.norm(vector))
    return vector / np.float32(norm) if norm > 0 else vector


def is_comparable(vector: Vector) -> bool:
    """Whether it points anywhere: all its numbers are finite, and not all of them 0."""
    return bool(np.isfinite(vector).all() and vector.any())


def vector_from_bytes(data: bytes) -> Vector:
    """Read a vector back as the store keeps it: float32, little endian."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


class Coded(NamedTuple):
    """Some vectors, n of them."""

    sketches: Vector
    """Shape [n, 128], float32."""
    codes: Bytes
    """Shape [n, width], int8."""
    scales: Vector
    """What a step of each is worth; shape [n], float32."""


class VectorCoder:
    """Makes them, of vectors of one dimension.

    Args:
        mean: Of vectors like those to come, shape [d], float32. What all of them share tells none from another, and
            would take up steps of the bytes.
        axes: The directions of sketches, shape [d, 128], float32.
    """

    def __init__(self, mean: Vector, axes: Vector) -> None:
        dimension = len(mean)
        self.mean, self.axes = mean, axes
        self.width = max(SKETCH, 1 << (dimension - 1).bit_length())
        bits = hashlib.shake_256(_SEED).digest((dimension + 7) // 8)
        chance = np.unpackbits(np.frombuffer(bits, dtype=np.uint8))[:dimension]
        self._signs: Vector = (1.0 - 2.0 * chance).astype(np.float32)
        left = 1 << (self.width.bit_length() // 2)
        self._left: Vector = _hadamard(left)
        self._right: Vector = _hadamard(self.width // left)

    @classmethod
    def of(cls, vectors: Vector) -> VectorCoder:
        """One for vectors like these; shape [n, d], float32."""
        mean = np.asarray(vectors.mean(axis=0), dtype=np.float32)
        return cls(mean, _principal_axes(vectors - mean))

    def fitted_anew(self, vectors: Vector) -> VectorCoder:
        """One with directions for vectors like these, shape [n, d], that codes as this one does: bytes stay."""
        return VectorCoder(self.mean, _principal_axes(vectors - vectors.mean(axis=0)))

    def rotated(self, vectors: Vector) -> Vector:
        """Vectors of shape [n, d] with their lengths and angles, of shape [n, width]."""
        count, dimension = vectors.shape
        spread = np.zeros((count, self.width), dtype=np.float32)
        spread[:, :dimension] = vectors * self._signs
        # The Hadamard matrix of order a·b is the Kronecker product of those of a and b.
        squares = spread.reshape(count, len(self._left), len(self._right))
        turned: Vector = np.matmul(np.matmul(self._left, squares), self._right)
        return turned.reshape(count, self.width)

    def sketches(self, vectors: Vector) -> Vector:
        """What vectors of shape [n, d] are looked for by in a graph; shape [n, 128]."""
        sketched: Vector = np.matmul(vectors - self.mean, self.axes)
        return sketched

    def code(self, vectors: Vector) -> Coded:
        """Vectors of shape [n, d] as they are kept."""
        turned = self.rotated(vectors - self.mean)
        scales = np.maximum(np.abs(turned).max(axis=1), np.float32(1e-30)) / np.float32(_STEPS)
        codes = np.rint(turned / scales[:, None]).astype(np.int8)
        return Coded(self.sketches(vectors), codes, scales)

    def decoded(self, codes: Bytes, scales: Vector) -> Vector:
        """The vectors of some bytes, as far as they tell them: shapes [n, width] and [n] to [n, d]."""
        turned = (codes * scales[:, None]).reshape(len(codes), len(self._left), len(self._right))
        spread = np.matmul(np.matmul(self._left, turned), self._right).reshape(len(codes), self.width)
        vectors: Vector = spread[:, : len(self.mean)] * self._signs + self.mean
        return vectors


class Query:
    """A vector that others are compared with."""

    def __init__(self, coder: VectorCoder, vector: Vector) -> None:
        self._turned = coder.rotated(vector.reshape(1, -1))[0]
        self.sketch: Vector = coder.sketches(vector.reshape(1, -1))[0]
        self._to_mean = np.float32(vector @ coder.mean)

    def similarities(self, codes: Bytes, scales: Vector) -> Vector:
        """Its inner product with each of n coded vectors: shapes [n, width] and [n] to [n]."""
        similar: Vector = (codes.astype(np.float32) @ self._turned) * scales + self._to_mean
        return similar

    @staticmethod
    def all_similarities(queries: Sequence[Query], codes: Bytes, scales: Vector) -> Vector:
        """The same of several queries; shape [queries, n]."""
        turned, to_mean = np.stack([one._turned for one in queries]), np.stack([one._to_mean for one in queries])
        similar: Vector = (turned @ codes.astype(np.float32).T) * scales + to_mean[:, None]
        return similar


def _principal_axes(centred: Vector) -> Vector:
    """The directions in which vectors of shape [n, d], whose mean is 0, differ most; shape [d, 128], float32.

    Where they have fewer dimensions, the last columns are 0.
    """
    dimension = centred.shape[1]
    width = min(dimension, SKETCH + _BESIDE)
    basis = np.random.default_rng(1).standard_normal((dimension, width), dtype=np.float32)
    for _ in range(_ITERATIONS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    within = (centred @ basis).astype(np.float64)
    turned = np.linalg.eigh(within.T @ within)[1][:, ::-1]  # A tenth of the time that singular values take.
    axes = np.zeros((dimension, SKETCH), dtype=np.float32)
    found = (basis @ turned)[:, :SKETCH]
    axes[:, : found.shape[1]] = found
    return axes


def _hadamard(order: int) -> Vector:
    """The orthonormal one of Sylvester, of an order that is a power of two; shape [order, order]."""
    matrix = np.ones((1, 1), dtype=np.float32)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]]).astype(np.float32)
    return np.asarray(matrix / order**0.5, dtype=np.float32)

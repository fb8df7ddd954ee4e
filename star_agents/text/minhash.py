"""Signatures of texts, compared: how alike two texts are by them, and by which keys those are found that are alike.

A signature estimates the Jaccard similarity of two sets of n-grams (Broder 1997): the share of its values that agree.
Candidates are found by bands of it (locality-sensitive hashing, Indyk and Motwani 1998), and the estimate decides. With
12 bands of 4 values a pair of similarity 0.8 becomes a candidate with probability 0.998, one of 0.7 with 0.96, one of
0.3 with 0.09; of a million texts that have 5 % in common by chance 75 do.

Who makes signatures, and of what, is for ``admission.near_duplicates`` to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

VALUES = 128
BANDS, ROWS = 12, 4
"""Bands of a signature, and values of each; the others stand in no band."""
_LITTLE_ENDIAN = np.dtype("<u4")
_FACTORS = np.random.Generator(np.random.PCG64(1)).integers(1, 2**64, size=(BANDS, ROWS), dtype=np.uint64) | 1


@dataclass(frozen=True, slots=True)
class Signature:
    """What a text is known again by."""

    values: bytes
    """``VALUES`` numbers of 32 bits, little-endian."""
    among: str = ""
    """It is compared only with others of the same ``among``."""

    @property
    def bands(self) -> list[int]:
        """Keys of 64 bits, with a sign, by which it is looked up: two that share one are candidates."""
        values = _values(self.values)[: BANDS * ROWS].reshape(BANDS, ROWS).astype(np.uint64)
        salt = np.frombuffer(hashlib.sha256(self.among.encode()).digest()[:8], np.dtype("<u8"))[0]
        keys: list[int] = ((values * _FACTORS).sum(axis=1, dtype=np.uint64) ^ salt).view(np.int64).tolist()
        return keys

    def similarities(self, others: Sequence[bytes]) -> list[float]:
        """The estimated similarity to each of some values; its standard error is 0.044 at the most."""
        if not others:
            return []
        table = np.frombuffer(b"".join(others), _LITTLE_ENDIAN).reshape(len(others), VALUES)
        alike: list[float] = (table == _values(self.values)).mean(axis=1).tolist()
        return alike


def as_values(numbers: Sequence[int]) -> bytes:
    """The same bytes on every machine."""
    return np.array(numbers, _LITTLE_ENDIAN).tobytes()


def _values(one: bytes) -> npt.NDArray[np.uint32]:
    return np.frombuffer(one, _LITTLE_ENDIAN)

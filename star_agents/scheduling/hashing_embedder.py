"""Embeddings without a model: hashed word and character n-grams, for lines that load no scorer."""

from __future__ import annotations

import re
import zlib
from array import array
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DIMENSION = 256
_WORD = re.compile(r"\w+")
_SHORT = 32
"""Letters of a word whose buckets are kept: a word may be as long as a text."""


def embed_by_hashing(text: str) -> NDArray[np.float32]:
    """Embed one text as a unit vector of shape ``[256]``, float32.

    Words and character trigrams are counted into signed buckets by CRC-32 (the hashing trick, Weinberger et al. 2009),
    so that instructions which share words, or parts of words, come out near each other. No word at all gives e_0.
    """
    signed = array("H")
    for word in _WORD.findall(text.lower()):
        signed += _known_buckets(word) if len(word) <= _SHORT else _buckets(word)
    counts = np.bincount(np.array(signed), minlength=2 * DIMENSION)
    vector = (counts[DIMENSION:] - counts[:DIMENSION]).astype(np.float32)
    norm = float(np.linalg.norm(vector))
    if norm == 0.0:
        vector[0] = 1.0
        return vector
    return vector / np.float32(norm)


def _buckets(word: str) -> array[int]:
    """Where a word and its trigrams are counted; from ``DIMENSION`` on, what is added, and before it, what is taken
    away."""
    padded = f" {word} "
    features = (word, *(padded[start : start + 3] for start in range(len(padded) - 2)))
    hashes = (zlib.crc32(feature.encode("utf-8", "surrogatepass")) for feature in features)
    return array("H", (one % DIMENSION + (DIMENSION if one & 0x8000_0000 else 0) for one in hashes))


_known_buckets = lru_cache(maxsize=16_384)(_buckets)
"""Most words of a text are among the most frequent ones."""

"""Embeddings without a model: hashed word and character n-grams, for lines that load no scorer."""

from __future__ import annotations

import re
import zlib

import numpy as np
from numpy.typing import NDArray

DIMENSION = 256
_WORD = re.compile(r"\w+")


def embed_by_hashing(text: str) -> NDArray[np.float32]:
    """Embed one text as a unit vector of shape ``[256]``, float32.

    Words and character trigrams are counted into signed buckets by CRC-32 (the hashing trick, Weinberger et al. 2009),
    so that instructions which share words, or parts of words, come out near each other. No word at all gives e_0.
    """
    vector = np.zeros(DIMENSION, dtype=np.float32)
    for word in _WORD.findall(text.lower()):
        padded = f" {word} "
        for feature in (word, *(padded[start : start + 3] for start in range(len(padded) - 2))):
            bucket = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
            vector[bucket % DIMENSION] += 1.0 if bucket & 0x8000_0000 else -1.0
    norm = float(np.linalg.norm(vector))
    if norm == 0.0:
        vector[0] = 1.0
        return vector
    return vector / np.float32(norm)

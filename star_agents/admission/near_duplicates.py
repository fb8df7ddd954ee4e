"""Whether a text nearly repeats another one: MinHash signatures of word 5-grams, and an index that looks one up.

A signature estimates the Jaccard similarity of two sets of 5-grams (Broder 1997): the share of its values that agree.
The index finds candidates by bands of it (locality-sensitive hashing), and the estimate decides. With 21 bands of 6
values a pair of similarity 0.8 becomes a candidate with probability 0.998, one of 0.7 with 0.93, one of 0.3 with 0.015.

A signature is bytes, the same on every machine, and means something only beside others of one ``SCHEME``: whoever keeps
signatures keeps that with them. Its values are rensa's R-MinHash, which was measured against datasketch
(tools/bench/RESULTS.md).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

VALUES = 128
SHINGLE = 5
"""Words of one n-gram."""
BANDS, ROWS = 21, 6
"""Bands of a signature, and values of each; the last two values stand in no band."""
SCHEME = f"r-minhash {RMinHash.ALGORITHM_VERSION}, {VALUES} values, {SHINGLE} words, text 1"
"""What a signature is made by; ``text`` counts the ways in which words were told apart here."""
_SEED = 1
_LITTLE_ENDIAN = np.dtype("<u4")
_FACTORS = np.random.Generator(np.random.PCG64(_SEED)).integers(1, 2**64, size=(BANDS, ROWS), dtype=np.uint64) | 1
_ALONE = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts without spaces (Thai, Lao, Burmese, Khmer, kana, Han): each character is a word."""
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+")

Key = TypeVar("Key", bound=Hashable)


def signature(text: str) -> bytes:
    """The MinHash of a text's word 5-grams: ``VALUES`` numbers of 32 bits, little-endian.

    Case, punctuation and width of characters make no difference. Of a text with fewer than five words all are one
    n-gram; one without words is that n-gram itself.
    """
    writable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    normalised = unicodedata.normalize("NFKC", writable).casefold()
    words = _WORD.findall(normalised)
    shingles = list(map(" ".join, zip(*(words[start:] for start in range(SHINGLE)), strict=False)))
    sketch = RMinHash(num_perm=VALUES, seed=_SEED)
    sketch.update(shingles or [" ".join(words) or normalised])
    return np.array(sketch.digest(), _LITTLE_ENDIAN).tobytes()


def similarity(first: bytes, second: bytes) -> float:
    """The Jaccard similarity of two texts, estimated by their signatures; its standard error is 0.04 at the most."""
    return float(np.mean(_values(first) == _values(second)))


def bands(one: bytes) -> list[int]:
    """Keys of 64 bits by which a signature is looked up: two that share one are candidates."""
    values = _values(one)[: BANDS * ROWS].reshape(BANDS, ROWS).astype(np.uint64)
    keys: list[int] = (values * _FACTORS).sum(axis=1, dtype=np.uint64).tolist()
    return keys


class NearDuplicates(Generic[Key]):
    """Signatures by key, in memory: 2.5 KB each."""

    def __init__(self) -> None:
        self._signatures: dict[Key, bytes] = {}
        self._by_band: dict[int, Key | list[Key]] = {}

    def __len__(self) -> int:
        return len(self._signatures)

    def find(self, one: bytes, least: float) -> Key | None:
        """The key of the most similar signature, where its similarity is ``least`` or more; of several the first."""
        found: dict[Key, None] = {}
        for band in bands(one):
            known = self._by_band.get(band)
            found.update(dict.fromkeys(known if isinstance(known, list) else () if known is None else (known,)))
        best, most = None, least
        for key in found:
            if (alike := similarity(one, self._signatures[key])) >= most and (best is None or alike > most):
                best, most = key, alike
        return best

    def take_over(self, other: NearDuplicates[Key]) -> None:
        """Add all that another index has."""
        for key, one in other._signatures.items():
            self.add(key, one)

    def add(self, key: Key, one: bytes) -> None:
        """Let a signature be found under its key from now on."""
        self._signatures[key] = one
        for band in bands(one):
            known = self._by_band.get(band)
            if known is None:
                self._by_band[band] = key
            elif isinstance(known, list):
                known.append(key)
            else:
                self._by_band[band] = [known, key]


def _values(one: bytes) -> npt.NDArray[np.uint32]:
    return np.frombuffer(one, _LITTLE_ENDIAN)

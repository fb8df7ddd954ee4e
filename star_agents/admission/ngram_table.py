"""N-grams of one length and where they stand: an inverted index over sequences of words, held in flat arrays.

A word is a number of 64 bits, an n-gram a polynomial of them modulo 2**64: where 100 million are looked up among a
million, one is taken for another with a probability of 1 in 200,000.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no word's bits are lost."""


class Hits(NamedTuple):
    """Where a row and the sequences have an n-gram in common, one of each at the same place of these arrays."""

    sequences: Numbers
    places: Numbers
    """In the sequence, of the n-gram's first word."""
    row_places: Numbers


class NgramTable:
    """The n-grams of some sequences.

    Args:
        length: Words of an n-gram.
        sequences: Of words as numbers, each at least as long as an n-gram.
        most: An n-gram that stands in more sequences than this is left out.

    Attributes:
        length: As given.
        own: For each sequence, how many of its words stand in n-grams that are not left out.
    """

    def __init__(self, length: int, sequences: Sequence[Hashes], most: int) -> None:
        self.length = length
        hashes = [ngrams(one, length) for one in sequences]
        keys = np.concatenate(hashes)
        of = np.repeat(np.arange(len(hashes)), [len(one) for one in hashes])
        places = np.concatenate([np.arange(len(one)) for one in hashes])
        order = np.argsort(keys, kind="stable")  # So that an n-gram's sequences stand in their order.
        keys, of, places = keys[order], of[order], places[order]
        is_kept = ~_is_in_more_than(most, keys, of)
        self._sequences, self._places = of[is_kept], places[is_kept]
        self._keys, self._starts = np.unique(keys[is_kept], return_index=True)
        self._ends = np.append(self._starts[1:], len(self._sequences))
        self.own = self._words_kept([len(one) for one in sequences])

    def find(self, hashes: Hashes) -> Hits | None:
        """Where n-grams of a row stand in the sequences; ``None`` where none does.

        Args:
            hashes: The row's n-grams of this length, in order.
        """
        if not len(self._keys):
            return None
        at = np.searchsorted(self._keys, hashes)
        at[at == len(self._keys)] = 0
        row_places = np.flatnonzero(self._keys[at] == hashes)
        if not len(row_places):
            return None
        starts, ends = self._starts[at[row_places]], self._ends[at[row_places]]
        counts = ends - starts
        postings = np.repeat(starts - np.append(0, counts.cumsum()[:-1]), counts) + np.arange(counts.sum())
        return Hits(self._sequences[postings], self._places[postings], np.repeat(row_places, counts))

    def _words_kept(self, lengths: Sequence[int]) -> Numbers:
        """How many words of each sequence a kept n-gram covers."""
        if not len(self._keys):
            return np.zeros(len(lengths), np.int64)
        order = np.lexsort((self._places, self._sequences))
        of, places = self._sequences[order], self._places[order]
        is_next = np.append(False, of[1:] == of[:-1])
        step = np.minimum(np.append(self.length, np.diff(places)), self.length)
        return np.bincount(of, np.where(is_next, step, self.length), len(lengths)).astype(np.int64)


def word_number(word: str) -> int:
    """A word as 64 bits that are the same on every machine, and hardly another word's."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


def ngrams(words: Hashes, length: int) -> Hashes:
    """The n-grams of one length in a sequence of words."""
    hashes = words
    for number in range(1, length):
        hashes = longer(hashes, words, number)
    return hashes


def longer(hashes: Hashes, words: Hashes, length: int) -> Hashes:
    """N-grams that are longer by a word than those of ``length``."""
    return hashes[:-1] * _FACTOR + words[length:]


def _is_in_more_than(most: int, keys: Hashes, of: Numbers) -> npt.NDArray[np.bool_]:
    """For each n-gram, sorted, whether it stands in more than so many sequences."""
    is_new_key = np.append(True, keys[1:] != keys[:-1])
    is_new_pair = is_new_key | np.append(True, of[1:] != of[:-1])
    group = is_new_key.cumsum() - 1
    different: npt.NDArray[np.bool_] = np.bincount(group, is_new_pair)[group] > most
    return different

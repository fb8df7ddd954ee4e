"""Several sequences in one row of tokens, without padding between them. Pure: no torch, no models.

A pack is a row of at most so many tokens, planned first-fit decreasing. Each sequence is a block that sees nothing but
itself, with positions that begin at 0 again. Where several responses answer one prompt and the prompt is a large enough
share of them, it stands in the pack once: each response is a block of its own, which continues the prompt's positions
and sees the prompt and itself, so its numbers are those of the whole sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain

import numpy as np
import numpy.typing as npt

from star_agents.scoring.encoding import Passage

Integers = npt.NDArray[np.int64]

STEP = 128
"""Pack lengths are multiples of this: kernels that are prepared for a shape see few of them."""
SMALLEST = 16
"""Packs shorter than ``STEP`` have the length of a power of two, from this on."""
WORTH_SHARING = 0.3
"""Part of a passage that its prompt has to be to be shared, as each block with a context costs a mask and two copies.

Two such passages save 15 % of their tokens, many of them 30 %. It is asked of each passage and not of all together, so
that a pack shares at least what its plan counted on.
"""
PLANS_KEPT = 2
LAYOUTS_KEPT = 64
"""Of the last passages: the second model of a pair asks for what the first one had."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows ``begin`` to ``end`` of a pack: each sees the context and, of the block, itself and those before it."""

    begin: int
    end: int
    context_begin: int = 0
    context_end: int = 0
    """The context's rows, which no other block changes; empty where the block is a whole sequence."""

    @property
    def rows(self) -> int:
        """Length of the block."""
        return self.end - self.begin

    @property
    def context(self) -> int:
        """Length of the context."""
        return self.context_end - self.context_begin


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where everything in a pack of T rows stands. Rows behind the last block are padding, seen by no block.

    Arrays and not tuples: sixteen thousand rows cost a GPU's host milliseconds as Python's numbers.
    """

    ids: Integers
    """[T] token ids; padding repeats the first one, so that a padding embedding is never read."""
    positions: Integers
    """[T] position of each token in its own sequence."""
    blocks: tuple[Block, ...]
    predicting: Integers
    """[N] row that predicts each scored token, passage by passage."""
    scored: Integers
    """[N] row of each scored token itself."""
    targets: Integers
    """[N] id of each scored token."""
    tokens: int
    """Rows that are no padding."""


def padded_length(tokens: int) -> int:
    """The pack length that holds so many tokens: a multiple of ``STEP``, or a small power of two.

    >>> [padded_length(tokens) for tokens in (3, 17, 128, 129)]
    [16, 32, 128, 256]
    """
    if tokens <= STEP // 2:
        return max(SMALLEST, 1 << (tokens - 1).bit_length())
    return -(-tokens // STEP) * STEP


def plan(passages: Sequence[Passage], tokens: int) -> list[list[int]]:
    """Indices of the passages in packs of at most ``tokens``; a longer passage gets a pack of its own."""
    return [list(pack) for pack in _plan(tuple(passages), tokens)]


def lay_out(passages: Sequence[Passage]) -> Layout:
    """One pack of all the passages."""
    return _lay_out(tuple(passages))


@lru_cache(maxsize=PLANS_KEPT)
def _plan(passages: tuple[Passage, ...], tokens: int) -> tuple[tuple[int, ...], ...]:
    bundles = [(_size(passages, bundle), bundle) for bundle in _bundles(passages, tokens)]
    packs: list[list[int]] = []
    room: list[int] = []
    for size, bundle in sorted(bundles, key=lambda entry: -entry[0]):
        at = next((at for at, left in enumerate(room) if left >= size), None)
        if at is None:
            at = len(packs)
            packs.append([])
            room.append(tokens)
        packs[at] += bundle
        room[at] -= size
    return tuple(map(tuple, packs))


def _bundles(passages: Sequence[Passage], tokens: int) -> Iterator[list[int]]:
    """Indices that belong into one pack: the responses to one prompt where sharing it pays, else one passage each."""
    contexts: dict[tuple[int, ...], list[int]] = {}
    for index, passage in enumerate(passages):
        if passage.start > WORTH_SHARING * len(passage.ids):
            contexts.setdefault(passage.ids[: passage.start], []).append(index)
        else:
            yield [index]
    for group in contexts.values():
        yield from _fitting(passages, group, tokens)


def _fitting(passages: Sequence[Passage], group: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Parts of a group that shares its context, each within the budget where that is possible."""
    part: list[int] = []
    size = 0
    for index in group:
        passage = passages[index]
        if part and size + passage.scored > tokens:
            yield part
            part = []
        if not part:
            size = passage.start
        part.append(index)
        size += passage.scored
    yield part


def _size(passages: Sequence[Passage], bundle: Sequence[int]) -> int:
    return passages[bundle[0]].start + sum(passages[index].scored for index in bundle)


@lru_cache(maxsize=LAYOUTS_KEPT)
def _lay_out(passages: tuple[Passage, ...]) -> Layout:
    sizes = [len(passage.ids) for passage in passages]
    offsets = [0, *accumulate(sizes)]  # of each passage among the tokens of all
    everything = np.fromiter(chain.from_iterable(passage.ids for passage in passages), np.int64, offsets[-1])
    pieces: list[tuple[int, int, int]] = []  # of the pack: begin among all tokens, first position, length
    blocks: list[Block] = []
    before = [0] * len(passages)  # the row that predicts a passage's first scored token
    own = [0] * len(passages)  # the row of that token
    rows = 0
    for bundle in _bundles(passages, offsets[-1]):
        first, start = bundle[0], passages[bundle[0]].start
        context = Block(rows, rows + start)
        pieces.append((offsets[first], 0, start))
        rows += start
        for index in bundle:
            scored = passages[index].scored
            before[index], own[index] = context.end - 1, rows
            pieces.append((offsets[index] + start, start, scored))
            blocks.append(Block(rows, rows + scored, context.begin, context.end))
            rows += scored
        if len(bundle) > 1:
            blocks.append(context)
        else:  # prompt and response lie side by side and are one sequence
            blocks[-1] = Block(context.begin, rows)
    begins, positions, lengths = zip(*pieces, strict=True)
    counts = [passage.scored for passage in passages]
    scored_rows = _ranges(own, counts)
    predicting = scored_rows - 1
    predicting[[0, *accumulate(counts[:-1])]] = before
    starts = [offset + passage.start for offset, passage in zip(offsets, passages, strict=False)]
    ids = everything[_ranges(begins, lengths)]
    padding = padded_length(rows) - rows
    return Layout(
        ids=np.concatenate((ids, np.repeat(ids[:1], padding))),
        positions=np.concatenate((_ranges(positions, lengths), np.zeros(padding, np.int64))),
        blocks=tuple(blocks),
        predicting=predicting,
        scored=scored_rows,
        targets=everything[_ranges(starts, counts)],
        tokens=rows,
    )


def _ranges(begins: Sequence[int], lengths: Sequence[int]) -> Integers:
    """One range after another.

    >>> _ranges([5, 0], [2, 3]).tolist()
    [5, 6, 0, 1, 2]
    """
    sizes = np.asarray(lengths, np.int64)
    shifts = np.asarray(begins, np.int64) - sizes.cumsum() + sizes
    return np.repeat(shifts, sizes) + np.arange(sizes.sum())

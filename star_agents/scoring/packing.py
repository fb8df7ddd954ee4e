"""Several sequences in one row of tokens, without padding between them. Pure: no torch, no models.

A pack is a row of at most so many tokens, planned first-fit decreasing. Each sequence is a block that sees nothing but
itself, with positions that begin at 0 again. Where several responses answer one prompt and the prompt is a large enough
share of them, it stands in the pack once: each response is a block of its own, which continues the prompt's positions
and sees the prompt and itself, so its numbers are those of the whole sequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from star_agents.scoring.encoding import Passage

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


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything in a pack of T rows stands. Rows behind the last block are padding, seen by no block."""

    ids: tuple[int, ...]
    """[T] token ids; padding repeats the first one, so that a padding embedding is never read."""
    positions: tuple[int, ...]
    """[T] position of each token in its own sequence."""
    blocks: tuple[Block, ...]
    predicting: tuple[int, ...]
    """[N] row that predicts each scored token, passage by passage."""
    scored: tuple[int, ...]
    """[N] row of each scored token itself."""
    targets: tuple[int, ...]
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
    ids: list[int] = []
    positions: list[int] = []
    blocks: list[Block] = []
    predicting: dict[int, Iterable[int]] = {}
    scored: dict[int, range] = {}
    everything = sum(len(passage.ids) for passage in passages)
    for bundle in _bundles(passages, everything):
        start = passages[bundle[0]].start
        context = Block(len(ids), len(ids) + start)
        ids += passages[bundle[0]].ids[:start]
        positions += range(start)
        for index in bundle:
            own = range(len(ids), len(ids) + passages[index].scored)
            predicting[index] = chain((context.end - 1,), own[:-1])
            scored[index] = own
            ids += passages[index].ids[start:]
            positions += range(start, start + len(own))
            blocks.append(Block(own.start, own.stop, context.begin, context.end))
        if len(bundle) > 1:
            blocks.append(context)
        else:  # prompt and response lie side by side and are one sequence
            blocks[-1] = Block(context.begin, len(ids))
    padding = padded_length(len(ids)) - len(ids)
    order = range(len(passages))
    return Layout(
        ids=(*ids, *ids[:1] * padding),
        positions=(*positions, *(0,) * padding),
        blocks=tuple(blocks),
        predicting=tuple(chain.from_iterable(predicting[index] for index in order)),
        scored=tuple(chain.from_iterable(scored[index] for index in order)),
        targets=tuple(chain.from_iterable(passage.ids[passage.start :] for passage in passages)),
        tokens=len(ids),
    )

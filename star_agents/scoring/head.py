"""From hidden states to mean losses: the head on the rows that count, a block of the vocabulary at a time.

Logits of a whole batch, [B, T, V], would be the largest tensor of all by far, and for the most part of tokens that
nobody scores. Even [128, V] leaves a core's caches several times before its log-softmax is done, so on the CPU the
vocabulary goes by in blocks under a running log-sum-exp, as in online softmax (Milakov and Gimelshein, arXiv
1805.02867).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, pad

from star_agents.scoring.encoding import Passage
from star_agents.scoring.prepacked import Judge, fast_half_precision

HEAD_ROWS_CPU = 1024
"""Rows per chunk on the CPU, a usual pack: with a block of the vocabulary, logits of 4 MB. Chunks of 256 stay in a
core's own cache, and lose more than that gains by short products and by the calls around them."""
HEAD_ROWS_GPU = 1024
"""Rows per chunk on a GPU, with the whole vocabulary: 1024 x 50k logits in fp32 are 206 MB."""
VOCABULARY_BLOCK = 1024
"""Entries of the vocabulary per block."""
LOG2_E = 1 / math.log(2)
STEP = 32
"""Rows are filled up to a multiple of this: kernels that are prepared for a shape see few of them."""


class Head(Protocol):
    """Losses from hidden states."""

    def nll(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Float32 NLL [N] of each target [N] from the row [N, D] that predicts it, over the head's whole vocabulary."""


class ChunkedHead:
    """Any head, a chunk of rows at a time."""

    def __init__(self, head: Callable[[Tensor], Tensor]) -> None:
        self._head = head

    def nll(self, rows: Tensor, targets: Tensor) -> Tensor:
        """See ``Head``."""
        chunk = HEAD_ROWS_GPU if rows.device.type == "cuda" else HEAD_ROWS_CPU
        parts = zip(torch.split(rows, chunk), torch.split(targets, chunk), strict=True)
        return torch.cat([cross_entropy(self._head(some).float(), wanted, reduction="none") for some, wanted in parts])


class BlockedHead:
    """A linear head on the CPU, a block of its vocabulary at a time.

    The blocks are views of the head's weight, or, where ``judge`` says that this is faster, copies in another order.
    """

    def __init__(self, head: nn.Linear, judge: Judge) -> None:
        weights = torch.split(head.weight, VOCABULARY_BLOCK)
        bias: Tensor | None = head.bias
        biases = [None] * len(weights) if bias is None else torch.split(bias, VOCABULARY_BLOCK)
        self._wide = head.weight.dtype != torch.float32 and not fast_half_precision(head.weight.dtype)
        variant = None if self._wide else judge(weights[0], HEAD_ROWS_CPU)
        self.prepacked = variant is not None
        """Whether the blocks are copies, so that the head's own weight is no longer needed here."""
        self._sizes = [len(weight) for weight in weights]
        self._blocks: list[Callable[[Tensor], Tensor]] = [
            variant(weight, bias) if variant else _Plain(weight, bias)
            for weight, bias in zip(weights, biases, strict=True)
        ]

    def nll(self, rows: Tensor, targets: Tensor) -> Tensor:
        """See ``Head``."""
        number = len(rows)
        short = -number % STEP
        rows, targets = pad(rows, (0, 0, 0, short)), pad(targets, (0, short))
        sums = _Sums(targets, self._wide)
        begin = 0
        for block, size in zip(self._blocks, self._sizes, strict=True):
            sums.add(block, rows, begin, size)
            begin += size
        return sums.nll()[:number]


class _Plain:
    """A block as the product that torch itself would take."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight = weight
        self.bias = bias

    def __call__(self, rows: Tensor) -> Tensor:
        return linear(rows, self.weight, self.bias)

    def widened(self) -> _Plain:
        return _Plain(self.weight.float(), None if self.bias is None else self.bias.float())


class _Sums:
    """What is left of the logits of N rows: their largest, the sum of exponentials below it, and the target's own."""

    def __init__(self, targets: Tensor, wide: bool) -> None:
        self._wide = wide
        number = len(targets)
        self._top = torch.full((number,), -torch.inf)
        self._sum = torch.zeros(number)
        self._target = torch.zeros(number)
        self._targets = targets

    def add(self, block: Callable[[Tensor], Tensor], rows: Tensor, first: int, size: int) -> None:
        """Take in a block of ``size`` entries of the vocabulary from its ``first`` on."""
        if self._wide and isinstance(block, _Plain):
            block, rows = block.widened(), rows.float()
        for begin in range(0, len(rows), HEAD_ROWS_CPU):
            part = slice(begin, begin + HEAD_ROWS_CPU)
            logits = block(rows[part]).float()  # (HEAD_ROWS_CPU, size)
            wanted = self._targets[part] - first
            (inside,) = torch.where((wanted >= 0) & (wanted < size))  # mostly a few: each row has one in all blocks
            self._target[part][inside] = logits[inside, wanted[inside]]
            top = torch.maximum(self._top[part], logits.amax(1))
            # Two to a power, since torch computes that in a third of the time of e to one (AVX-512, torch 2.13).
            fresh = torch.add((top * -LOG2_E)[:, None], logits, alpha=LOG2_E, out=logits).exp2_().sum(1)
            self._sum[part] = self._sum[part] * torch.exp(self._top[part] - top) + fresh
            self._top[part] = top

    def nll(self) -> Tensor:
        """[N]."""
        return self._top + self._sum.log() - self._target


def means(losses: Tensor, passages: Sequence[Passage]) -> list[float]:
    """Mean loss of each passage in float64, from the losses [N] of all of them."""
    return [float(part.mean()) for part in split(losses.cpu().double(), passages)]


def split(values: Tensor, passages: Sequence[Passage]) -> Sequence[Tensor]:
    """The values [N, ...] of all scored tokens, passage by passage."""
    return torch.split(values, [passage.scored for passage in passages])

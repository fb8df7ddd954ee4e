"""Prints a hash of what torch makes of fixed numbers here: equal hashes, equal last bits.

Two processors add up a product in different orders (AVX2, AVX-512, another MKL), so the scorer's floats differ in their
last bits. These are the scorer's operations at the sizes of the shipped models, by torch alone: a change of the package
cannot change the hash, another processor or another torch does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

ROWS = (1, 7, 32, 61, 150)
"""Tokens of a forward pass."""
WIDTHS = tuple((size, out) for size, inner in ((128, 352), (160, 432)) for out in (size, inner, 1024))
"""Input and output of the matrices: hidden size, the size between, vocabulary."""
HEADS, HEAD = 4, 32


def numbers(*shape: int) -> Tensor:
    """Between -0.5 and 0.5 and the same everywhere: remainders of whole numbers, over a power of two."""
    return (torch.arange(torch.Size(shape).numel()) * 7919 % 65537).float().reshape(shape) / 2**16 - 0.5


def results() -> Iterator[Tensor]:
    """What is hashed."""
    for rows in ROWS:
        for width, out in WIDTHS:
            given = numbers(rows, width)
            product = functional.linear(given * torch.rsqrt(given.pow(2).mean(-1, keepdim=True)), numbers(out, width))
            yield product
            yield functional.linear(functional.silu(product), numbers(width, out))
            yield functional.log_softmax(product, dim=-1)
            yield functional.cross_entropy(product, torch.arange(rows) % out, reduction="none").mean().exp()
        heads = numbers(1, HEADS, rows, HEAD)
        yield functional.scaled_dot_product_attention(heads.cos(), heads.sin(), heads, is_causal=True)


@torch.inference_mode()
def main() -> None:
    """Print the hash."""
    torch.set_num_threads(1)
    found = hashlib.sha256()
    for result in results():
        found.update(result.contiguous().numpy().tobytes())
    print(found.hexdigest()[:12])


if __name__ == "__main__":
    main()

"""Attention within the blocks of a pack, in the place where transformers calls it.

``register`` makes it known to transformers; a model switched to ``NAME`` then calls ``attend`` in every layer. The mask
has to be ``None`` and the cache off: with either, transformers takes a pack for one sequence and every block sees the
ones before it, silently. No mask is registered for ``NAME``: transformers then makes none, where for one that it knows
it looks for packs in the positions, and that waits until a GPU has done all it was given.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from inspect import signature
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from star_agents.scoring.packing import Block, Layout
from star_agents.scoring.prepacked import fast_half_precision
from star_agents.scoring.transfer import on_device

NAME = "star_agents_packed"


class Unpackable(Exception):
    """The model's attention does something that a pack cannot. Never leaves this room."""


class Packing(Protocol):
    """Attends within the blocks of one pack."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float | None, window: int | None) -> Tensor:
        """[1, H, T, D] queries, [1, H_kv, T, D] keys and values to [1, T, H, D]; padding rows are finite.

        ``window``: how many tokens, itself included, a token sees; ``None`` for all.
        """


def register() -> None:
    """Make the attention known to transformers under ``NAME``. Doing it again changes nothing."""
    AttentionInterface.register(NAME, attend)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    packing: Packing | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """What a layer of a transformers model calls. Raises Unpackable where the pack would not give the right numbers."""
    unknown = [name for name in ("softcap", "s_aux", "position_bias") if rest.get(name) is not None]
    if packing is None or attention_mask is not None or unknown or not getattr(module, "is_causal", True):
        raise Unpackable(f"attention with {unknown or 'a mask, without a packing, or not causal'}")
    return packing.attend(query, key, value, scale=scaling, window=sliding_window), None


class BlockByBlock:
    """One fused attention per block: for the CPU, where a hundred tokens keep a core busy."""

    def __init__(self, layout: Layout) -> None:
        self._blocks = layout.blocks
        self._masks: dict[tuple[Block, int | None], Tensor | None] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float | None, window: int | None) -> Tensor:
        """See ``Packing``."""
        dtype = query.dtype
        if dtype != torch.float32 and not fast_half_precision(dtype):
            query, key, value = query.float(), key.float(), value.float()
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        found = query.new_zeros((1, query.shape[2], query.shape[1], value.shape[3]))  # (1, T, H, D)
        for block in self._blocks:
            mask = self._mask(block, window, query)
            some = scaled_dot_product_attention(
                query[:, :, block.begin : block.end],
                _seen(key, block),
                _seen(value, block),
                attn_mask=mask,
                is_causal=mask is None,
                scale=scale,
            )
            found[:, block.begin : block.end] = some.transpose(1, 2)
        return found.to(dtype)

    def _mask(self, block: Block, window: int | None, query: Tensor) -> Tensor | None:
        """[rows, context + rows] of 0 and -inf, made once for all layers; ``None``: the block is just causal."""
        if (block, window) not in self._masks:
            self._masks[block, window] = _block_mask(block, window, query)
        return self._masks[block, window]


class Varlen:
    """One kernel call per layer for all blocks: FlashAttention, CUDA and half precision only.

    In the order of their first rows the blocks cover the pack, padding included, which is a block of its own here. Keys
    and values are gathered block by block only where several blocks read one context. The kernel aligns its causal
    mask at the end of the keys, which is where a block lies behind its context.
    """

    def __init__(self, layout: Layout, device: torch.device, kernel: VarlenKernel | None = None) -> None:
        self._kernel = kernel or varlen_kernel()
        padding = [Block(layout.tokens, len(layout.ids))] if layout.tokens < len(layout.ids) else []
        blocks = sorted((*layout.blocks, *padding), key=lambda block: block.begin)
        sizes = [block.rows for block in blocks]
        seen_sizes = [block.context + block.rows for block in blocks]
        gathers = any(block.context for block in blocks)
        # Ranges and not lists of rows: a pack of 16k rows would cost the GPU milliseconds of waiting for Python.
        seen = np.concatenate([part for block in blocks for part in _seen_rows(block)]) if gathers else ()
        rows, ends, seen_ends = on_device((seen, (0, *accumulate(sizes)), (0, *accumulate(seen_sizes))), device)
        self._seen = rows if gathers else None
        self._ends = Ends(ends.int(), seen_ends.int(), max(sizes), max(seen_sizes))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float | None, window: int | None) -> Tensor:
        """See ``Packing``."""
        query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))  # (T, H, D)
        if self._seen is not None:
            key, value = key[self._seen], value[self._seen]
        return self._kernel(query, key, value, self._ends, scale=scale, window=window)[None]


class Ends(NamedTuple):
    """Where the sequences in a row of tokens end, in the order that the kernels take it."""

    queries: Tensor
    """Int32 [sequences + 1], the first one 0."""
    seen: Tensor
    """The same of their keys and values."""
    longest: int
    """Most queries of one sequence."""
    most_seen: int


class VarlenKernel(Protocol):
    """Causal attention of many sequences in one row of tokens."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, ends: Ends, *, scale: float | None, window: int | None
    ) -> Tensor:
        """[T, H, D] queries, [T', H_kv, D] keys and values to [T, H, D]; ``window`` as in ``Packing``."""


@cache
def varlen_kernel() -> VarlenKernel:
    """Torch's own, from 2.11 on; flash-attn's where torch is older and that is installed.

    Raises Unpackable where there is neither.
    """
    try:
        return torch_kernel()
    except ImportError:
        pass
    try:
        return flash_attn_kernel()
    except ImportError:
        raise Unpackable("neither torch.nn.attention.varlen (torch 2.11) nor flash-attn is installed") from None


def torch_kernel() -> VarlenKernel:
    """Torch's own. Raises ImportError before 2.11."""
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - torch 2.11 and later

    kernel: Any = varlen_attn
    groups_heads = "enable_gqa" in signature(varlen_attn).parameters

    def attend(
        query: Tensor, key: Tensor, value: Tensor, ends: Ends, *, scale: float | None, window: int | None
    ) -> Tensor:
        groups = query.shape[1] // key.shape[1]
        if groups > 1 and not groups_heads:  # torch 2.11
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        sees = (-1 if window is None else window - 1, 0)
        grouped = {"enable_gqa": True} if key.shape[1] != query.shape[1] else {}
        found: Tensor = kernel(query, key, value, *ends, scale=scale, window_size=sees, **grouped)
        return found

    return attend


def flash_attn_kernel() -> VarlenKernel:
    """flash-attn's. Raises ImportError where that is not installed."""
    kernel: Any = import_module("flash_attn").flash_attn_varlen_func

    def attend(
        query: Tensor, key: Tensor, value: Tensor, ends: Ends, *, scale: float | None, window: int | None
    ) -> Tensor:
        sees = (-1 if window is None else window - 1, 0)
        found: Tensor = kernel(query, key, value, *ends, softmax_scale=scale, causal=True, window_size=sees)
        return found

    return attend


def _seen(states: Tensor, block: Block) -> Tensor:
    """The rows of [1, H, T, D] keys or values that a block sees."""
    own = states[:, :, block.begin : block.end]
    if not block.context:
        return own
    return torch.cat((states[:, :, block.context_begin : block.context_end], own), dim=2)


def _seen_rows(block: Block) -> tuple[npt.NDArray[np.int64], ...]:
    return (np.arange(block.context_begin, block.context_end), np.arange(block.begin, block.end))


def _block_mask(block: Block, window: int | None, query: Tensor) -> Tensor | None:
    total = block.context + block.rows
    if not block.context and (window is None or total <= window):
        return None
    distance = torch.arange(block.context, total)[:, None] - torch.arange(total)  # (rows, total)
    seen = (distance >= 0) & (distance < (window or total))
    return torch.zeros(seen.shape, dtype=query.dtype).masked_fill_(~seen, -torch.inf).to(query.device)

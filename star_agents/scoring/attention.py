"""Attention within the blocks of a pack, in the place where transformers calls it.

``register`` makes it known to transformers; a model switched to ``NAME`` then calls ``attend`` in every layer. The mask
has to be ``None`` and the cache off: with either, transformers takes a pack for one sequence and every block sees the
ones before it, silently.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from star_agents.scoring.packing import Block, Layout
from star_agents.scoring.prepacked import fast_half_precision

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
    AttentionMaskInterface.register(NAME, no_mask)


def no_mask(*_: Any, **__: Any) -> None:
    """The mask of a pack: its blocks say what sees what."""


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
    """One kernel call per layer for all blocks: FlashAttention as torch has it, CUDA and half precision only.

    A context is read by several blocks, so keys and values are gathered block by block. The kernel aligns its causal
    mask at the end of the keys, which is where a block lies behind its context.
    """

    def __init__(self, layout: Layout, device: torch.device) -> None:
        from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - torch 2.11 and later

        self._attend: Any = varlen_attn
        self._groups_heads = "enable_gqa" in signature(varlen_attn).parameters
        blocks = layout.blocks
        # Ranges and not lists of rows: a pack of 16k rows would cost the GPU milliseconds of waiting for Python.
        self._rows = torch.cat([torch.arange(block.begin, block.end) for block in blocks]).to(device)
        self._seen = torch.cat([part for block in blocks for part in _seen_rows(block)]).to(device)
        self._ends = _ends([block.rows for block in blocks], device)
        self._seen_ends = _ends([block.context + block.rows for block in blocks], device)
        self._longest = max(block.rows for block in blocks)
        self._most_seen = max(block.context + block.rows for block in blocks)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float | None, window: int | None) -> Tensor:
        """See ``Packing``."""
        query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))  # (T, H, D)
        groups = query.shape[1] // key.shape[1]
        if groups > 1 and not self._groups_heads:  # torch 2.11
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        found: Any = self._attend(
            query[self._rows],
            key[self._seen],
            value[self._seen],
            self._ends,
            self._seen_ends,
            self._longest,
            self._most_seen,
            scale=scale,
            window_size=(-1 if window is None else window - 1, 0),
            **({"enable_gqa": True} if key.shape[1] != query.shape[1] else {}),
        )
        return torch.zeros_like(query).index_copy_(0, self._rows, found)[None]


def _seen(states: Tensor, block: Block) -> Tensor:
    """The rows of [1, H, T, D] keys or values that a block sees."""
    own = states[:, :, block.begin : block.end]
    if not block.context:
        return own
    return torch.cat((states[:, :, block.context_begin : block.context_end], own), dim=2)


def _seen_rows(block: Block) -> tuple[Tensor, ...]:
    own = torch.arange(block.begin, block.end)
    return (torch.arange(block.context_begin, block.context_end), own) if block.context else (own,)


def _block_mask(block: Block, window: int | None, query: Tensor) -> Tensor | None:
    total = block.context + block.rows
    if not block.context and (window is None or total <= window):
        return None
    distance = torch.arange(block.context, total)[:, None] - torch.arange(total)  # (rows, total)
    seen = (distance >= 0) & (distance < (window or total))
    return torch.zeros(seen.shape, dtype=query.dtype).masked_fill_(~seen, -torch.inf).to(query.device)


def _ends(lengths: list[int], device: torch.device) -> Tensor:
    return torch.tensor([0, *lengths], device=device).cumsum(0, dtype=torch.int32)

"""Faster matrix products on the CPU, where a measurement on this machine says that they are faster.

torch hands float32 products to MKL, which some processors run at half of what they can. The same product over oneDNN
with weights reordered in advance can double it. Without bfloat16 instructions a bfloat16 product crawls, and the same
weights widened for each product keep pace with float32. Which one wins is measured when a model is loaded, per shape
and on its own weights; the operations are private to torch, so the stock path stays wherever they fail or differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

PROBE_ROWS = 512
ROUNDS = 3
SMALLEST = 1 << 18
"""Weights in a matrix below which the product is so short that none of this pays."""
ADVANTAGE = 1.05
"""How much faster than stock another path has to be: below this a measurement may be chance."""
CLOSE = 1e-4
"""Largest difference from the stock product, relative to its largest entry; for bfloat16 100 times that."""

Variant = Callable[[Tensor, Tensor | None], nn.Module]
"""From a weight [out, in] and a bias [out] to a module that maps [..., in] to [..., out]."""


class Prepacked(nn.Module):
    """A linear layer with its weight in oneDNN's own order."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), PROBE_ROWS))
        self.register_buffer("bias", bias)

    def forward(self, rows: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        found: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return found


class Widened(nn.Module):
    """A linear layer whose half-precision weight is widened to float32 for the product and never kept so."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, rows: Tensor) -> Tensor:
        """[..., in] to [..., out], rounded once at the end."""
        bias = None if self.bias is None else self.bias.float()
        return linear(rows.float(), self.weight.float(), bias).to(rows.dtype)


def variants(dtype: torch.dtype) -> tuple[Variant, ...]:
    """The other ways of a linear layer with such weights."""
    return (Prepacked,) if dtype == torch.float32 else (Prepacked, Widened)


Judge = Callable[[Tensor, int], Variant | None]
"""Which variant a weight [out, in] deserves with so many rows of input; ``None``: stock."""


@torch.inference_mode()
def speed_up(model: Any, judge: Judge | None = None) -> dict[str, int]:
    """Replace linear layers of a transformers model on the CPU where it pays; the names of what replaced how many.

    The originals are given up layer by layer, so weights are never held twice but for one layer. The head stays as it
    is: ``BlockedHead`` has its own ways.
    """
    judge = judge or Probe()
    head = model.get_output_embeddings()
    replaced: dict[str, int] = {}
    for parent, name, layer in list(_linear_layers(model)):
        if layer is head:
            continue
        weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight
        variant = judge(weight, PROBE_ROWS)
        other = _made(variant, weight, layer) if variant else None
        if other is not None:
            setattr(parent, name, other)
            kind = type(other).__name__.lower()
            replaced[kind] = replaced.get(kind, 0) + 1
    return replaced


class Probe:
    """Measures each shape once, on the weights that come with it."""

    def __init__(self) -> None:
        self._known: dict[tuple[torch.Size, torch.dtype, int], Variant | None] = {}

    def __call__(self, weight: Tensor, rows: int) -> Variant | None:
        """See ``Judge``."""
        key = (weight.shape, weight.dtype, rows)
        if weight.numel() < SMALLEST:
            return None
        if key not in self._known:
            self._known[key] = self._fastest(weight, rows)
        return self._known[key]

    def _fastest(self, weight: Tensor, rows: int) -> Variant | None:
        given = torch.randn(rows, weight.shape[1]).to(weight.dtype)
        ways: dict[Variant | None, Callable[[Tensor], Tensor]] = {None: lambda some: linear(some, weight)}
        for variant in variants(weight.dtype):
            try:
                module = variant(weight, None)
                module(given)
            except (RuntimeError, AttributeError, NotImplementedError):
                continue
            ways[variant] = module
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):  # round by round, so that a machine whose speed drifts favours none
            for name, way in ways.items():
                best[name] = min(best[name], _seconds(way, given))
        winner = min(best, key=lambda variant: best[variant])
        return winner if best[winner] * ADVANTAGE < best[None] else None


def _seconds(way: Callable[[Tensor], Tensor], given: Tensor) -> float:
    # One thread's own time says nothing of the other work on a busy machine, which would decide by chance.
    now = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    begin = now()
    way(given)
    return now() - begin


def _linear_layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    """Each linear layer with its parent and its name there."""
    for parent in model.modules():
        for name, layer in parent.named_children():
            if type(layer) in (nn.Linear, Conv1D):  # a subclass may do more
                yield parent, name, layer


def _made(variant: Variant, weight: Tensor, layer: Any) -> nn.Module | None:
    """The layer's replacement; ``None`` where it cannot be made or does not give the layer's own numbers."""
    try:
        other = variant(weight, layer.bias)
        given = torch.randn(4, weight.shape[1]).to(weight.dtype)
        found, expected = other(given).float(), layer(given).float()
    except (RuntimeError, AttributeError, NotImplementedError):
        return None
    tolerance = CLOSE if weight.dtype == torch.float32 else 100 * CLOSE
    limit = tolerance * float(expected.abs().max().nan_to_num())
    return other if torch.allclose(found, expected, rtol=0, atol=limit, equal_nan=True) else None


def fast_half_precision(dtype: torch.dtype) -> bool:
    """Whether this CPU multiplies in ``dtype`` by itself. Where it does not, float32 is ten times as fast."""
    name = "_is_mkldnn_bf16_supported" if dtype == torch.bfloat16 else "_is_mkldnn_fp16_supported"
    try:
        return bool(getattr(torch.ops.mkldnn, name)())
    except (AttributeError, RuntimeError):  # private, and so perhaps gone
        return False

"""Attention of packs on a GPU: torch's kernel beside flash-attn's, where that is installed."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from calls_bench.rows import Row
from torch import Tensor

from scoring_bench.models import SHAPES, mix, pythia
from scoring_bench.reference import gpu_time, scorer
from star_agents.scoring.attention import BlockByBlock, Packing, Varlen, VarlenKernel, flash_attn_kernel, torch_kernel
from star_agents.scoring.encoding import Encoded
from star_agents.scoring.packing import Layout, lay_out, plan

KERNELS: dict[str, Callable[[], VarlenKernel]] = {"torch": torch_kernel, "flash-attn": flash_attn_kernel}
PACK = 16_384
"""Tokens of a pack."""
TIMES = 20
"""How often each attends to the same pack."""
CLOSE = 0.02
"""Largest difference of two kernels in bfloat16: both round what is about 1 at 2 ** -8."""


def kernels(device: torch.device) -> list[Row]:
    """Milliseconds of one layer's attention on a pack of the mixed pairs, and how far the kernels differ."""
    name = "410m" if device.type == "cuda" else "tiny"
    layout, states = _layout(name), _states(name, device)
    if device.type == "cpu":
        return [_row(name, layout, {"block by block, a rehearsal": _timed(BlockByBlock(layout), states(layout))}, None)]
    given = states(layout)
    found, missing = dict[str, tuple[float, Tensor]](), list[str]()
    for kernel, make in KERNELS.items():
        try:
            found[kernel] = _timed(Varlen(layout, device, make()), given)
        except ImportError:
            missing.append(f"{kernel} is not installed, and was not compared")
    apart = None
    if len(found) > 1:
        one, other = (attended[0, : layout.tokens].float() for _, attended in found.values())
        apart = float((one - other).abs().max())
    return [_row(name, layout, found, apart, missing)]


def _layout(name: str) -> Layout:
    encoder = scorer(pythia(name))._encoders["small"]
    encoded = [one for one in encoder.encode(mix("mixed")[:200]) if isinstance(one, Encoded)]
    passages = [passage for pair in encoded for passage in (pair.conditional, pair.alone)]
    return lay_out([passages[index] for index in plan(passages, PACK)[0]])


def _states(name: str, device: torch.device) -> Callable[[Layout], tuple[Tensor, Tensor, Tensor]]:
    shape = SHAPES[name]
    heads, width = shape["num_attention_heads"], shape["hidden_size"] // shape["num_attention_heads"]

    def made(layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
        torch.manual_seed(7)
        query, key, value = torch.randn(3, 1, heads, len(layout.ids), width).to(device, torch.bfloat16)
        return query, key, value

    return made


@torch.inference_mode()
def _timed(packing: Packing, states: tuple[Tensor, Tensor, Tensor]) -> tuple[float, Tensor]:
    """Median milliseconds, and what was attended [1, T, H, D]."""
    query, key, value = states
    attended = packing.attend(query, key, value, scale=None, window=None)
    seconds = []
    for _ in range(TIMES):
        begin = gpu_time()
        packing.attend(query, key, value, scale=None, window=None)
        seconds.append(gpu_time() - begin)
    return 1000 * statistics.median(seconds), attended


def _row(
    name: str,
    layout: Layout,
    found: dict[str, tuple[float, Tensor]],
    apart: float | None,
    missing: list[str] | None = None,
) -> Row:
    told = [f"{kernel} **{milliseconds:.2f} ms**" for kernel, (milliseconds, _) in found.items()]
    told += [f"largest difference {apart:.1e}"] if apart is not None else []
    return Row(
        key="kernels.pack",
        what=f"One layer's attention of the Pythia-{name} shape, a pack of {layout.tokens:,} tokens, "
        f"{len(layout.blocks)} blocks",
        measured="; ".join([*told, *(missing or [])]),
        target=f"difference ≤ {CLOSE}" if apart is not None else "",
        holds=None if apart is None else apart <= CLOSE,
    )

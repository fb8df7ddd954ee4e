"""The rows of a GPU: wall-clock seconds of one device, bfloat16 as it is scored there, float32 as the truth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import transformers
from calls_bench.rows import Row, Section, machine, write
from torch.nn.functional import cross_entropy, linear

from scoring_bench.models import SHAPES, pythia
from scoring_bench.reference import (
    MAX_LENGTH,
    Clock,
    Reference,
    gaps,
    gpu_time,
    ifds,
    pack,
    rank_correlation,
    scorer,
    work_of,
)
from star_agents.records import Sample
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.encoding import Encoded
from star_agents.scoring.loading import Loaded

SLICE = 200
PADDED = 16
"""Pairs per padded batch: full logits of 16 x 1,024 x 50k are 3.3 GB in float32."""
Way = Callable[[Sequence[Sample]], list[float]]
CHECKED = 100
"""Pairs that are also scored in float32."""
GPU = Section(
    name="gpu",
    heading="## Scoring on a GPU (`tools/bench/scoring --device cuda`)",
    order=(*(name.replace(".", "_") for name in SHAPES), "pair", "float32"),
)
REMARKS = (
    "One pair at a time as scripts do it, batches of 16 padded to their longest (full logits, sorted by length),",
    "and the scorer take turns in one process on the same weights in bfloat16; wall-clock up to the end of the GPU's",
    "work. The ceiling is the best bfloat16 product on the model's own shapes, with as many rows as a pack has.",
    "Differences are relative, from the same weights in float32 one pair at a time; beside them those of bfloat16",
    "one at a time.",
)


class PaddedReference(Reference):
    """Batches padded to their longest text, sorted by length within the slice: what a careful script does."""

    def __call__(self, pairs: Sequence[Sample]) -> list[float]:
        """IFD of each pair; NaN where it has none."""
        found = [math.nan] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index].question + str(pairs[index].response)))
        for begin in range(0, len(order), PADDED):
            some = order[begin : begin + PADDED]
            spans = [self._spans(pairs[index]) for index in some]
            usable = [number for number, span in enumerate(spans) if span is not None]
            given = self._losses([span[0] for span in spans if span])
            alone = self._losses([span[1] for span in spans if span])
            for number, one, other in zip(usable, given, alone, strict=True):
                found[some[number]] = math.exp(one) / math.exp(other)
        return found

    def _spans(self, pair: Sample) -> tuple[tuple[torch.Tensor, int], tuple[torch.Tensor, int]] | None:
        """Ids [T] of both passes, each with where scoring starts."""
        prompt = f"{pair.instruction}\n{pair.input}\n" if pair.input else f"{pair.instruction}\n"
        size = len(self._ids(prompt, MAX_LENGTH)[0])
        alone = self._ids(pair.response or "", MAX_LENGTH - size + 1)[0]
        if len(alone) < 2 or size >= MAX_LENGTH:
            return None
        return (self._ids(prompt + (pair.response or ""), MAX_LENGTH)[0], size), (alone, 1)

    @torch.no_grad()
    def _losses(self, spans: Sequence[tuple[torch.Tensor, int]]) -> list[float]:
        if not spans:
            return []
        ids = torch.nn.utils.rnn.pad_sequence([ids for ids, _ in spans], batch_first=True)  # (B, T)
        lengths = torch.tensor([len(ids) for ids, _ in spans], device=ids.device)
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        logits = self.model(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits
        starts = torch.tensor([start for _, start in spans], device=ids.device)
        scored = mask[:, 1:] & (torch.arange(1, ids.shape[1], device=ids.device) >= starts[:, None])
        losses = cross_entropy(logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none")  # (B, T - 1)
        means = (losses * scored).sum(1) / scored.sum(1)
        return [float(mean) for mean in means.cpu()]


def measure(names: Sequence[str], pairs: Sequence[Sample], *, into_results: bool) -> None:
    """Measure, print part by part, and write where asked."""
    device = torch.device("cuda", torch.cuda.current_device())
    remarks = (
        f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, transformers {transformers.__version__}; "
        f"{machine()}.",
        *REMARKS,
    )

    def tell(rows: list[Row]) -> None:
        print("\n".join(map(str, rows)), flush=True)
        if into_results:
            write(rows, remarks, GPU)

    for number, name in enumerate(names):
        tell(speed(name, pairs[: len(pairs) // (2 if number else 1)], device))
    tell(exact(names[0], pairs[:CHECKED], device))
    if len(names) == 2:
        tell(ranks(names, pairs[:CHECKED], device))


@torch.inference_mode()
def speed(name: str, pairs: Sequence[Sample], device: torch.device) -> list[Row]:
    """A model's speed in bfloat16, and how far its IFD is from float32's."""
    loaded = pythia(name, torch.bfloat16, device)
    engine = scorer(loaded)
    ways: dict[str, Way] = {"one": Reference(loaded), "padded": PaddedReference(loaded), "ours": ifds(engine)}
    for way in ways.values():
        # Kernels are chosen and memory is taken before the clock runs; on other responses, since ours are remembered.
        way([replace(pair, response=f"{pair.response} Indeed.") for pair in pairs[:40]])
    clocks = {kind: Clock(gpu_time) for kind in ways}
    for begin in range(0, len(pairs), SLICE):
        for kind, way in ways.items():
            clocks[kind].run(way, pairs[begin : begin + SLICE])
    encoded = [found for found in engine._encoders["small"].encode(pairs) if isinstance(found, Encoded)]
    tokens = sum(len(pair.conditional.ids) + len(pair.alone.ids) for pair in encoded)
    work, top = work_of(loaded, encoded), gpu_ceiling(loaded)
    one, padded, ours = (clocks[kind].seconds for kind in ways)
    del ways
    truth = Reference(pythia(name, torch.float32, device))(pairs[:CHECKED])
    off = {kind: _relative(clocks[kind].values, truth) for kind in ("one", "ours")}
    part = name.replace(".", "_")
    return [
        Row(
            key=f"{part}.speed",
            what=f"Pythia-{name} shape, {len(pairs)} pairs, forward: {forward_of(engine)}",
            measured=f"**{one / ours:.1f}×** one at a time, **{padded / ours:.2f}×** padded batches: "
            f"{len(pairs) / ours:,.0f} pairs/s, {tokens / ours:,.0f} tokens/s",
            target="",
        ),
        Row(
            key=f"{part}.ceiling",
            what="… of the ceiling of its matrix products",
            measured=f"**{100 * work / ours / top:.0f} %**: {work / ours / 1e3:.0f} of {top / 1e3:.0f} TF/s "
            f"(padded {work / padded / 1e3:.0f}, one at a time {work / one / 1e3:.0f})",
            target="",
        ),
        Row(
            key=f"{part}.difference",
            what=f"… IFD against float32, {CHECKED} pairs: median and largest relative difference, rank correlation",
            measured=f"**{_summary(off['ours'])}**, {rank_correlation(clocks['ours'].values[:CHECKED], truth):.4f} "
            f"(one at a time: {_summary(off['one'])}, {rank_correlation(clocks['one'].values[:CHECKED], truth):.4f})",
            target="",
        ),
    ]


def exact(name: str, pairs: Sequence[Sample], device: torch.device) -> list[Row]:
    """Float32 on the GPU: the same numbers as one pair at a time."""
    loaded = pythia(name, torch.float32, device)
    engine = scorer(loaded)
    off = _relative(ifds(engine)(pairs), Reference(loaded)(pairs))
    return [
        Row(
            key="float32.difference",
            what=f"Pythia-{name} shape in float32 on the GPU, forward: {forward_of(engine)}",
            measured=f"largest relative difference **{max(off):.1e}**",
            target="",
        )
    ]


def ranks(names: Sequence[str], pairs: Sequence[Sample], device: torch.device) -> list[Row]:
    """Does bfloat16 rank gaps as float32 does?"""
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        engine = scorer(*(pythia(name, dtype, device) for name in names))
        found.append(gaps(engine, pairs))
        del engine
        torch.cuda.empty_cache()
    return [
        Row(
            key="pair.ranks",
            what=f"Rank correlation of the gap, bfloat16 against float32, random weights, {len(pairs)} pairs",
            measured=f"**{rank_correlation(*found):.4f}**",
            target="",
        )
    ]


def forward_of(engine: DualModel) -> str:
    """The way that the small model's passes take."""
    facts = engine.facts().small
    assert facts is not None, "a scorer of the bench has a small model"
    return facts.forward + (f" ({facts.forward_because})" if facts.forward_because else "")


def gpu_ceiling(loaded: Loaded) -> float:
    """GF/s of the best product on the model's own shapes."""
    width, wide = loaded.model.config.hidden_size, loaded.model.config.intermediate_size
    best, rows = 0.0, pack(loaded.device)
    for inputs, outputs in ((width, 3 * width), (width, wide), (wide, width)):
        weight = torch.randn(outputs, inputs, device=loaded.device, dtype=loaded.dtype)
        states = torch.randn(rows, inputs, device=loaded.device, dtype=loaded.dtype)
        for _ in range(3):
            linear(states, weight)
        begin = gpu_time()
        for _ in range(10):
            linear(states, weight)
        best = max(best, 10 * 2 * states.numel() * outputs / (gpu_time() - begin) / 1e9)
    return best


def _relative(found: Sequence[float], truth: Sequence[float]) -> list[float]:
    pairs = zip(found, truth, strict=False)  # the truth is known of the first ones only
    return [abs(value - real) / real for value, real in pairs if not math.isnan(real)]


def _summary(differences: Sequence[float]) -> str:
    return f"{statistics.median(differences):.1e} and {max(differences):.1e}"

"""A model's speed on one device: ours, one pair at a time, and padded batches, on long, short and mixed pairs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from calls_bench.rows import Row
from torch.nn.functional import cross_entropy, linear

from scoring_bench.gpu_profile import profile
from scoring_bench.models import Mix, mix, pythia
from scoring_bench.reference import (
    MAX_LENGTH,
    Reference,
    forgetful,
    gpu_time,
    ifds,
    rank_correlation,
    relative,
    requests,
    scorer,
    summary,
    work_of,
)
from star_agents.records import Sample
from star_agents.scoring.backlog import estimate
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.encoding import Encoded
from star_agents.scoring.loading import Loaded
from star_agents.scoring.model import usual_pack

PADDED = 16
"""Pairs per padded batch: full logits of 16 x 1,024 x 50k are 3.3 GB in float32."""
LOOP_S = 2.0
"""Seconds that the loop and the padded batches get, and then once more for the same pairs."""
ROUNDS = 2
TOKENS = {"tiny": 3000, "70m": 800_000, "410m": 400_000, "1.4b": 260_000, "6.9b": 131_000}
"""About what ours scores of each mix."""
MIXES: dict[str, tuple[Mix, ...]] = {"6.9b": ("mixed",)}
"""Of the models that are not measured on all of them."""
PACKS = {"tiny": (2048,), "70m": (16_384, 65_536), "410m": (16_384, 65_536), "1.4b": (32_768,)}
"""Other pack sizes that are tried, in tokens."""
CHECKED = 40
"""Pairs that are also scored in float32."""
FEWEST = 24
"""Pairs that a slow way is timed on at least."""
AIMS = {"70m": 50.0, "410m": 20.0}
"""Times one pair at a time."""
CARDS = {"H100": 989e3, "H200": 989e3, "A100": 312e3, "L40S": 362e3, "B200": 2250e3}
"""Dense bfloat16 of the SXM cards in GF/s, as NVIDIA's data sheets have it."""
Way = Callable[[Sequence[Sample]], list[float]]


@dataclass(frozen=True, slots=True)
class Timed:
    """A slow way on the first pairs of a mix."""

    rate: float
    """Pairs a second where each length has come before: a GPU's libraries prepare themselves for every new one."""
    first_rate: float
    """The same before."""
    values: list[float]


@dataclass(frozen=True, slots=True)
class Measured:
    """How fast one mix was scored, in pairs a second."""

    kind: Mix
    pairs: int
    lengths: list[int]
    """Tokens of each pass."""
    work: float
    """GFLOP of all pairs."""
    ours: float
    loop: Timed
    padded: Timed | None
    values: list[float]
    """Our IFDs of the first pairs."""

    @property
    def seconds(self) -> float:
        """That ours took."""
        return self.pairs / self.ours


def speed(name: str, device: torch.device) -> Iterator[Row]:
    """A model's speed in bfloat16, where its time goes, and how far its IFD is from float32's."""
    loaded = pythia(name, torch.bfloat16, device)
    engine = scorer(loaded)
    ceiling = gpu_ceiling(loaded)
    mixed: Measured | None = None
    for kind in MIXES.get(name, get_args(Mix)):
        found = _measured(loaded, engine, kind, name)
        mixed = mixed or found
        yield from _rows(name, engine, found, ceiling, device)
    yield from _packs(name, engine, mix("mixed"))
    yield from profile(name, engine, enough(name, mix("mixed")), device)
    del engine, loaded
    torch.cuda.empty_cache()
    assert mixed is not None, "there is a mix"
    yield _difference(name, mixed, device)


def scored(engine: DualModel, pairs: Sequence[Sample], tokens: int | None = None) -> tuple[float, list[float]]:
    """Best seconds of the rounds, and the IFDs."""
    best, values = math.inf, []
    for _ in range(ROUNDS):
        fresh = forgetful(engine, tokens)
        begin = gpu_time()
        values = [value for request in requests(pairs) for value in ifds(fresh)(request)]
        best = min(best, gpu_time() - begin)
    return best, values


def enough(name: str, pairs: Sequence[Sample]) -> Sequence[Sample]:
    """The first pairs, with about as many tokens as this model is measured on."""
    total = 0
    for number, pair in enumerate(pairs):
        total += estimate(pair.to_dict())
        if total > TOKENS[name]:
            return pairs[: number + 1]
    return pairs


def _measured(loaded: Loaded, engine: DualModel, kind: Mix, name: str) -> Measured:
    everything = mix(kind)
    pairs = enough(name, everything)
    loop, padded = Reference(loaded), PaddedReference(loaded)
    warm = [replace(pair, response=f"{pair.response} Indeed.") for pair in everything[-PADDED:]]
    loop(warm[:4])
    is_padded = name != "tiny" or kind == "mixed"  # A CPU, which rehearses this, would take minutes for long ones.
    if is_padded:
        padded(warm)
    # As large as the real ones: kernels are chosen and memory is taken before the clock runs.
    ifds(forgetful(engine))(requests(pairs)[0])
    loop_timed = _timed(loop, pairs, 4, CHECKED if kind == "mixed" else FEWEST)
    padded_timed = _timed(padded, pairs, 2 * PADDED, FEWEST) if is_padded else None
    seconds, values = scored(engine, pairs)
    encoded = [found for found in engine._encoders["small"].encode(pairs) if isinstance(found, Encoded)]
    return Measured(
        kind=kind,
        pairs=len(pairs),
        lengths=[len(passage.ids) for pair in encoded for passage in (pair.conditional, pair.alone)],
        work=work_of(loaded, encoded),
        ours=len(pairs) / seconds,
        loop=loop_timed,
        padded=padded_timed,
        values=values[:CHECKED],
    )


def _timed(way: Way, pairs: Sequence[Sample], step: int, fewest: int) -> Timed:
    """A slow way on the first pairs, twice."""
    values: list[float] = []
    begin = gpu_time()
    while len(values) < len(pairs) and (gpu_time() - begin < LOOP_S or len(values) < fewest):
        values += way(pairs[len(values) : len(values) + step])
    middle = gpu_time()
    for at in range(0, len(values), step):
        way(pairs[at : at + step])
    number = len(values)
    return Timed(rate=number / (gpu_time() - middle), first_rate=number / (middle - begin), values=values)


def _rows(name: str, engine: DualModel, found: Measured, ceiling: float, device: torch.device) -> list[Row]:
    part = name.replace(".", "_")
    low, middle, high = (round(value) for value in _tenths(found.lengths))
    aim = AIMS.get(name)
    is_large = name in {"1.4b", "6.9b"}
    ratio, rate = found.ours / found.loop.rate, found.work / found.seconds
    top = next((peak for card, peak in CARDS.items() if card in _card(device)), None)
    beside = f", **{found.ours / found.padded.rate:.1f}×** padded batches" if found.padded else ""
    loop = f"{found.loop.rate:,.1f} pairs/s ({found.loop.first_rate:,.1f} on new lengths)"
    of_card = f", {100 * rate / top:.0f} % of the card's {top / 1e3:.0f} TF/s" if top else ""
    return [
        Row(
            key=f"{part}.{found.kind}_speed",
            what=f"Pythia-{name} shape, {found.kind}: {found.pairs} pairs of {low}/{middle}/{high} tokens "
            f"(p10/50/90), forward: {forward_of(engine)}",
            measured=f"**{ratio:.1f}×** one at a time{beside}: {found.ours:,.0f} against {loop}, "
            f"{sum(found.lengths) / found.seconds:,.0f} tokens/s",
            target=f"≥ {aim:.0f}×" if aim else "",
            holds=ratio >= aim if aim else None,
        ),
        Row(
            key=f"{part}.{found.kind}_work",
            what="… of the ceiling of its matrix products",
            measured=f"**{100 * rate / ceiling:.0f} %**: {rate / 1e3:.0f} of {ceiling / 1e3:.0f} TF/s{of_card}",
            target="≥ 40 % of the card's" if is_large else "",
            holds=rate >= 0.4 * top if is_large and top else None,
        ),
    ]


def _packs(name: str, engine: DualModel, pairs: Sequence[Sample]) -> list[Row]:
    some = enough(name, pairs)
    rates = [(tokens, len(some) / scored(engine, some, tokens)[0]) for tokens in PACKS.get(name, ())]
    if not rates:
        return []
    return [
        Row(
            key=f"{name.replace('.', '_')}.packs",
            what="… mixed, in packs of other sizes",
            measured=", ".join(f"{tokens:,} tokens: {rate:,.0f} pairs/s" for tokens, rate in rates),
            target="",
        )
    ]


def _difference(name: str, found: Measured, device: torch.device) -> Row:
    truth = Reference(pythia(name, torch.float32, device))(mix("mixed")[: min(CHECKED, len(found.values))])
    both = (found.values, found.loop.values)
    ours, loop = (relative(values, truth) for values in both)
    ranks = [rank_correlation(values[: len(truth)], truth) for values in both]
    return Row(
        key=f"{name.replace('.', '_')}.difference",
        what=f"… IFD against float32, {len(truth)} mixed pairs: median and largest difference, rank correlation",
        measured=f"**{summary(ours)}**, {ranks[0]:.4f} (one at a time in bfloat16: {summary(loop)}, {ranks[1]:.4f})",
        target="",
    )


def forward_of(engine: DualModel) -> str:
    """The way that the small model's passes take."""
    facts = engine.facts().small
    assert facts is not None, "a scorer of the bench has a small model"
    return facts.forward + (f" ({facts.forward_because})" if facts.forward_because else "")


def gpu_ceiling(loaded: Loaded) -> float:
    """GF/s of the best product on the model's own shapes."""
    width, wide = loaded.model.config.hidden_size, loaded.model.config.intermediate_size
    best, rows = 0.0, usual_pack(loaded)
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


def _tenths(values: Sequence[int]) -> tuple[float, float, float]:
    tenths = statistics.quantiles(values, n=10)
    return tenths[0], tenths[4], tenths[8]


def _card(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


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

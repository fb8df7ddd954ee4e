"""The reference, one pair at a time as a script does it, and how two ways are compared."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from scoring_bench.models import VOCABULARY
from star_agents.records import Sample
from star_agents.scoring.ahead import in_parts
from star_agents.scoring.backlog import GPU, estimate
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.encoding import Encoded, Passage
from star_agents.scoring.forward import choose_forward
from star_agents.scoring.loading import Loaded
from star_agents.scoring.model import PACK_CPU, CausalModel, usual_pack
from star_agents.scoring.prepacked import Prepacked

MAX_LENGTH = 1024


def scorer(small: Loaded, large: Loaded | None = None) -> DualModel:
    """Our engine on its own copy of the weights."""

    def causal(loaded: Loaded) -> CausalModel:
        own = replace(loaded, model=copy.deepcopy(loaded.model))
        return CausalModel(own, choose_forward(own), tokens_per_batch=usual_pack(own), max_length=MAX_LENGTH)

    return DualModel(
        mode="superfiltering", max_length=MAX_LENGTH, small=causal(small), large=causal(large) if large else None
    )


def forgetful(engine: DualModel, tokens: int | None = None) -> DualModel:
    """A scorer with the same small model, and packs of so many tokens or the usual ones, that remembers nothing."""
    model = engine._models["small"]
    tokens = tokens or usual_pack(model._loaded)
    fresh = CausalModel(model._loaded, model.forward, tokens_per_batch=tokens, max_length=MAX_LENGTH)
    return DualModel(mode="superfiltering", max_length=MAX_LENGTH, small=fresh)


def requests(pairs: Sequence[Sample]) -> list[Sequence[Sample]]:
    """The pairs in requests as large as the daemon's to a GPU."""
    weights = [max(estimate(pair.to_dict()), GPU.tokens // GPU.items) for pair in pairs]
    return [pairs[part.start : part.stop] for part in in_parts(weights, GPU.tokens)]


class Reference:
    """One pair at a time, as a script does it."""

    def __init__(self, loaded: Loaded) -> None:
        self.model = loaded.model
        self.tokenizer = loaded.tokenizer

    def __call__(self, pairs: Sequence[Sample]) -> list[float]:
        """IFD of each pair; NaN where it has none."""
        return [self._ifd(pair) for pair in pairs]

    def _ifd(self, pair: Sample) -> float:
        response = pair.response or ""
        prompt = f"{pair.instruction}\n{pair.input}\n" if pair.input else f"{pair.instruction}\n"
        size = len(self._ids(prompt, MAX_LENGTH)[0])
        alone = self._ids(response, MAX_LENGTH - size + 1)
        if alone.shape[1] < 2 or size >= MAX_LENGTH:
            return math.nan
        whole = self._ids(prompt + response, MAX_LENGTH)
        return math.exp(self._loss(whole, size)) / math.exp(self._loss(alone, 1))

    def _ids(self, text: str, longest: int) -> torch.Tensor:
        ids: torch.Tensor = self.tokenizer(text, return_tensors="pt", truncation=True, max_length=longest)["input_ids"]
        return ids.to(self.model.device)

    @torch.no_grad()
    def _loss(self, ids: torch.Tensor, start: int) -> float:
        labels = ids.clone()
        labels[:, :start] = -100
        return float(self.model(ids, labels=labels, output_hidden_states=True).loss)


def gpu_time() -> float:
    """Wall-clock seconds, once the GPU has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass
class Clock:
    """Seconds and what came out, over the slices: CPU seconds unless ``now`` says otherwise."""

    now: Callable[[], float] = time.process_time
    seconds: float = 0.0
    values: list[float] = field(default_factory=list)

    def run(self, work: Callable[[Sequence[Sample]], Iterable[float]], pairs: Sequence[Sample]) -> None:
        """Time one slice."""
        begin = self.now()
        self.values += work(pairs)
        self.seconds += self.now() - begin


def ifds(engine: DualModel) -> Callable[[Sequence[Sample]], list[float]]:
    """Our IFD of each pair; NaN where it has none."""
    return lambda pairs: [math.nan if s.ifd_small is None else s.ifd_small for s in engine.score(pairs)]


def gaps(engine: DualModel, pairs: Sequence[Sample]) -> list[float]:
    """Gap of each pair that has one."""
    return [math.nan if score.gap is None else score.gap for score in engine.score(pairs)]


def farthest(found: Sequence[float], expected: Sequence[float]) -> float:
    """Largest difference; where one has no number the other may have none."""
    assert [math.isnan(value) for value in found] == [math.isnan(value) for value in expected]
    return max(abs(a - b) for a, b in zip(found, expected, strict=True) if not math.isnan(a))


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's."""
    both = np.array([pair for pair in zip(one, other, strict=True) if not any(map(math.isnan, pair))])
    ranks: Any = np.corrcoef(both.argsort(0).argsort(0).T)
    return float(ranks[0, 1])


def work_of(loaded: Loaded, pairs: Sequence[Encoded]) -> float:
    """GFLOP that the pairs need: head on scored rows only, causal attention."""
    config = loaded.model.config
    width: int = config.hidden_size
    layers: int = config.num_hidden_layers
    inner = layers * (4 * width * width + 2 * width * config.intermediate_size)
    passages: list[Passage] = [passage for pair in pairs for passage in (pair.conditional, pair.alone)]
    dense = sum(inner * len(passage.ids) + VOCABULARY * width * passage.scored for passage in passages)
    attention = sum(layers * width * len(passage.ids) ** 2 for passage in passages)
    return 2 * float(dense + attention) / 1e9


def ceiling(loaded: Loaded, dtype: torch.dtype = torch.float32) -> float:
    """GF/s of the best matrix product on the model's own shapes, over torch's ways and ours; on one CPU thread."""
    width, wide = loaded.model.config.hidden_size, loaded.model.config.intermediate_size
    best = 0.0
    for inputs, outputs in ((width, 3 * width), (width, wide), (wide, width)):
        weight, rows = (torch.randn(*shape, dtype=dtype) for shape in ((outputs, inputs), (PACK_CPU, inputs)))
        turned = weight.t().contiguous()
        ways: list[Any] = [partial(torch.nn.functional.linear, weight=weight), partial(torch.mm, mat2=turned)]
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            ways.append(Prepacked(weight, None))
        for way in ways:
            way(rows)
            begin = time.process_time()
            way(rows)
            best = max(best, 2 * rows.numel() * outputs / (time.process_time() - begin) / 1e9)
    return best


def relative(found: Sequence[float], truth: Sequence[float]) -> list[float]:
    """Relative differences, of as many as the truth is known of."""
    pairs = zip(found, truth, strict=False)
    return [abs(value - real) / real for value, real in pairs if not math.isnan(real)]


def summary(differences: Sequence[float]) -> str:
    """Median and largest."""
    return f"{statistics.median(differences):.1e} and {max(differences):.1e}"

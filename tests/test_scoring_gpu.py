"""The scorer on a GPU, in half precision as it is used there; float32 on a GPU is in test_scoring_equality.py."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_scoring_equality import PlainLoop, gpteacher_pairs
from tiny_models import Family, save_model, train_tokenizer

from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring import Scorer
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.facts import ModelFacts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU; tools/gpu runs these")

torch.set_num_threads(1)  # the plain loop's models are too small for more

SHAPE: dict[str, Any] = {
    "hidden_size": 128,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
}


def save(folder: Path, family: Family, *, seed: int = 1) -> str:
    return save_model(folder, train_tokenizer(), family, seed=seed, **SHAPE)


def short_pairs(number: int) -> list[Sample]:
    pairs = [pair for pair in gpteacher_pairs() if len(str(pair.response)) >= 20]
    return sorted(pairs, key=lambda pair: len(pair.question + str(pair.response)))[:number]


def small_ifds(scorer: DualModel, samples: Sequence[Sample]) -> list[float]:
    scores = scorer.score(samples)
    assert not [score.reason for score in scores if score.reason]
    return [math.nan if score.ifd_small is None else score.ifd_small for score in scores]


class HalfLoop(PlainLoop):
    """The plain loop on the GPU, with the same half precision as the scorer."""

    def __init__(self, path: str, *, max_length: int) -> None:
        super().__init__(path, max_length=max_length)
        self.model = self.model.to("cuda", torch.bfloat16)

    @torch.no_grad()
    def _mean_nll(self, ids: list[int], scored: int) -> float:
        logits = self.model(torch.tensor([ids], device="cuda")).logits[0].float()
        losses = torch.log_softmax(logits, dim=-1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        return -float(losses[-scored:].double().mean())


def off(found: Sequence[float], truth: Sequence[float]) -> float:
    """Root mean square of the relative differences."""
    return float(np.sqrt(np.mean([(one / other - 1) ** 2 for one, other in zip(found, truth, strict=True)])))


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2", "llama", "llama_gqa"])
def test_half_precision_is_no_further_from_float32_than_a_plain_loop_in_half_precision(
    family: Family, tmp_path: Path
) -> None:
    path = save(tmp_path, family)
    pairs = short_pairs(60)
    truth = [PlainLoop(path, max_length=1024).ifd(pair) for pair in pairs]
    half = [HalfLoop(path, max_length=1024).ifd(pair) for pair in pairs]
    scorer = DualModel.load(
        ScoringConfig(small=path, max_length=1024, device="cuda", mode="perplexity_ratio"), large=False
    )
    facts = scorer.facts().small
    assert facts is not None
    assert (facts.device, facts.dtype, facts.forward) == ("cuda:0", "bfloat16", "packed"), facts.forward_because
    assert off(small_ifds(scorer, pairs), truth) <= 1.5 * off(half, truth)


def test_float32_on_a_gpu_is_padded_and_says_in_words_why(tmp_path: Path) -> None:
    config = ScoringConfig(small=save(tmp_path, "gpt_neox"), device="cuda", dtype="float32")
    facts = DualModel.load(config, large=False).facts().small
    assert facts is not None
    assert facts.forward == "scored rows"
    assert "takes half precision only" in facts.forward_because


def test_a_prompt_that_candidates_share_gives_each_its_own_score_on_a_gpu(tmp_path: Path) -> None:
    scorer = DualModel.load(ScoringConfig(small=save(tmp_path, "llama"), device="cuda"), large=False)
    pairs = [Sample(instruction="Write about the sea. " * 20, response=str(pair.response)) for pair in short_pairs(40)]
    together = small_ifds(scorer, pairs)
    alone = [small_ifds(scorer, [pair])[0] for pair in pairs]
    assert off(together, alone) < 0.02


@pytest.fixture
def little_memory() -> Iterator[None]:
    """A GPU of which this process may take very little: one part in a hundred."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.01)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.mark.usefixtures("little_memory")
def test_a_gpu_that_is_too_small_for_a_pack_gets_smaller_ones_and_every_pair_its_score(tmp_path: Path) -> None:
    # A wide middle, so that a pack's states do not fit where the model itself does.
    path = save_model(tmp_path, train_tokenizer(), "llama", **{**SHAPE, "intermediate_size": 16_384})
    config = ScoringConfig(small=path, max_length=1024, device="cuda", tokens_per_batch=1 << 20)
    pairs = [pair for pair in gpteacher_pairs() if len(str(pair.response)) >= 20][:400]
    scorer = DualModel.load(config, large=False)
    found = small_ifds(scorer, pairs)
    assert len(found) == 400
    assert np.isfinite(found).all()


async def test_the_scorer_process_takes_the_gpu_and_tells_what_it_uses(tmp_path: Path) -> None:
    small, large = save(tmp_path / "small", "gpt_neox"), save(tmp_path / "large", "gpt_neox", seed=2)
    pairs = short_pairs(300)
    async with Scorer(ScoringConfig(small=small, large=large, max_length=1024), embedder="small") as scorer:
        scores = await scorer.score(pairs)
        vectors = await scorer.embed([pair.instruction for pair in pairs[:20]])
        facts, stats = scorer.describe(), scorer.stats()
    assert all(score.gap is not None for score in scores)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    for model in (facts.small, facts.large):
        assert isinstance(model, ModelFacts)
        assert (model.device, model.dtype, model.forward) == ("cuda:0", "bfloat16", "packed"), model.forward_because
    assert stats.gpu_memory > 0
    assert stats.workers == torch.cuda.device_count()


def test_embeddings_of_a_gpu_are_near_those_of_the_cpu(tmp_path: Path) -> None:
    path = save(tmp_path, "llama_gqa")
    texts = [pair.instruction for pair in short_pairs(30)]
    on = {
        device: DualModel.load(
            ScoringConfig(small=path, device=device), small=False, large=False, embedder="small"
        ).embed(texts)
        for device in ("cpu", "cuda")
    }
    assert float((on["cpu"] * on["cuda"]).sum(1).min()) > 0.99


def test_rows_scored_twice_on_a_gpu_get_the_same_numbers(tmp_path: Path) -> None:
    path = save(tmp_path, "gpt_neox")
    pairs = short_pairs(200)
    runs = [small_ifds(DualModel.load(ScoringConfig(small=path, device="cuda"), large=False), pairs) for _ in range(2)]
    assert json.dumps(runs[0]) == json.dumps(runs[1])

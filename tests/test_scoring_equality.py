"""The scorer against a plain loop: one pair at a time, two forward passes, full logits, none of our code."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from tiny_models import SHARED, Family, neox_tokenizer, save_model, train_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring.dual_model import DualModel

Device = Literal["cpu", "cuda"]
TOLERANCE = 1e-4
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
"""The plain loop runs on the CPU, whatever the scorer runs on."""


class PlainLoop:
    """IFD as one would write it in an afternoon."""

    def __init__(self, path: str, *, max_length: int) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(path)
        self.model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        self.max_length = max_length

    def ifd(self, sample: Sample) -> float:
        x = self.tokenizer.bos_token_id
        prompt = sample.instruction + "\n" + (sample.input + "\n" if sample.input else "")
        prompt_ids = self.tokenizer.encode(prompt, add_special_tokens=False)
        response_ids = self.tokenizer.encode(sample.response, add_special_tokens=False)
        response_ids = response_ids[: self.max_length - 1 - len(prompt_ids)]
        given = self._mean_nll([x, *prompt_ids, *response_ids], len(response_ids))
        alone = self._mean_nll([x, *response_ids], len(response_ids))
        return math.exp(given) / math.exp(alone)

    @torch.no_grad()
    def _mean_nll(self, ids: list[int], scored: int) -> float:
        logits = self.model(torch.tensor([ids])).logits[0].float()
        log_probabilities = torch.log_softmax(logits, dim=-1)
        losses = [-log_probabilities[at - 1, ids[at]].item() for at in range(len(ids) - scored, len(ids))]
        return sum(losses) / scored


def gpteacher_pairs() -> list[Sample]:
    """The rows of GPTeacher."""
    file = SHARED / "gpteacher" / "roleplay-simple-deduped-roleplay-instruct.json"
    if not file.exists():
        pytest.skip("the shared test data is not here: ../shared/data/gpteacher")
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [Sample(instruction=row["instruction"], input=row["input"], response=row["response"]) for row in rows]


def self_instruct_pairs() -> list[Sample]:
    """Every instance of the self-instruct tasks."""
    samples = []
    for name in ("seed_tasks.jsonl", "user_oriented_instructions.jsonl"):
        file = SHARED / "self_instruct" / name
        if not file.exists():
            pytest.skip("the shared test data is not here: ../shared/data/self_instruct")
        for task in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            samples += [
                Sample(instruction=task["instruction"], input=pair["input"], response=pair["output"])
                for pair in task["instances"]
            ]
    return samples


def scoring(device: Device, **settings: Any) -> ScoringConfig:
    """Float32, so that the numbers are the plain ones on any device."""
    return ScoringConfig(device=device, dtype="float32", threads=1, mode="perplexity_ratio", **settings)


def assert_same(loops: Sequence[PlainLoop], scorer: DualModel, samples: Sequence[Sample]) -> None:
    scores = scorer.score(samples)
    worst = 0.0
    for sample, score in zip(samples, scores, strict=True):
        assert score.ifd_small is not None
        assert score.ifd_large is not None
        found = (score.ifd_small, score.ifd_large)
        worst = max(worst, *(abs(loop.ifd(sample) - value) for loop, value in zip(loops, found, strict=True)))
    assert worst <= TOLERANCE, f"largest difference in IFD: {worst}"
    ifds = [score.ifd_small or 0.0 for score in scores]
    assert max(ifds) - min(ifds) > 0.1, "the models are too flat for this comparison to mean anything"


@pytest.mark.parametrize(
    ("device", "count"),
    [("cpu", 50), *((one, 200) for one in DEVICES[1:]), pytest.param("cpu", 200, marks=pytest.mark.slow)],
)
def test_real_pairs_score_as_in_a_plain_loop_with_gpt_neox(device: Device, count: int, tmp_path: Path) -> None:
    tokenizer = neox_tokenizer()
    shape = {"vocab_size": 50304, "max_position_embeddings": 512}
    small = save_model(tmp_path / "small", tokenizer, "gpt_neox", seed=1, hidden_size=32, **shape)
    large = save_model(tmp_path / "large", tokenizer, "gpt_neox", seed=2, hidden_size=48, **shape)
    scorer = DualModel.load(scoring(device, small=small, large=large, max_length=512))
    # Short ones for speed, but no one-word answers: under random weights their IFD reaches 1000, where 1e-4 is noise.
    pairs = [pair for pair in gpteacher_pairs() + self_instruct_pairs() if len(str(pair.response)) >= 20]
    short = sorted(pairs, key=lambda pair: len(pair.question + str(pair.response)))[:200][:: 200 // count]
    assert len(short) == count
    assert_same([PlainLoop(path, max_length=512) for path in (small, large)], scorer, short)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", ["gpt2", "llama", "llama_gqa", "gemma2", "granite"])
def test_real_pairs_that_are_cut_score_as_in_a_plain_loop(family: Family, device: Device, tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    small = save_model(tmp_path / "small", tokenizer, family, seed=1)
    large = save_model(tmp_path / "large", tokenizer, family, seed=2, hidden_size=64, head_dim=16)
    scorer = DualModel.load(scoring(device, small=small, large=large, max_length=160))
    pairs = [pair for pair in gpteacher_pairs() if len(pair.question) < 150][:25]
    assert any(len(tokenizer.encode(str(pair.response))) > 160 for pair in pairs)
    assert_same([PlainLoop(path, max_length=160) for path in (small, large)], scorer, pairs)

"""`train --method dpo|reward|rloo` on tiny models; what comes out is read by scorers, juries and agents."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from lines import read_jsonl
from test_training_sft import After, same, weights
from tiny_models import CHAT_TEMPLATE, train_tokenizer
from tiny_rewards import save as save_reward
from training_samples import ANSWERS, pairs, request, run, samples, tiny

from star_agents.config.sections import ScoringConfig
from star_agents.engine.training.work import Rewarding
from star_agents.errors import ScorerError, UsageError
from star_agents.records import Sample
from star_agents.scoring.scorers import reward as reward_models


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def rewarder(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model, trained by the command's own way."""
    folder = tmp_path_factory.mktemp("rewarder") / "out"
    asked = request(model, pairs(32, margin=2.0), folder, "reward", learning_rate=1e-2, max_steps=16)
    return run(asked)[0].out


def curve(out: Path, name: str) -> list[float]:
    return [row[name] for row in read_jsonl(out / "curve.jsonl") if name in row]


def test_dpo_learns_to_prefer_and_goes_on_after_a_stop_to_the_same_weights(model: str, tmp_path: Path) -> None:
    whole, told = run(request(model, pairs(), tmp_path / "whole", "dpo", learning_rate=1e-2))
    losses, right = curve(whole.out, "loss"), curve(whole.out, "accuracy")
    assert losses[0] == pytest.approx(0.6931, abs=1e-3), "log 2: at first it is its own reference"
    assert losses[-1] < 0.1
    assert right[-1] == 1.0
    untouched = sum(loss == losses[0] for loss in losses)
    assert (untouched, len(right)) == (2, len(losses) - 2), "warm-up begins at 0; until then nothing is right or wrong"
    assert "0% of pairs right" not in told.replace("100% of pairs right", "")
    assert "beta 0.3" in told
    assert "100% of pairs right" in told
    asked = request(model, pairs(), tmp_path / "parts", "dpo", learning_rate=1e-2)
    stopped, _ = run(asked, After(3))
    assert (stopped.steps, stopped.stopped_by) == (3, signal.SIGTERM)
    assert same(run(asked)[0].out, whole.out)


def test_dpo_by_lora_needs_no_second_model_and_merges_what_it_learned(model: str, tmp_path: Path) -> None:
    asked = request(model, pairs(), tmp_path / "out", "dpo", learning_rate=5e-2, lora_rank=4, eval_share=0.2)
    trained, told = run(asked)
    assert "other models" not in told
    assert curve(trained.out, "loss")[-1] < 0.3
    assert trained.eval_loss is not None
    assert trained.eval_loss < 0.6
    assert weights(trained.out).keys() == weights(Path(model)).keys()


def test_a_trained_reward_model_is_what_the_scorer_measures_with(rewarder: Path) -> None:
    assert curve(rewarder, "accuracy")[-1] == 1.0
    asked = [Sample(instruction="Question 99?", response=answer) for answer in (ANSWERS[0], ANSWERS[2])]
    scorer = reward_models.load("reward", str(rewarder), ScoringConfig(device="cpu"))
    better, worse = scorer.rewards(asked)
    assert isinstance(better, float)
    assert isinstance(worse, float)
    assert better > worse


def test_margins_hold_answers_further_apart_only_where_they_are_asked_to(model: str, tmp_path: Path) -> None:
    rows = pairs(margin=9.0)
    plain, _ = run(request(model, rows, tmp_path / "plain", "reward", learning_rate=0.0 + 1e-9, max_steps=1))
    apart, _ = run(
        request(model, rows, tmp_path / "apart", "reward", learning_rate=1e-9, max_steps=1, margin_scale=1.0)
    )
    assert plain.loss is not None
    assert apart.loss is not None
    assert apart.loss > plain.loss + 5


def test_a_reward_model_by_lora_is_whole_with_its_head(model: str, tmp_path: Path) -> None:
    trained, _ = run(request(model, pairs(), tmp_path / "out", "reward", learning_rate=2e-2, lora_rank=4))
    assert "score.weight" in weights(trained.out)
    loaded = reward_models.load("r", str(trained.out), ScoringConfig(device="cpu"))
    (reward,) = loaded.rewards([Sample(instruction="Question 1?", response=ANSWERS[0])])
    assert isinstance(reward, float)


def test_rloo_writes_answers_that_the_reward_model_likes_better_and_better(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = tiny(tmp_path / "base", tie_word_embeddings=True)
    # One that likes long words of its own: any reward model will do, as long as it prefers some answers.
    rewarder = save_reward(tmp_path / "rewarder", train_tokenizer(chat_template=CHAT_TEMPLATE))
    asked = request(
        base,
        [*samples(8), *pairs(8)],
        tmp_path / "out",
        "rloo",
        reward_model=rewarder,
        learning_rate=2e-2,
        beta=0.001,
        batch=16,
        new_tokens=6,
        max_steps=24,
        max_length=64,
    )
    trained, told = run(asked)
    rewards = curve(trained.out, "reward")
    assert len(rewards) == 24
    assert sum(rewards[-6:]) > sum(rewards[:6])
    assert "8 rows of" in told
    assert "left out: 8 prompts that stand in an earlier row" in told
    assert "RLOO" in (trained.out / "README.md").read_text()
    assert json.loads((trained.out / "training.json").read_text())["request"]["reward_model"] == rewarder
    assert "Loading weights" not in capfd.readouterr().err, "the libraries' own bars"


def test_an_answer_that_cannot_be_rewarded_counts_as_the_worst_and_mostly_such_answers_end_it(tmp_path: Path) -> None:
    folder = save_reward(tmp_path / "rewarder", train_tokenizer(chat_template=CHAT_TEMPLATE))
    told: list[str] = []
    rewarding = Rewarding(reward_models.load("r", folder, ScoringConfig(device="cpu")), told.append)
    prompt = [{"role": "user", "content": "Why?"}]
    given = rewarding([prompt] * 3, ["Because.", "", "So."])
    assert given[1] == min(given)
    assert (rewarding.asked, rewarding.unread) == (3, 1)
    assert told == ["an answer cannot be rewarded and counts as the worst of its batch: no response to reward"]
    with pytest.raises(ScorerError, match="10 of 12 answers cannot be rewarded, such as: no response to reward"):
        rewarding([prompt] * 9, [""] * 9)


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("rloo", {}, "--method rloo needs --reward-model"),
        ("sft", {"reward_model": "x"}, "--reward-model is for --method rloo; sft asks no reward model"),
        ("rloo", {"reward_model": "x", "eval_share": 0.1}, "--eval-share is not for rloo"),
        ("sft", {"keep_adapter": True}, "--keep-adapter needs --lora"),
        ("dpo", {}, r"dpo learns from preference or reward rows; found 16 answered rows: --method sft or rloo"),
    ],
)
def test_what_a_method_does_not_take_is_refused_before_anything_is_loaded(
    method: Any, options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=told):
        run(request("nobody/none", samples(), tmp_path / "out", method, **options))

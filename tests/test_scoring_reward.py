"""The reward model: one number per conversation, alone or in a batch, in its own template, and a reason where none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lines import results, run
from tiny_models import CHAT_TEMPLATE, train_tokenizer
from tiny_rewards import CHAT, save
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

from star_agents.config.sections import ScoringConfig
from star_agents.engine.configuration import read_config
from star_agents.errors import ScorerError
from star_agents.records import Message, Sample, Seed
from star_agents.scoring import Scorer
from star_agents.scoring.scorers import names, reward
from star_agents.scoring.scorers.reward import RewardModel

ENDS = train_tokenizer(chat_template=CHAT_TEMPLATE + "</s>", adds="<s> $A")
SAMPLES = [
    Sample(instruction="Name three colours.", response="Red, green and blue."),
    Sample(instruction="Why is the sky blue?", response="Light is scattered by the air, blue light more than red."),
    Sample(instruction="And the sea?", response="It mirrors the sky.", history=(Message(role="user", content="Hi"),)),
    Sample(instruction="Say no.", response="no"),
]


def load(path: str, **config: Any) -> RewardModel:
    return reward.load("rm", path, ScoringConfig(device="cpu", **config))


def plain(path: str, tokenizer: PreTrainedTokenizerFast, sample: Sample) -> float:
    """As a model card has it: one conversation, no padding, the last token's output."""
    found: Callable[..., Any] = AutoModelForSequenceClassification.from_pretrained
    model = found(path, dtype=torch.float32).eval()
    model.config.pad_token_id = None
    messages = [message.to_dict() for message in sample.messages]
    text: Any = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokenizer(text)["input_ids"]
    start = tokenizer.bos_token_id
    ids = ids[1:] if ids[:2] == [start, start] else ids
    with torch.inference_mode():
        return float(model(torch.tensor([ids])).logits[0, 0])


@pytest.mark.parametrize("tokenizer", [CHAT, ENDS], ids=["plain end", "ends with the padding's look-alike"])
def test_a_batch_gives_what_one_at_a_time_gives(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    # Many published reward models pad with the token that ends a conversation.
    path = save(tmp_path, tokenizer, pad_token_id=tokenizer.eos_token_id)
    found = load(path).rewards(SAMPLES)
    assert found == pytest.approx([plain(path, tokenizer, sample) for sample in SAMPLES], abs=1e-4)
    assert len({round(float(value), 4) for value in found}) == len(SAMPLES)


def test_batches_of_any_size_give_the_same(tmp_path: Path) -> None:
    path = save(tmp_path)
    whole, alone = load(path).rewards(SAMPLES), load(path, tokens_per_batch=64).rewards(SAMPLES)
    assert alone == pytest.approx(whole, abs=1e-4)


def test_a_template_that_writes_the_start_token_gets_no_second_one(tmp_path: Path) -> None:
    doubled = train_tokenizer(chat_template="<s>" + CHAT_TEMPLATE, adds="<s> $A")
    single = train_tokenizer(chat_template=CHAT_TEMPLATE, adds="<s> $A")
    one = load(save(tmp_path / "doubled", doubled)).rewards(SAMPLES)
    assert one == load(save(tmp_path / "single", single)).rewards(SAMPLES)


def test_a_conversation_that_is_too_long_or_has_no_answer_gets_a_reason_and_the_others_their_reward(
    tmp_path: Path,
) -> None:
    long = Sample(instruction="Tell me more.", response="and on " * 300)
    found = load(save(tmp_path)).rewards([long, SAMPLES[0], Sample(instruction="And?", response="  ")])
    assert "tokens; the reward model reads 256" in str(found[0])
    assert isinstance(found[1], float)
    assert found[2] == "no response to reward"


def test_a_reward_that_is_no_number_is_a_reason(tmp_path: Path) -> None:
    path = save(tmp_path)
    model = load(path)
    with torch.no_grad():
        model._loaded.model.score.weight.fill_(math.nan)
    assert model.rewards(SAMPLES[:1]) == ["the reward is no finite number"]


@pytest.mark.parametrize(
    ("tokenizer", "outputs", "what"),
    [(CHAT, 2, "has 2 outputs; a reward model has one"), (train_tokenizer(), 1, "has no chat template")],
)
def test_what_is_no_reward_model_is_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, outputs: int, what: str
) -> None:
    with pytest.raises(ScorerError, match=what):
        load(save(tmp_path, tokenizer, outputs=outputs))


def test_a_language_model_without_the_head_is_refused(tmp_path: Path) -> None:
    from tiny_models import save_model  # noqa: PLC0415

    with pytest.raises(ScorerError, match="which would be random numbers"):
        load(save_model(tmp_path, CHAT))


def test_a_folder_that_is_not_there_is_told_with_what_belongs_into_it(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"reward model rm .* cannot be loaded: no such folder"):
        load(str(tmp_path / "none"))


def test_a_model_that_brings_code_of_its_own_is_refused_and_its_code_is_not_run(tmp_path: Path) -> None:
    path = save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    code = {"AutoConfig": "code.Config", "AutoModelForSequenceClassification": "code.Model"}
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "mine", "auto_map": code}))
    (tmp_path / "code.py").write_text("raise SystemExit('this code was run')")
    with pytest.raises(
        ScorerError, match=r"brings Python code of its own, .* set `scoring: \{trust_remote_code: true\}`"
    ):
        load(path)


async def test_the_scorer_process_gives_the_same_rewards(tmp_path: Path) -> None:
    path = save(tmp_path)
    config = ScoringConfig(device="cpu", scorers={"reward": "rm"})
    async with Scorer(config, small=False, large=False, scorers=["reward"], resolve=lambda _: path) as scorer:
        facts = scorer.describe()
        found = await scorer.measure("reward", [*SAMPLES, Sample(instruction="And?")])
        with pytest.raises(ScorerError, match=r"loaded without luck: set scoring\.scorers\.luck"):
            await scorer.measure("luck", SAMPLES)
    assert (facts.scorers["reward"].model, facts.scorers["reward"].max_length, facts.small) == ("rm", 256, None)
    assert found[:-1] == load(path).measure(SAMPLES)
    assert found[-1] == "no response to reward"


async def test_a_scorer_that_there_is_not_is_told_with_those_there_are() -> None:
    config = ScoringConfig(scorers={"luck": "m"})
    with pytest.raises(ScorerError, match=r"scoring\.scorers names 'luck'; there are: reward"):
        async with Scorer(config, small=False, large=False, scorers=["luck"]):
            pass
    assert names() == ["reward"]


REWARDED = """
from star_agents.recipes.protocol import Measure, done, recipe, sft
from star_agents.records import Trial


@recipe(takes="sample", measures=[Measure("reward", low=-10, high=10)])
async def rewarded(seed, bench, settings):
    measured = await bench.measure([seed.sample], by="reward")
    return done(seed, rows=[sft(seed.sample)], trials=[Trial(arm="x", sample=seed.sample, measures=measured[0])])
"""


async def test_a_recipe_measures_by_the_reward_model_that_the_config_names(tmp_path: Path) -> None:
    path = save(tmp_path / "rm")
    (tmp_path / "mine.py").write_text(REWARDED)
    (tmp_path / "agents.yaml").write_text(
        f"""
agents: {{a: {{model: "offline/tutor"}}}}
recipe: ./mine.py:rewarded
scoring: {{scorers: {{reward: "{path}"}}, device: cpu}}
memory: off
"""
    )
    config = read_config(tmp_path / "agents.yaml")
    await run(config, [Seed.of(sample) for sample in SAMPLES], tmp_path / "out")
    measured = [one.outcome.trials[0].measures["reward"] or 0.0 for one in results(tmp_path / "out")]
    assert sorted(measured) == pytest.approx(sorted(map(float, load(path).rewards(SAMPLES))), abs=1e-5)

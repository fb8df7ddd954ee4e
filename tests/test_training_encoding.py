"""Which tokens are learned: the answer's, in the chat template in which the model will be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import CHAT_TEMPLATE, train_tokenizer
from tiny_rewards import save as save_reward
from transformers import AutoModelForCausalLM, LlamaConfig

from star_agents.config.sections import ScoringConfig
from star_agents.errors import UsageError
from star_agents.records import Message, Sample
from star_agents.scoring.completions import Asked
from star_agents.scoring.generation import Generation
from star_agents.scoring.loading import Loaded
from star_agents.scoring.scorers import reward as reward_models
from star_agents.training.encoding import IGNORED, REFUSED, Encoded, Encoder
from star_agents.training.examples import Example
from star_agents.training.request import Method, settings_of
from star_agents.training.templates import PLAIN, VICUNA, prepare_tokenizer

CHATML = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
FORGETS = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{{ m['content'] if loop.last or m['role'] == 'user' else 'forgotten' }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
KNOWS_TOOLS = "{% if tools %}[{{ tools[0].function.name }}]{% endif %}" + CHATML.replace(
    "{{ m['content'] }}", "{{ m['content'] or m.tool_calls[0].function.arguments }}"
)


def turn(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


TALK = Example(
    prompt=(turn("user", "Why?"), turn("assistant", "Because."), turn("user", "And how?")),
    answer="Like so.",
    where="a:1",
)
PAIR = Example(prompt=(turn("user", "Why?"),), answer="Because it is.", rejected="Who knows?", margin=3.0, where="a:2")


def encode(*examples: Example, template: str = CHATML, method: Method = "sft", **changes: Any) -> tuple[Encoded, Any]:
    tokenizer = train_tokenizer(chat_template=template)
    ends = frozenset({tokenizer.eos_token_id})
    settings = settings_of(method, **{"max_length": 100, **changes})
    return Encoder(tokenizer, ends, settings, method).encode(examples), tokenizer


def learned(row: dict[str, Any], tokenizer: Any) -> str:
    return str(tokenizer.decode([label for label in row["labels"] if label != IGNORED]))


@pytest.mark.parametrize("template", [CHATML, VICUNA, CHAT_TEMPLATE])
def test_the_last_answer_with_its_end_is_learned_and_nothing_else(template: str) -> None:
    found, tokenizer = encode(TALK, template=template, max_length=256)
    (row,) = found.rows
    assert len(row["labels"]) == len(row["input_ids"])
    assert learned(row, tokenizer).strip() in ("Like so.</s>", "Like so.\n</s>")
    assert found.notes == (
        {"get the end token, which the chat template leaves out": 1} if template == CHAT_TEMPLATE else {}
    )


def test_every_answer_is_learned_where_that_is_asked_and_none_that_the_template_rewrites() -> None:
    found, tokenizer = encode(TALK, turns="all")
    assert learned(found.rows[0], tokenizer) == "Because.</s>\nLike so.</s>\n"
    found, tokenizer = encode(TALK, turns="all", template=FORGETS)
    assert learned(found.rows[0], tokenizer) == "Like so.</s>"
    assert found.notes == {"earlier answers are not learned where the chat template rewrites them": 1}


def test_what_is_learned_stands_behind_the_very_tokens_with_which_an_agent_asks() -> None:
    tokenizer = train_tokenizer(chat_template=CHATML)
    described: Any = LlamaConfig
    config = described(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    make: Any = AutoModelForCausalLM.from_config
    loaded = Loaded("m", make(config), tokenizer, torch.device("cpu"), torch.float32)
    agent = Generation(loaded, tokens_per_batch=4096)
    found, _ = encode(TALK)
    row = found.rows[0]
    asked = agent._row(Asked(messages=TALK.prompt, max_tokens=4, temperature=0.0))
    start = next(at for at, label in enumerate(row["labels"]) if label != IGNORED)
    assert row["input_ids"][:start] == asked.ids  # type: ignore[union-attr]


def test_a_pair_for_a_reward_model_is_encoded_as_the_scorer_reads_it(tmp_path: Path) -> None:
    folder = save_reward(tmp_path / "reward", train_tokenizer(chat_template=CHATML, adds="<s> $A"))
    model = reward_models.load("r", folder, ScoringConfig(device="cpu"))
    tokenizer = train_tokenizer(chat_template=CHATML, adds="<s> $A")
    encoder = Encoder(tokenizer, frozenset({2}), settings_of("reward", margin_scale=0.5), "reward")
    (row,) = encoder.encode([PAIR]).rows
    sample = Sample(instruction="Why?", response=PAIR.answer)
    assert row["chosen_ids"] == model._encode(sample)
    assert row["chosen_ids"][0] == 1
    assert row["margin"] == 1.5


def test_the_answers_of_a_pair_part_where_the_prompt_ends() -> None:
    found, tokenizer = encode(PAIR, method="dpo")
    (row,) = found.rows
    assert tokenizer.decode(row["prompt_ids"]) == "<|user|>Why?</s>\n<|assistant|>"
    assert tokenizer.decode(row["chosen_ids"]) == "Because it is.</s>\n"
    assert tokenizer.decode(row["rejected_ids"]) == "Who knows?</s>\n"
    assert found.learned == len(row["chosen_ids"]) + len(row["rejected_ids"])


def test_rows_above_the_limit_are_left_out_with_their_place_or_cut_and_a_prompt_that_fills_it_teaches_nothing() -> None:
    long = Example(prompt=(turn("user", "Why?"),), answer="Because. " * 40, rejected="No. " * 60, where="a:3")
    filled = Example(prompt=(turn("user", "Why? " * 40),), answer="Because.", rejected="No.", where="a:4")
    methods: tuple[Method, ...] = ("sft", "dpo", "reward")
    for method in methods:
        found, _ = encode(TALK if method == "sft" else PAIR, long, filled, method=method)
        assert found.left_out == {"longer than --max-length": 2}
        assert found.first_left_out == {"longer than --max-length": "a:3"}
        assert found.longest > 100
        cut, _ = encode(long, filled, method=method, long_rows="cut")
        if method == "reward":
            assert cut.left_out == {"longer than --max-length": 2}, "a part of a conversation is another one"
        else:
            assert cut.left_out == {"no token of the answer within --max-length": 1}
            assert len(cut.rows) == 1
    assert len(encode(long, long_rows="cut")[0].rows[0]["input_ids"]) == 100
    pair = encode(long, method="dpo", long_rows="cut")[0].rows[0]
    assert len(pair["prompt_ids"]) + len(pair["chosen_ids"]) == 100


def test_a_template_without_a_system_turn_gets_its_text_before_the_question_as_an_agent_is_asked() -> None:
    example = Example(prompt=(turn("system", "Be brief."), turn("user", "Why?")), answer="So.", where="a:1")
    found, tokenizer = encode(example, template=REFUSES_SYSTEM)
    assert tokenizer.decode(found.rows[0]["input_ids"]).startswith("<|user|>Be brief.\n\nWhy?</s>")
    prompts, _ = encode(example, template=REFUSES_SYSTEM, method="rloo", new_tokens=8)
    assert prompts.rows[0]["prompt"] == [turn("user", "Be brief.\n\nWhy?")]


def test_a_row_that_the_template_refuses_is_counted_with_what_it_said_and_the_others_are_learned() -> None:
    refuses = "{% if messages[0]['content'] == 'Why?' %}{{ raise_exception('not that') }}{% endif %}" + CHATML
    other = Example(prompt=(turn("user", "How?"),), answer="So.", where="a:9")
    found, _ = encode(TALK, other, template=refuses)
    assert found.left_out == {"refused by the chat template": 1}
    assert found.first_left_out == {"refused by the chat template": "a:1: not that"}
    assert len(found.rows) == 1


def test_a_template_that_leaves_the_answer_out_teaches_nothing_not_even_an_end() -> None:
    found, _ = encode(TALK, template="{{ messages[0]['content'] }}")
    assert (found.rows, found.left_out) == ([], {REFUSED: 1})
    assert found.first_left_out[REFUSED] == "a:1: it writes nothing of the answer"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("chatml", "--chat-template chatml: no template is called so; there is vicuna, plain, or name a file"),
        ("{{ messages[0]['content'] }}", "what the assistant says does not come through it"),
        ("{% for", "the chat template cannot be used"),
    ],
)
def test_a_template_that_is_none_is_refused_before_anything_is_trained(template: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        prepare_tokenizer(train_tokenizer(chat_template=None), template, "m")


def test_the_plain_template_adds_no_word_and_teaches_the_answer_with_its_end() -> None:
    found, tokenizer = encode(TALK, template=PLAIN)
    (row,) = found.rows
    assert tokenizer.decode(row["input_ids"]) == "Why?\nBecause.</s>And how?\nLike so.</s>"
    assert learned(row, tokenizer) == "Like so.</s>"
    given = train_tokenizer()
    assert "chat template: plain (the model has none)" in prepare_tokenizer(given, "plain", "m")


def test_calls_of_tools_are_learned_in_the_templates_own_form_and_as_text_where_it_has_none() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": "CALL"}}]}
    turns = (turn("user", "How warm?"), call, turn("tool", "20"), turn("assistant", "Warm."))
    example = Example(
        prompt=(turn("user", "How warm?"), turn("assistant", "CALL AS TEXT"), turn("user", "20")),
        answer="Warm.",
        turns=turns,
        tools=({"type": "function", "function": {"name": "look"}},),
        answers=2,
    )
    found, tokenizer = encode(example, template=KNOWS_TOOLS)
    assert tokenizer.decode(found.rows[0]["input_ids"]).startswith("[look]")
    assert learned(found.rows[0], tokenizer) == "CALL</s>\nWarm.</s>\n"
    assert found.notes == {"hold tools, in the chat template's own form": 1}
    found, tokenizer = encode(example)
    assert learned(found.rows[0], tokenizer) == "CALL AS TEXT</s>\nWarm.</s>\n"
    assert found.notes == {"hold tools, as text: the chat template knows none": 1}


def test_a_start_token_stands_once_whether_template_or_tokenizer_writes_it() -> None:
    for template in (CHATML, "<s>" + CHATML):
        tokenizer = train_tokenizer(chat_template=template, adds="<s> $A")
        encoder = Encoder(tokenizer, frozenset({2}), settings_of("sft", max_length=100), "sft")
        assert encoder.encode([TALK]).rows[0]["input_ids"].count(1) == 1


def test_a_prompt_with_what_may_be_written_behind_it_has_to_fit() -> None:
    found, _ = encode(TALK, method="rloo", new_tokens=90)
    assert found.left_out == {"longer than --max-length less --new-tokens": 1}
    assert Message.from_dict(encode(TALK, method="rloo", new_tokens=8)[0].rows[0]["prompt"][-1]).content == "And how?"

"""A local model answers many conversations at once as it would answer each alone, and as it was asked to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import CHAT_TEMPLATE, save_model, train_tokenizer

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.generation import Generation, load

NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHAT_TEMPLATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("chat"), train_tokenizer(chat_template=CHAT_TEMPLATE, adds="<s> $A"))


@pytest.fixture(scope="module")
def model(folder: str) -> Generation:
    return load("mine", folder, ScoringConfig(device="cpu"))


def asked(text: str, *before: Mapping[str, str], **how: Any) -> Asked:
    return Asked(messages=(*before, {"role": "user", "content": text}), **{"temperature": 0.0, "max_tokens": 12, **how})


def shown(model: Generation, text: str) -> Any:
    """The tokens that the model is to read, asked of what is under it without any of ours."""
    tokenizer = model._loaded.tokenizer
    return tokenizer(f"<s><|user|>{text}\n<|assistant|>", add_special_tokens=False, return_tensors="pt")


def greedy(model: Generation, text: str, count: int) -> list[int]:
    """The tokens that transformers writes."""
    read = shown(model, text)
    written = model._loaded.model.generate(**read, max_new_tokens=count, do_sample=False, pad_token_id=0)[0]
    tokens: list[int] = written[read["input_ids"].shape[1] :].tolist()
    return tokens


def answer(model: Generation, one: Asked) -> Completed:
    (found,) = model.complete([one])
    assert isinstance(found, Completed), found
    return found


def test_a_batch_gives_what_transformers_gives_for_each_alone(model: Generation) -> None:
    texts = {"Hi.": 5, "Name three colours, and say why each of them is one.": 12, "What is the capital of France?": 9}
    found = model.complete([asked(text, max_tokens=length) for text, length in texts.items()])
    for (text, length), one in zip(texts.items(), found, strict=True):
        written = greedy(model, text, length)
        assert one == Completed(
            text=model._loaded.tokenizer.decode(written, skip_special_tokens=True),
            finish_reason="length",
            prompt_tokens=shown(model, text)["input_ids"].shape[1],
            completion_tokens=length,
        )


def test_what_is_drawn_has_the_models_probabilities(model: Generation) -> None:
    draws = 4000
    found = model.complete([asked("Hi.", temperature=2.5, max_tokens=1, seed=seed) for seed in range(draws)])
    loaded = model._loaded
    with torch.inference_mode():
        expected = (loaded.model(**shown(model, "Hi.")).logits[0, -1].double() / 2.5).softmax(-1)
    shares: Counter[str] = Counter()
    for token, share in enumerate(expected.tolist()):
        shares[loaded.tokenizer.decode([token], skip_special_tokens=True)] += share
    counted = Counter(one.text for one in found if isinstance(one, Completed))
    assert sum(share for _, share in shares.most_common(12)) > 0.3
    for text, share in shares.most_common(12):
        spread = (share * (1 - share) / draws) ** 0.5
        assert counted[text] / draws == pytest.approx(share, abs=4 * spread), text


def test_top_k_and_top_p_leave_out_what_is_improbable(model: Generation) -> None:
    ways: dict[str, dict[str, Any]] = {"k": {"top_k": 3}, "p": {"top_p": 1e-6}, "all": {}}
    seen = {
        name: {
            one.text
            for one in model.complete([asked("Hi.", temperature=50.0, max_tokens=1, seed=n, **how) for n in range(60)])
            if isinstance(one, Completed)
        }
        for name, how in ways.items()
    }
    assert (len(seen["k"]), len(seen["p"])) == (3, 1)
    assert len(seen["all"]) > 10


def test_a_seed_gives_the_same_answer_whatever_is_answered_beside_it(model: Generation) -> None:
    one = asked("Tell a story.", temperature=1.0, seed=7)
    alone = answer(model, one)
    beside = model.complete([asked("Why?", temperature=1.0, seed=1), one, asked("x" * 90, max_tokens=30)])
    assert beside[1] == alone
    assert answer(model, replace(one, seed=8)).text != alone.text


def test_an_answer_ends_before_a_stop_and_at_the_models_own_end(folder: str) -> None:
    model = load("mine", folder, ScoringConfig(device="cpu"))
    whole, written = answer(model, asked("Name three colours.")), greedy(model, "Name three colours.", 12)
    stop = whole.text[4:6]
    cut = answer(model, asked("Name three colours.", stop=("never there", stop)))
    assert (cut.text, cut.finish_reason) == (whole.text[: whole.text.index(stop)], "stop")
    assert cut.completion_tokens < whole.completion_tokens
    model._loaded.model.generation_config.eos_token_id = [written[3]]
    ended = answer(Generation(model._loaded, tokens_per_batch=1000), asked("Name three colours."))
    assert (ended.finish_reason, ended.completion_tokens) == ("stop", written.index(written[3]) + 1)
    assert whole.text.startswith(ended.text)


def test_without_a_temperature_the_models_own_generation_config_decides(folder: str) -> None:
    model = load("mine", folder, ScoringConfig(device="cpu"))
    one = asked("Hi.", temperature=None, seed=3)
    greedy = answer(model, replace(one, temperature=0.0))
    assert answer(model, one).text == greedy.text
    own = model._loaded.model.generation_config
    own.do_sample, own.temperature, own.top_k, own.top_p = True, 1.5, 50, 0.9
    assert answer(model, one) == answer(model, replace(one, temperature=1.5, top_k=50, top_p=0.9))
    assert answer(model, one).text != greedy.text


@pytest.mark.parametrize(
    ("template", "read"),
    [
        (CHAT_TEMPLATE, "<s><|system|>Be brief.\n<|user|>Why?\n<|assistant|>"),
        (NO_SYSTEM, "<s><|user|>Be brief.\n\nWhy?\n<|assistant|>"),
        (f"<s>{CHAT_TEMPLATE}", "<s><|system|>Be brief.\n<|user|>Why?\n<|assistant|>"),
        (None, "<s>Be brief.\nWhy?\n"),
    ],
)
def test_a_conversation_is_written_as_the_model_reads_it_and_begins_once(
    tmp_path: Path, template: str | None, read: str
) -> None:
    tokenizer = train_tokenizer(chat_template=template, adds="<s> $A")
    model = load("mine", save_model(tmp_path, tokenizer), ScoringConfig(device="cpu"))
    found = answer(model, asked("Why?", {"role": "system", "content": "Be brief."}))
    assert found.prompt_tokens == len(tokenizer(read, add_special_tokens=False)["input_ids"])


def test_what_the_model_does_not_read_is_told_and_its_siblings_are_answered(model: Generation) -> None:
    long, short, open_end = model.complete([asked("x" * 400), asked("Hi."), asked("Hi.", max_tokens=None)])
    assert str(long).startswith("the conversation has ")
    assert str(long).endswith("and the model reads 256")
    assert isinstance(short, Completed)
    assert isinstance(open_end, Completed)
    assert open_end.prompt_tokens + open_end.completion_tokens == 256
    assert open_end.finish_reason == "length"


def test_when_memory_runs_out_batches_become_smaller_and_nothing_is_lost(folder: str) -> None:
    model = load("mine", folder, ScoringConfig(device="cpu"))
    asks = [asked(f"Count to {number}.") for number in range(6)]
    expected = model.complete(asks)
    generate = model._loaded.model.generate

    def short_of_memory(ids: torch.Tensor, **more: Any) -> Any:
        if len(ids) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return generate(ids, **more)

    model._loaded.model.generate = short_of_memory
    assert model.complete(asks) == expected
    model._loaded.model.generate = lambda ids, **more: short_of_memory(ids.repeat(3, 1))
    (told,) = model.complete(asks[:1])
    assert "out of memory" in str(told)
    assert "lower `max_tokens`, or take a smaller model" in str(told)


def test_what_cannot_be_loaded_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ScorerError, match=r"is not on this machine, and the Hugging Face hub does not give it: .*`hf d"
    ):
        load("nobody/none", "nobody/none", ScoringConfig())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ScorerError, match="cannot be loaded"):
        load("broken", str(tmp_path), ScoringConfig())

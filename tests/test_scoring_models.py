"""The scorer in process: scores that depend on the pair alone, explicit precision, errors that say what to do."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import CHAT_TEMPLATE, save_model, train_tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM

from star_agents.config.sections import ScoreMode, ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample, Score
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.encoding import Encoded, Passage, token_ids
from star_agents.scoring.forward import Forward, ScoredRows
from star_agents.scoring.loading import load_model
from star_agents.scoring.model import AloneLosses, CausalModel

PAIRS = [
    Sample(instruction=f"Name {number} colours.", input="brightly " * (number % 3), response="Red and blue. " * number)
    for number in range(1, 13)
]


class Counting:
    """A forward pass that remembers what went through it."""

    name = "counting"
    because = ""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.passages: list[Passage] = []

    def plan(self, passages: Sequence[Passage], tokens: int) -> list[list[int]]:
        return self._forward.plan(passages, tokens)

    def rows(self, passages: Sequence[Passage]) -> int:
        return self._forward.rows(passages)

    def mean_nll(self, passages: Sequence[Passage]) -> list[float]:
        self.passages += passages
        return self._forward.mean_nll(passages)

    def begin_mean_nll(self, passages: Sequence[Passage]) -> list[float]:
        return self.mean_nll(passages)

    def mean_hidden(self, passages: Sequence[Passage]) -> Sequence[Tensor]:
        return self._forward.mean_hidden(passages)


@pytest.fixture(scope="module")
def neox(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("neox"), train_tokenizer(), "gpt_neox")


def settings(small: str, **changes: Any) -> ScoringConfig:
    return ScoringConfig(**{"small": small, "device": "cpu", "threads": 1, "mode": "perplexity_ratio", **changes})


def scorer(small: str, **changes: Any) -> DualModel:
    return DualModel.load(settings(small, **changes), large="large" in changes)


def counted(folder: str) -> tuple[DualModel, Counting]:
    loaded = load_model(folder, folder, settings(folder))
    counting = Counting(ScoredRows(loaded))
    model = CausalModel(loaded, counting, tokens_per_batch=2048, max_length=256)
    return DualModel(mode="perplexity_ratio", max_length=256, small=model), counting


def ifds(scores: Sequence[Score]) -> list[float]:
    assert all(score.ifd_small is not None for score in scores), scores
    return [score.ifd_small or 0.0 for score in scores]


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama_gqa"])
def test_neighbours_order_and_budget_do_not_change_a_score(family: Any, tmp_path: Path) -> None:
    folder = save_model(tmp_path, train_tokenizer(), family)
    together = ifds(scorer(folder, tokens_per_batch=4096).score(PAIRS))
    backwards = ifds(scorer(folder, tokens_per_batch=64).score(PAIRS[::-1]))[::-1]
    alone = [ifds(scorer(folder).score([pair]))[0] for pair in PAIRS[:2]]
    assert together == pytest.approx(backwards, abs=1e-5)
    assert together[:2] == pytest.approx(alone, abs=1e-5)
    assert np.argsort(together).tolist() == np.argsort(backwards).tolist()


def test_the_padding_embedding_is_never_read(tmp_path: Path) -> None:
    clean = save_model(tmp_path / "clean", train_tokenizer(), "gpt_neox")
    broken = save_model(tmp_path / "broken", train_tokenizer(), "gpt_neox")
    file = Path(broken) / "model.safetensors"
    weights = load_file(file)
    weights["gpt_neox.embed_in.weight"][train_tokenizer().pad_token_id] = float("nan")
    save_file(weights, file, metadata={"format": "pt"})
    assert scorer(broken).score(PAIRS) == scorer(clean).score(PAIRS)


def test_a_response_that_comes_again_runs_alone_only_once(neox: str) -> None:
    model, counting = counted(neox)
    again = [Sample(instruction=f"Wording {number}.", response="The same.") for number in range(5)]
    first = model.score(again)
    assert sum(passage.start == 1 for passage in counting.passages) == 1
    assert model.score(again) == first
    assert sum(passage.start == 1 for passage in counting.passages) == 1


def test_losses_that_were_not_asked_for_the_longest_are_forgotten() -> None:
    remembered = AloneLosses(capacity=2)
    keys = [AloneLosses.key(Passage((1, token), 1)) for token in range(3)]
    for key, loss in zip(keys[:2], (1.0, 2.0), strict=True):
        remembered.put(key, loss)
    assert remembered.get(keys[0]) == 1.0
    remembered.put(keys[2], 3.0)
    assert [remembered.get(key) for key in keys] == [1.0, None, 3.0]


def test_the_dtype_is_the_one_asked_for_and_never_the_checkpoints(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "half", train_tokenizer(), dtype=torch.bfloat16)
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    for asked, expected in (("auto", torch.float32), ("bfloat16", torch.bfloat16)):
        loaded = load_model(folder, folder, settings(folder, dtype=asked))
        assert {parameter.dtype for parameter in loaded.model.parameters()} == {expected}


def test_bf16_losses_come_from_a_float32_softmax(neox: str) -> None:
    loaded = load_model(neox, neox, settings(neox, dtype="bfloat16"))
    ids = [1, *token_ids(loaded.tokenizer, ["Red, green and blue. The capital of France is Paris."])[0]]
    (found,) = ScoredRows(loaded).mean_nll([Passage(tuple(ids), 1)])
    with torch.no_grad():
        logits = loaded.model(torch.tensor([ids])).logits[0, :-1]
    targets = torch.tensor(ids[1:])[:, None]
    exact = -torch.log_softmax(logits.float(), -1).gather(1, targets).double().mean().item()
    rounded = -torch.log_softmax(logits, -1).gather(1, targets).double().mean().item()
    assert abs(rounded - exact) > 2e-4, "a softmax in bf16 would not show here"
    assert abs(found - exact) < abs(rounded - exact) / 10


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "granite"])
def test_the_head_runs_by_itself_only_where_it_gives_the_models_own_logits(family: Any, tmp_path: Path) -> None:
    facts = scorer(save_model(tmp_path, train_tokenizer(), family)).facts().small
    assert facts is not None
    assert facts.forward == ("own" if family in ("gemma2", "granite") else "packed")


@pytest.mark.parametrize("mode", ["superfiltering", "cherry"])
def test_the_other_readings_equal_the_models_own_loss_under_their_labels(mode: ScoreMode, neox: str) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(neox, dtype=torch.float32)
    tokenizer = train_tokenizer()

    def loss(text: str, context: str) -> float:
        ids = torch.tensor([tokenizer.encode(text)])
        labels = ids.clone()
        labels[0, : len(tokenizer.encode(context))] = -100
        with torch.no_grad():
            return float(model(ids, labels=labels).loss)

    sample = Sample(instruction="Name three colours.", response="Red, green and blue.")
    mark = "" if mode == "superfiltering" else "### Response:"
    prompt = "Name three colours.\n"
    if mode == "cherry":
        prompt = (
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
            "\n\n### Instruction:\nName three colours.\n\n### Response:"
        )
    given, alone = loss(prompt + str(sample.response), prompt), loss(mark + str(sample.response), mark)
    (score,) = scorer(neox, mode=mode).score([sample])
    assert score.formula == mode
    assert score.ifd_small == pytest.approx(given / alone if mode == "cherry" else np.exp(given - alone), abs=1e-5)


def test_score_eos_is_another_number_under_its_own_name(neox: str) -> None:
    (plain,), (end,) = (scorer(neox, mode=mode).score(PAIRS[:1]) for mode in ("perplexity_ratio", "score_eos"))
    assert (plain.formula, end.formula) == ("perplexity_ratio", "score_eos")
    assert end.response_tokens == plain.response_tokens + 1
    assert end.ifd_small != plain.ifd_small


def test_weights_that_are_no_numbers_give_a_reason_and_strict_json(tmp_path: Path) -> None:
    folder = save_model(tmp_path, train_tokenizer(), "gpt_neox")
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    save_file({name: weight * float("nan") for name, weight in weights.items()}, file, metadata={"format": "pt"})
    (score,) = scorer(folder).score(PAIRS[:1])
    assert score.ifd_small is None
    assert score.reason.startswith("not a finite number")
    json.dumps(score.to_dict(), allow_nan=False)


def test_invalid_samples_get_reasons_in_their_places(neox: str) -> None:
    found = scorer(neox, large=neox).score([Sample(instruction="x"), PAIRS[0], Sample(instruction="x", response="")])
    assert [score.reason for score in found] == ["no response given", "", "empty response"]
    assert [score.gap for score in found] == [None, 0.0, None]
    assert scorer(neox).score([]) == []


def test_the_large_model_skips_what_the_small_one_cannot_score(neox: str, tmp_path: Path) -> None:
    refusing = train_tokenizer(chat_template="{{ raise_exception('no') }}")
    small = save_model(tmp_path, refusing, "gpt_neox")
    (score,) = scorer(small, large=neox).score(PAIRS[:1])
    assert score == Score(reason="the chat template refuses the conversation: no")


def test_what_only_the_large_model_cannot_score_keeps_the_small_ones_ifd(neox: str, tmp_path: Path) -> None:
    refusing = train_tokenizer(chat_template="{{ raise_exception('no') }}")
    (score,) = scorer(neox, large=save_model(tmp_path, refusing, "gpt_neox")).score(PAIRS[:1])
    assert score.ifd_small is not None
    assert (score.gap, score.reason) == (None, "large model: the chat template refuses the conversation: no")


def test_models_with_different_tokenizers_each_read_their_own_ids(neox: str, tmp_path: Path) -> None:
    chat = save_model(tmp_path, train_tokenizer(chat_template=CHAT_TEMPLATE), "gpt_neox")
    both = scorer(neox, large=chat)
    assert both.facts().same_tokenizer is False
    assert scorer(neox, large=neox).facts().same_tokenizer is True
    assert [score.ifd_large for score in both.score(PAIRS)] == ifds(scorer(chat).score(PAIRS))


def test_both_models_cut_where_the_shorter_one_ends(neox: str, tmp_path: Path) -> None:
    short = save_model(tmp_path, train_tokenizer(), "gpt2", max_position_embeddings=40)
    both = scorer(short, large=neox)
    (score,) = both.score([Sample(instruction="Count.", response="one two three " * 50)])
    assert score.gap is not None
    assert score.response_tokens == 40 - 1 - len(token_ids(train_tokenizer(), ["Count.\n"])[0])
    facts = both.facts()
    assert facts.small is not None
    assert facts.large is not None
    assert facts.small.max_length == facts.large.max_length == 40


def test_embeddings_are_the_mean_hidden_state_of_the_texts_tokens_at_length_one(neox: str) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(neox, dtype=torch.float32)
    texts = ["Name three colours.", "Red", "Where is Paris, and who lives near the river?"]
    found = DualModel.load(settings(neox), small=False, large=False, embedder="small").embed(texts)
    assert found.dtype == np.float32
    for row, ids in zip(found, token_ids(train_tokenizer(), texts), strict=True):
        with torch.no_grad():
            state = model.base_model(torch.tensor([[1, *ids]])).last_hidden_state[0, 1:].mean(0).numpy()
        assert row == pytest.approx(state / np.linalg.norm(state), abs=1e-5)


def test_embeddings_of_empty_and_broken_texts_are_finite(tmp_path: Path) -> None:
    folder = save_model(tmp_path, train_tokenizer(), "gemma2")
    found = DualModel.load(settings(folder), small=False, large=False, embedder="small").embed(
        ["", "\ud800", "x" * 3000]
    )
    assert found.shape[0] == 3
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_embedding_without_an_embedder_says_what_to_set(neox: str) -> None:
    with pytest.raises(ScorerError, match=r"memory\.embedder"):
        scorer(neox).embed(["text"])
    with pytest.raises(ScorerError, match="no embedder 'large'"):
        DualModel.load(settings(neox), small=False, large=False, embedder="large")


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="it is installed here")
def test_a_missing_sentence_transformers_names_the_extra() -> None:
    with pytest.raises(ScorerError, match=r"star-agents\[embedders\]"):
        DualModel.load(ScoringConfig(), small=False, large=False, embedder="sentence-transformers:some-model")


def test_a_folder_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"scorer model my/model .*scoring\.small and scoring\.large take"):
        load_model("my/model", str(tmp_path / "nowhere"), ScoringConfig())


@pytest.mark.parametrize("path", ["./nope", "../nope", "~/nope", "nope/", "models/nope/last", "/nope"])
def test_a_path_to_nothing_is_said_to_be_no_folder_and_not_a_bad_hugging_face_name(path: str) -> None:
    with pytest.raises(ScorerError, match=r"there is no such folder: /.*nope") as caught:
        load_model(path, path, ScoringConfig(device="cpu"))
    assert "repo" not in str(caught.value).lower()


def test_a_broken_checkpoint_is_an_error_of_ours(neox: str, tmp_path: Path) -> None:
    folder = Path(save_model(tmp_path, train_tokenizer(), "gpt_neox"))
    (folder / "model.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(ScorerError, match="cannot be loaded"):
        load_model("broken", str(folder), ScoringConfig())
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ScorerError, match="cannot be loaded"):
        load_model("broken", str(folder), ScoringConfig())


def test_a_checkpoint_that_lacks_weights_is_refused_instead_of_filled_with_random_ones(tmp_path: Path) -> None:
    folder = save_model(tmp_path, train_tokenizer(), "gpt_neox")
    file = tmp_path / "model.safetensors"
    weights = {name: weight for name, weight in load_file(file).items() if "embed_out" not in name}
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ScorerError, match="lacks 1 weights"):
        load_model("headless", folder, ScoringConfig())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_write(neox: str) -> None:
    with pytest.raises(ScorerError, match="device: auto"):
        load_model(neox, neox, settings(neox, device="cuda"))


def test_a_tokenizer_without_start_token_is_named_with_its_model(tmp_path: Path) -> None:
    folder = save_model(tmp_path, train_tokenizer(bos=None, eos=None), "gpt_neox")
    with pytest.raises(ScorerError, match=f"scorer model {folder}: the tokenizer has neither"):
        scorer(folder)


def test_encoding_counts_the_tokens_that_a_score_reports(neox: str) -> None:
    model, counting = counted(neox)
    (score,) = model.score(PAIRS[:1])
    assert {passage.scored for passage in counting.passages} == {score.response_tokens}
    assert Encoded(*counting.passages).alone.start in (1, counting.passages[1].start)

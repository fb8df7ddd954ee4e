"""Before anything is trained: what is asked for, how batches are divided, what will fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import save_model, train_tokenizer
from training_samples import request, run, samples, tiny

from star_agents.errors import ScorerError, UsageError
from star_agents.limits.machine import free_memory
from star_agents.scoring.loading import is_out_of_memory
from star_agents.training.base_model import find_base, parameters_in
from star_agents.training.batches import Division, divide
from star_agents.training.fitting import in_passes_that_fit
from star_agents.training.hardware import why_not_these
from star_agents.training.memory import GIB, LIBRARIES, ModelSize, Plan, need, what_would_fit
from star_agents.training.request import PAPER, settings_of

SMOL = ModelSize(parameters=135_000_000, layers=30, hidden=576, intermediate=1536, vocabulary=49_152)
PYTHIA = ModelSize(parameters=1_012_000_000, layers=16, hidden=2048, intermediate=8192, vocabulary=50_304)


def plan(**changes: Any) -> Plan:
    usual: dict[str, Any] = {
        "method": "sft",
        "division": Division(4, 16, 1),
        "length": 2048,
        "lora_rank": None,
        "bfloat16": False,
        "gradient_checkpointing": False,
    }
    return Plan(**{**usual, **changes})


def test_nothing_said_is_the_papers_recipe() -> None:
    sft, dpo = PAPER["sft"], PAPER["dpo"]
    assert (sft.epochs, sft.learning_rate, sft.batch, sft.max_length) == (3, 2e-5, 64, 2048)
    assert (dpo.epochs, dpo.learning_rate, dpo.beta) == (2, 5e-7, 0.3)
    assert (PAPER["reward"].epochs, PAPER["reward"].learning_rate) == (1, 1e-6)
    assert (PAPER["rloo"].epochs, PAPER["rloo"].learning_rate, PAPER["rloo"].beta) == (1, 1e-7, 0.4)


@pytest.mark.parametrize(
    ("method", "changes", "told"),
    [
        ("sft", {"epochs": 0.0}, "--epochs must be a number above 0"),
        ("sft", {"learning_rate": float("nan")}, "--learning-rate must be a number above 0"),
        ("sft", {"eval_share": 0.9}, "--eval-share must lie between 0 and 0.5"),
        ("rloo", {"batch": 6}, "take a multiple of 4"),
        ("dpo", {"beta": 0.0}, "--beta must be above 0 for dpo"),
        ("sft", {"colour": 3}, "colour: no such setting"),
        ("sft", {"beta": 0.3}, "--beta is for --method dpo or rloo, and means nothing to sft"),
        ("dpo", {"margin_scale": 1.0}, "--margin-scale is for --method reward"),
        ("reward", {"margin_scale": float("nan")}, "--margin-scale must lie between 0 and 100"),
        ("sft", {"lora_alpha": 8}, "--lora-alpha needs --lora"),
        ("sft", {"epochs": "three"}, "--epochs: Input should be a valid number.*; found 'three'"),
        ("sft", {"turns": "never"}, "--turns: Input should be 'last' or 'all'; found 'never'"),
        ("sft", {"batch": 2.5}, "--batch: Input should be a valid integer.*; found 2.5"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_name(method: Any, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        settings_of(method, **changes)


def test_lora_without_a_rank_is_of_the_usual_one() -> None:
    assert settings_of("sft", lora_rank=True).lora_rank == 16
    assert settings_of("sft", lora_rank=False).lora_rank is None


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_a_batch_stays_what_it_is_however_it_is_divided_and_halved(processes: int) -> None:
    division: Division | None = divide(64, processes=processes, most=None, max_length=2048)
    assert division is not None
    assert division.micro == 4
    while division is not None:
        assert division.batch == 64
        division = division.halved()
    assert divide(64, processes=1, most=10, max_length=8).micro == 8
    assert divide(7, processes=1, most=4, max_length=8) == Division(1, 7, 1)
    with pytest.raises(UsageError, match="a batch of 64 cannot be shared by 3 processes"):
        divide(64, processes=3, most=None, max_length=8)


def test_passes_are_halved_until_they_fit_and_told_and_with_one_row_the_way_out_is() -> None:
    tried: list[int] = []
    told: list[str] = []

    def needs(most: int) -> Any:
        def fits(division: Division) -> Division:
            tried.append(division.micro)
            if division.micro > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return division

        return fits

    found = in_passes_that_fit(needs(2), Division(8, 8, 1), is_out_of_memory=is_out_of_memory, tell=told.append)
    assert (found, tried) == (Division(2, 32, 1), [8, 4, 2])
    assert told[-1] == (
        "memory ran out with 4 rows in a pass; going on with 2, and 32 passes instead of 16 for each step: the batch "
        "stays 64 rows"
    )
    with pytest.raises(ScorerError, match=r"memory ran out with one row in a pass \(CUDA out of memory"):
        in_passes_that_fit(needs(0), Division(8, 8, 1), is_out_of_memory=is_out_of_memory, tell=told.append)

    def breaks(division: Division) -> None:
        raise ValueError("no memory fault")

    with pytest.raises(ValueError, match="no memory fault"):
        in_passes_that_fit(breaks, Division(8, 8, 1), is_out_of_memory=is_out_of_memory, tell=told.append)


def test_full_training_takes_16_bytes_a_weight_a_reference_4_more_and_lora_far_less() -> None:
    def fixed(**changes: Any) -> int:
        found = need(SMOL, plan(**changes))
        return found.total - found.activations - LIBRARIES

    assert fixed() == 16 * SMOL.parameters
    assert fixed(method="dpo") == 20 * SMOL.parameters
    assert fixed(method="dpo", lora_rank=16) == fixed(lora_rank=16)
    assert 4 * SMOL.parameters < fixed(lora_rank=16) < 5.5 * SMOL.parameters
    assert fixed(lora_rank=16, bfloat16=True) < fixed(lora_rank=16)
    assert fixed(method="rloo", lora_rank=16, reward_parameters=10) == fixed(lora_rank=16) + 40


def test_lora_trains_about_as_many_weights_as_peft_says() -> None:
    assert SMOL.of_lora(16) == pytest.approx(4_884_480, rel=0.35), "peft's count for SmolLM2-135M, all linear layers"


def test_what_would_fit_fits_and_is_told_with_the_smallest_change_first() -> None:
    memory = int(12 * GIB)
    ways = list(what_would_fit(PYTHIA, plan(), memory))
    assert ways
    assert all(": " in way for way in ways)
    assert ways[0].startswith("--lora 16") or ways[0].startswith("--gradient-checkpointing")
    assert list(what_would_fit(PYTHIA, plan(), GIB)) == []
    assert need(PYTHIA, plan()).total > memory


def test_a_models_size_is_read_from_headers_alone(tmp_path: Path) -> None:
    folder = Path(save_model(tmp_path / "model", train_tokenizer()))
    base = find_base("m", str(folder))
    weights = folder / "model.safetensors"
    assert base.size is not None
    assert base.size.parameters == parameters_in(weights)
    assert (base.size.layers, base.size.hidden, base.size.intermediate) == (2, 32, 64)
    weights.write_bytes(weights.read_bytes()[:4000])
    with pytest.raises(UsageError, match="is no whole file of safetensors"):
        find_base("m", str(folder))


def test_a_download_that_was_broken_off_is_no_whole_model_and_goes_on_to_the_same_one(tmp_path: Path) -> None:
    whole = Path(save_model(tmp_path / "whole", train_tokenizer()))
    half = tmp_path / "half"
    shutil.copytree(whole, half)
    (half / "model.safetensors").rename(half / "model-1.safetensors")
    weight_map = {"one": "model-1.safetensors", "two": "model-2.safetensors"}
    (half / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(UsageError, match=r"half lacks model-2\.safetensors, which its model\.safetensors\.index\.json"):
        find_base("m", str(half))
    shutil.copy(half / "model-1.safetensors", half / "model-2.safetensors")
    found, known = find_base("m", str(half)), find_base("m", str(whole))
    assert found.size is not None
    assert known.size is not None
    assert found.size.parameters == 2 * known.size.parameters
    shutil.copy(half / "model-1.safetensors", half / "consolidated.safetensors")
    assert find_base("m", str(half)).size == found.size, "what the index does not name is not loaded"


def test_a_model_is_told_by_its_weights_also_where_they_came_after_its_config(tmp_path: Path) -> None:
    whole = Path(save_model(tmp_path / "whole", train_tokenizer()))
    weights = whole / "model.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    before_its_weights = find_base("m", str(whole))
    weights.write_bytes(kept)
    assert before_its_weights.fingerprint == find_base("m", str(whole)).fingerprint


def test_a_model_that_is_nowhere_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model \./none: there is no such folder: /"):
        find_base("./none", "./none")
    with pytest.raises(UsageError, match="not in the hub's cache on this machine, and the hub cannot be reached"):
        find_base("nobody/none", "nobody/none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        find_base("empty", str(tmp_path / "empty"))
    (tmp_path / "empty" / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="it holds an adapter of LoRA: merge it first"):
        find_base("empty", str(tmp_path / "empty"))


def test_what_will_not_fit_is_refused_before_anything_is_loaded_with_what_would(tmp_path: Path) -> None:
    base = Path(tiny(tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    huge = {**config, "num_hidden_layers": 4000, "hidden_size": 16_384, "intermediate_size": 65_536}
    (base / "config.json").write_text(json.dumps(huge))
    asked = request(str(base), samples(), tmp_path / "out", max_length=4096)
    with pytest.raises(UsageError, match=r"will not fit: about .* are free; (what would fit: --|nothing that can be)"):
        run(asked)
    assert not asked.part.exists()


def test_free_memory_is_what_is_left_of_the_machine() -> None:
    assert GIB / 64 < free_memory() < 1 << 60


def test_several_gpus_want_several_processes() -> None:
    assert "accelerate launch --num_processes 4 -m star_agents train" in why_not_these(4, 1)
    assert [why_not_these(*one) for one in ((0, 1), (1, 1), (4, 4))] == ["", "", ""]

"""`train --method sft` on tiny models: what it learns, how it is interrupted, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import torch
import yaml
from lines import read_jsonl
from processes import until
from safetensors.torch import load_file
from storage_samples import fill_store, make_outcome, make_seed
from tiny_models import CHAT_TEMPLATE
from training_samples import request, run, samples, tiny, write

from star_agents.config.sections import ScoringConfig
from star_agents.engine.training.folder import is_whole
from star_agents.engine.training.result import StopWord
from star_agents.engine.training.rows import read_examples
from star_agents.errors import ScorerError, StoreLocked, UsageError
from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.loading import load_model
from star_agents.scoring.local_models import LocalModels
from star_agents.storage.lock import FolderLock
from star_agents.storage.outgoing.export import dataset_rows, write_export
from star_agents.storage.reader import StoreReader


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As many threads wherever it goes on: sums of floats depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny(tmp_path_factory.mktemp("base"))


class After(StopWord):
    """Says the word when it was asked for it so many times: once after each step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    @property
    def is_said(self) -> bool:
        self.steps -= 1
        if self.steps == 0:
            self.say(signal.SIGTERM)
        return super().is_said


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


async def test_rows_of_an_export_are_learned_and_the_trained_model_answers_so_as_an_agent(
    model: str, tmp_path: Path
) -> None:
    seeds = [make_seed(number) for number in range(8)]
    await fill_store(tmp_path / "run", *((seed, make_outcome(seed)) for seed in seeds))
    with StoreReader(tmp_path / "run") as reader:
        write_export(dataset_rows(reader, "prompt-completion"), tmp_path / "rows.parquet")
    asked = request(model, tmp_path / "rows.parquet", tmp_path / "out", max_steps=40, eval_share=0.2, eval_steps=20)
    trained, told = await anyio.to_thread.run_sync(run, asked)
    losses = [row["loss"] for row in read_jsonl(trained.out / "curve.jsonl") if "loss" in row]
    assert len(losses) == 40
    assert trained.loss == losses[-1] < 0.3 * losses[0]
    assert "40/40 steps, loss" in told
    assert "tokens/s" in told
    assert [row["step"] for row in read_jsonl(trained.out / "curve.jsonl") if "eval_loss" in row] == [20, 40]

    async with LocalModels(ScoringConfig(threads=1, device="cpu")) as models:
        messages = ({"role": "user", "content": "Question 1?"},)
        asking = [Asked(messages=messages, temperature=0.0, max_tokens=30)]
        (said,) = await models.complete(str(trained.out), asking)
    assert isinstance(said, Completed)
    assert said.text.strip() == "A good answer."
    assert said.finish_reason == "stop"
    small = load_model("trained", str(trained.out), ScoringConfig(device="cpu"))
    assert small.parameters == sum(one.numel() for one in weights(Path(model)).values())


def test_stopped_and_gone_on_gives_the_same_weights_bit_for_bit_and_the_same_curve(model: str, tmp_path: Path) -> None:
    whole, _ = run(request(model, samples(), tmp_path / "whole", warmup=0.5))
    asked = request(model, samples(), tmp_path / "parts", warmup=0.5)
    first, _ = run(asked, After(2))
    assert (first.steps, first.stopped_by) == (2, signal.SIGTERM)
    assert not asked.out.exists()
    second, _ = run(asked, After(2))
    assert (second.steps, second.resumed) == (4, 2)
    last, _ = run(asked)
    assert (last.steps, last.resumed, last.stopped_by) == (6, 4, 0)
    assert same(whole.out, last.out)
    curves = [(out / "curve.jsonl").read_text() for out in (whole.out, last.out)]
    assert curves[0] == curves[1]
    assert not asked.part.exists()


@pytest.mark.timeout(240)
def test_killed_by_sigkill_it_goes_on_by_the_same_command_to_the_same_weights(model: str, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", samples())
    whole, _ = run(request(model, rows, tmp_path / "whole", max_steps=25, checkpoint_steps=1))
    asked = request(model, rows, tmp_path / "killed", max_steps=25, checkpoint_steps=1)
    quick = "--batch 4 --max-length 128 --learning-rate 5e-3 --max-steps 25 --checkpoint-steps 1 --threads 1"
    command = [
        sys.executable,
        "-m",
        "star_agents",
        "train",
        str(rows),
        "--model",
        model,
        "-o",
        str(asked.out),
        *quick.split(),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    until(lambda: any(map(is_whole, asked.part.glob("checkpoint-*"))), process.pid)
    process.kill()
    process.wait()
    begun = max(int(one.name.partition("-")[2]) for one in asked.part.glob("checkpoint-*") if is_whole(one))
    torn = asked.part / "checkpoint-99"
    torn.mkdir()
    (torn / "trainer_state.json").write_text("{")
    last, _ = run(asked)
    assert 1 <= begun <= last.resumed < 25
    assert same(whole.out, last.out)


def test_a_model_that_is_whole_is_not_trained_again_and_another_training_into_it_is_refused_by_what_differs(
    model: str, tmp_path: Path
) -> None:
    rows, fewer = write(tmp_path / "rows.jsonl", samples()), write(tmp_path / "fewer.jsonl", samples(8))
    asked = request(model, rows, tmp_path / "out", max_steps=1)
    first, _ = run(asked)
    before = (first.out / "model.safetensors").stat().st_mtime_ns
    again, _ = run(asked)
    assert again.was_finished
    assert again.loss == first.loss
    assert (first.out / "model.safetensors").stat().st_mtime_ns == before
    for other, differs in (
        (request(model, rows, tmp_path / "out", max_steps=2), "max_steps was 1 and is 2"),
        (request(model, fewer, tmp_path / "out", max_steps=1), "rows was 16 and is 8"),
        (request(tiny(tmp_path / "other", seed=5), rows, tmp_path / "out", max_steps=1), "model_fingerprint was"),
    ):
        with pytest.raises(UsageError, match=differs):
            run(other)
    stopped, _ = run(request(model, rows, tmp_path / "out", max_steps=3, fresh=True), After(1))
    assert stopped.stopped_by
    assert (first.out / "model.safetensors").stat().st_mtime_ns == before, "what is there stays until the next is whole"
    replaced, _ = run(request(model, rows, tmp_path / "out", max_steps=3))
    assert (replaced.resumed, replaced.steps) == (1, 3)
    assert json.loads((replaced.out / "training.json").read_text())["request"]["max_steps"] == 3


def test_a_training_of_which_nothing_is_saved_keeps_no_other_from_its_folder(model: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no template is called so"):
        run(request(model, samples(), tmp_path / "out", max_steps=1, chat_template="plane"))
    mended, _ = run(request(model, samples(), tmp_path / "out", max_steps=1, chat_template="plain"))
    assert mended.steps == 1


def test_a_training_goes_on_where_the_model_that_it_began_with_lies_elsewhere(tmp_path: Path) -> None:
    here = tiny(tmp_path / "here")
    stopped, _ = run(request(here, samples(), tmp_path / "out", max_steps=3), After(1))
    assert stopped.stopped_by
    there = str(Path(here).rename(tmp_path / "there"))
    last, _ = run(request(there, samples(), tmp_path / "out", max_steps=3))
    assert (last.resumed, last.steps) == (1, 3)
    again, _ = run(request(str(Path(there).rename(tmp_path / "elsewhere")), samples(), tmp_path / "out", max_steps=3))
    assert again.was_finished


def test_what_is_no_model_of_ours_is_never_replaced_and_two_never_train_into_one_folder(
    model: str, tmp_path: Path
) -> None:
    asked = request(model, samples(), tmp_path / "out", max_steps=1, fresh=True)
    asked.out.mkdir()
    (asked.out / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no model that was trained here, and is not replaced"):
        run(asked)
    assert (asked.out / "thesis.txt").read_text() == "mine"
    busy = request(model, samples(), tmp_path / "busy", max_steps=1)
    busy.part.mkdir()
    lock = FolderLock.acquire(busy.part)
    try:
        with pytest.raises(StoreLocked):
            run(busy)
    finally:
        lock.release()


def test_the_card_tells_rows_settings_versions_and_curve_and_a_licence_only_where_the_base_tells_one(
    model: str, tmp_path: Path
) -> None:
    rows = [{**row, "provenance": '{"recipe": "evol", "revision": 3, "models": {"a": "gpt"}}'} for row in samples()]
    trained, _ = run(request(model, rows, tmp_path / "out", max_steps=2, eval_share=0.2))
    card = (trained.out / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert not {"base_model", "license"} & front.keys(), "a folder of this machine is no name of the hub"
    assert f"of `{model}`" in card
    assert "Not told" in card
    for fact in (
        "which holds 16 answered rows",
        "- `out-rows.jsonl`: SHA-256 `",
        "recipes: evol (16 rows)",
        "revisions of the run's config: 3",
        "models that wrote them: gpt (16 rows)",
        "| learning_rate | 0.005 | 2e-05 |",
        "2 steps of 4 rows",
        "- learned: 8 rows of ",
        "- torch 2",
    ):
        assert fact in card, fact
    assert "| beta |" not in card
    assert re.search(r'<path class="c0" d="M[\d.]+ [\d.]+L', (trained.out / "loss.svg").read_text())
    base = Path(tiny(tmp_path / "licensed"))
    (base / "README.md").write_text(
        "---\nbase_model: a/b\nlicense: other\nlicense_name: mine\nlanguage: en\n---\n# A model\n"
    )
    licensed, _ = run(request(str(base), samples(), tmp_path / "heir", max_steps=1))
    card = (licensed.out / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["license"], front["license_name"], "language" in front) == ("other", "mine", False)
    assert front["base_model"] == "a/b"
    assert "Not told" not in card


def test_lora_trains_an_adapter_and_leaves_a_whole_model_with_the_adapter_beside_it(model: str, tmp_path: Path) -> None:
    asked = request(model, samples(), tmp_path / "out", lora_rank=4, keep_adapter=True, learning_rate=5e-2)
    trained, told = run(asked)
    assert "LoRA of rank 4" in told
    before, after = weights(Path(model)), weights(trained.out)
    assert before.keys() == after.keys()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {name for name in after if name.endswith("proj.weight")}
    assert (trained.out / "adapter" / "adapter_config.json").is_file()
    assert not (trained.out / "adapter" / "README.md").exists()
    parts = request(model, samples(), tmp_path / "parts", lora_rank=4, keep_adapter=True, learning_rate=5e-2)
    run(parts, After(3))
    assert same(run(parts)[0].out, trained.out)


def test_a_model_without_a_chat_template_gets_one_that_is_named_and_kept(tmp_path: Path) -> None:
    base = tiny(tmp_path / "base", chat_template=None)
    trained, told = run(request(base, samples(), tmp_path / "out", max_steps=1, max_length=256))
    assert "chat template: vicuna (the model has none); it is kept with the trained model" in told
    assert " ASSISTANT:" in (trained.out / "chat_template.jinja").read_text()
    mine, told = run(request(base, samples(), tmp_path / "mine", max_steps=1, chat_template=CHAT_TEMPLATE))
    assert "chat template: yours" in told
    assert (mine.out / "chat_template.jinja").read_text() == CHAT_TEMPLATE
    with pytest.raises(UsageError, match="the chat template cannot be used: "):
        run(request(base, samples(), tmp_path / "broken", chat_template="{% for %}"))


def test_what_is_printed_says_which_defaults_hold_and_how_many_rows_are_too_long(model: str, tmp_path: Path) -> None:
    long = [{"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because. " * 99}]}]
    trained, told = run(request(model, [*samples(), *long], tmp_path / "out", max_steps=1))
    assert trained.left_out == {"longer than --max-length": 1}
    assert "left out: 1 rows, longer than --max-length; the first is out-rows.jsonl:17" in told
    assert "the limit is 128" in told
    assert "float32 on the CPU, gradient checkpointing off, packing off" in told
    assert "loss on the last answer of a row only; rows above 128 tokens are left out" in told
    first = r"4 of 7 rows would be left out \(4 longer than --max-length, the first is most-rows\.jsonl:4\)"
    with pytest.raises(UsageError, match=first):
        run(request(model, [*samples(3), *long * 4], tmp_path / "most"))


def test_rows_that_the_chat_template_refuses_end_it_with_the_first_one_and_what_the_template_said(
    model: str, tmp_path: Path
) -> None:
    picky = "{% if messages[0].content[:8] == 'Question' %}{{ raise_exception('no questions') }}{% endif %}"
    refused = r"16 refused by the chat template, the first is out-rows\.jsonl:1: no questions\): .* another --chat"
    with pytest.raises(UsageError, match=refused):
        run(request(model, samples(), tmp_path / "out", chat_template=picky + CHAT_TEMPLATE))


def test_what_is_held_out_and_too_long_is_told_and_where_nothing_of_it_is_left_it_ends(
    model: str, tmp_path: Path
) -> None:
    rows = samples()
    read = read_examples(write(tmp_path / "rows.jsonl", rows), "sft", eval_share=0.5, seed=0, bad_rows=0)
    held = [row for row in rows if row["messages"][0] in [one.prompt[0] for one in read.held_out]]
    held[0]["messages"][1]["content"] = "Because. " * 99
    _, told = run(request(model, rows, tmp_path / "out", max_steps=1, eval_share=0.5))
    assert "of what is held out, 1 rows are left out: longer than --max-length" in told
    for row in held:
        row["messages"][1]["content"] = "Because. " * 99
    with pytest.raises(UsageError, match="of what --eval-share holds out nothing is left to measure a loss on"):
        run(request(model, rows, tmp_path / "none", max_steps=1, eval_share=0.5))


def test_a_loss_that_is_no_number_ends_it_with_the_way_out(model: str, tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"the model diverges\. Lower --learning-rate"):
        run(request(model, samples(), tmp_path / "out", learning_rate=1e30, max_grad_norm=1e30, max_steps=20))


def test_a_disk_that_takes_no_more_is_told_without_a_traceback_and_what_was_saved_stands(
    model: str, tmp_path: Path
) -> None:
    asked = request(model, samples(), tmp_path / "out", max_steps=4)
    run(asked, After(2))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A disk that is full, but for small files.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(UsageError, match=r"cannot be written: .*; what was saved before stands"):
            run(asked)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not asked.out.exists()
    assert run(asked)[0].resumed == 2


def test_weights_that_are_no_model_are_told_by_name(model: str, tmp_path: Path) -> None:
    base = Path(tiny(tmp_path / "base", num_hidden_layers=1))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(UsageError, match=r"the checkpoint lacks \d+ weights \(model\.layers\.1\."):
        run(request(str(base), samples(), tmp_path / "out"))
    (base / "config.json").write_text(json.dumps({**config, "model_type": "abacus"}))
    with pytest.raises(UsageError, match=r"cannot be loaded: .*abacus"):
        run(request(str(base), samples(), tmp_path / "other"))

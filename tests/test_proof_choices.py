"""The proof end to end, small: what is robust about the choices holds, and each figure says what it means to say."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from star_agents.offline import resolve_model
from star_agents.records import Sample

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
bootstrap, choices, judging = (import_module(f"proof.{name}") for name in ("bootstrap", "choices", "judging"))
generation, kept = (import_module(f"proof.{name}") for name in ("generation", "kept"))
policies, table, tune = (import_module(f"proof.{name}") for name in ("policies", "table", "tune"))


def test_the_robust_part_of_the_order_holds_and_lazy_judging_chooses_the_same(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    found = table.build(50, 1, tmp_path)
    figures = {one.name: one for one in choices.measure(found, "answers", m=6, seeds=2)}
    right = {name: one.usable.value for name, one in figures.items()}
    assert right["oracle"] > right["full"] > right["random"] > right["ifd"]
    lazy = judging.compare(found, "answers", m=6, seeds=2)
    assert lazy.different == 0
    assert lazy.share.value < 0.6
    again = table.build(50, 1, tmp_path)
    assert (again.scores.gap == found.scores.gap).all()

    world = policies.make_world(found, "answers", 2)
    uniform, fast = (
        policies.run(world, policies.Setting(kind=kind, scale=50), 1_000, seed=1) for kind in ("uniform", "paper")
    )
    assert fast.best_pi > uniform.best_pi
    assert uniform.regret > 0
    turned = policies.make_world(found, "answers", 2, "turns bad")
    assert turned.right[0].mean() > turned.right[1].mean()


def test_an_interval_holds_what_it_was_drawn_from_and_pairing_narrows_it() -> None:
    rng = np.random.default_rng(0)
    items = rng.random(300)
    better = items + 0.1 + 0.01 * rng.random(300)
    found = bootstrap.mean(items)
    assert found.low < items.mean() == found.value < found.high
    paired = bootstrap.difference(better, items)
    assert 0.1 < paired.low < paired.high < 0.11
    assert bootstrap.ratio(items, items).high == pytest.approx(1)


def test_what_was_asked_once_is_not_asked_again_and_a_torn_line_is(tmp_path: Path) -> None:
    file, asked = tmp_path / "kept.jsonl", []

    def ask(keys: list[int]) -> list[int]:
        asked.extend(keys)
        return [key * key for key in keys]

    assert kept.ask_once(file, [1, 2, 1], str, ask, 1) == [1, 4, 1]
    with file.open("a") as lines:
        lines.write('["3", 9')
    assert kept.ask_once(file, [3, 2], str, ask) == [9, 4]
    assert asked == [1, 2, 3]


@pytest.mark.timeout(60)
def test_fine_tuning_teaches_what_the_rows_say_and_the_same_seed_teaches_the_same() -> None:
    torch.set_num_threads(1)
    rows = [
        Sample(instruction=f"tell {name} the word .", response="the word is apple .") for name in ("ana", "ben")
    ] * 24
    prompts = [generation.prompt_of(Sample(instruction="tell eva the word ."))]
    said = []
    for _ in range(2):
        model, tokenizer = tune.fine_tune(resolve_model("offline/small"), rows, seed=1, epochs=8)
        said.append(generation.respond(model, tokenizer, prompts))
        said.append([str(float(model.model.embed_tokens.weight.detach().sum()))])
    assert said[0] == said[2] == ["the word is apple ."]
    assert said[1] == said[3]

"""The scorer pair and the seeds that ship: small, loadable, and a gap that ranks held-out responses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from star_agents import offline
from star_agents.errors import ScorerError
from star_agents.offline import seeds, world
from star_agents.offline.families import FAMILIES

QUESTIONS = 325
KINDS: tuple[world.Kind, ...] = ("good", "wrong", "off")


def mean_nlls(scorer: str, pairs: list[tuple[list[int], list[int]]]) -> list[float]:
    """Mean NLL of each response after its head; ``pairs`` hold token ids ``(head, response)``."""
    model = AutoModelForCausalLM.from_pretrained(offline.resolve_model(scorer), dtype=torch.float32)
    model.train(False)
    means: dict[int, float] = {}
    order = sorted(range(len(pairs)), key=lambda at: len(pairs[at][0]) + len(pairs[at][1]))
    for start in range(0, len(order), 64):
        batch = order[start : start + 64]
        longest = max(len(pairs[at][0]) + len(pairs[at][1]) for at in batch)
        rows = [[*pairs[at][0], *pairs[at][1]] for at in batch]
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        with torch.inference_mode():
            logits = model(input_ids=ids).logits
        for row, at in enumerate(batch):
            head, response = pairs[at]
            mine = logits[row, len(head) - 1 : len(head) + len(response) - 1]
            means[at] = float(functional.cross_entropy(mine, torch.tensor(response)))
    return [means[at] for at in range(len(pairs))]


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def gaps(pairs: list[tuple[str, str]]) -> list[float]:
    """IFD_small - IFD_large of each ``(prompt, response)`` (design §4, Eq. 4)."""
    ifds = []
    for scorer in ("offline/small", "offline/large"):
        tokenizer = AutoTokenizer.from_pretrained(offline.resolve_model(scorer))
        encode = partial(token_ids, tokenizer)
        start = [tokenizer.eos_token_id]
        told = mean_nlls(scorer, [(start + encode(prompt), encode(response)) for prompt, response in pairs])
        untold = mean_nlls(scorer, [(start, encode(response)) for _, response in pairs])
        ifds.append([math.exp(a - b) for a, b in zip(told, untold, strict=True)])
    return [small - large for small, large in zip(*ifds, strict=True)]


@pytest.mark.timeout(120)
def test_the_gap_ranks_a_good_response_above_a_wrong_and_an_off_topic_one() -> None:
    torch.set_num_threads(1)
    rng = Random(21)
    families = [family for family in FAMILIES for _ in range(QUESTIONS // len(FAMILIES))]
    tasks = [world.draw(rng, family, "test") for family in families]
    prompts = [f"{task.instruction}\n{task.input}\n" if task.input else f"{task.instruction}\n" for task in tasks]
    found = gaps(
        [(prompt, world.write(task, kind, rng)) for kind in KINDS for task, prompt in zip(tasks, prompts, strict=True)]
    )
    good, wrong, off = (found[at * len(tasks) : (at + 1) * len(tasks)] for at in range(3))
    assert len(tasks) >= 300
    assert sum(a > b for a, b in zip(good, wrong, strict=True)) / len(tasks) >= 0.8
    assert sum(a > b for a, b in zip(good, off, strict=True)) / len(tasks) >= 0.8


def test_the_pair_is_small_and_shares_one_vocabulary() -> None:
    files = [path for path in offline.MODELS_PATH.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert all(path.stat().st_mode & 0o444 for path in files)
    small, large = (json.loads((offline.MODELS_PATH / name / "tokenizer.json").read_text()) for name in offline.SCORERS)
    assert small["model"] == large["model"]


@pytest.mark.parametrize(
    "text", ["größer 🙂 \x00\t\n\n  x", "def f(x):\n    return x**2\n", "日本語、です。", " ", "\n"]
)
@pytest.mark.parametrize("scorer", offline.SCORERS)
def test_the_tokenizer_loses_no_character_of_any_text(scorer: str, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(offline.resolve_model(f"offline/{scorer}"))
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == f" {text}"
    assert tokenizer.eos_token_id == 0
    assert tokenizer.bos_token_id is None
    assert tokenizer.model_max_length == 2048


def test_other_model_names_are_left_alone_and_wrong_ones_are_named() -> None:
    assert offline.resolve_model("EleutherAI/pythia-1b") == "EleutherAI/pythia-1b"
    with pytest.raises(ScorerError, match="offline/medium"):
        offline.resolve_model("offline/medium")


def test_the_seeds_that_ship_are_the_ones_the_command_writes(tmp_path: Path) -> None:
    seeds.write(tmp_path / "seeds.jsonl")
    assert (tmp_path / "seeds.jsonl").read_bytes() == offline.SEEDS_PATH.read_bytes()


def test_the_seeds_are_alpaca_rows_of_the_seed_part_with_the_stated_share_of_flaws() -> None:
    rows = [json.loads(line) for line in offline.SEEDS_PATH.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 300
    assert all(set(row) == {"instruction", "input", "output"} and row["output"] for row in rows)
    tasks = [world.solve("\n\n".join(filter(None, (row["instruction"], row["input"])))) for row in rows]
    questions = {task.question for task in tasks if task and world.part_of(task.question) == "seed"}
    assert len(questions) == 300
    right = sum(world.check(task, row["output"]) for task, row in zip(tasks, rows, strict=True) if task)
    assert 0.65 <= right / 300 <= 0.75


def test_importing_the_package_loads_no_foreign_library() -> None:
    program = (
        "import sys, star_agents.offline, star_agents.offline.agents;"
        "print(sorted({'torch', 'transformers', 'litellm', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"

"""A training command of somebody's own, for rounds: fine-tunes a tiny model on rows of JSON lines, and logs its loss.

python tests/rounds_trainer.py METHOD ROWS MODEL OUT [--steps N] [--rate R] [--fail WORD]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

UNSCORED = -100
BATCH = 16


def turns(row: dict[str, Any]) -> tuple[str, str]:
    """Prompt and answer of a row, as a model without a chat template is asked."""
    if "messages" in row:
        return "".join(f"{one['content']}\n" for one in row["messages"][:-1]), row["messages"][-1]["content"]
    if "chosen" in row:
        return "".join(f"{one['content']}\n" for one in row["prompt"]), row["chosen"][0]["content"]
    asked = "\n".join(filter(None, (row["instruction"], row["input"])))
    return f"{asked}\n", row["output"]


def encoded(tokenizer: Any, row: dict[str, Any]) -> tuple[list[int], list[int]]:
    prompt, answer = turns(row)
    end = tokenizer.eos_token_id
    head = [end, *tokenizer(prompt, add_special_tokens=False).input_ids]
    tail = [*tokenizer(answer, add_special_tokens=False).input_ids, end]
    return head + tail, [UNSCORED] * len(head) + tail


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("method")
    for name in ("rows", "model", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--fail", default="")
    asked = parser.parse_args()
    with (asked.out.parent / "trainings.txt").open("a") as book:
        book.write(f"{asked.out.name}\n")
    if asked.fail and asked.fail in asked.out.name:
        raise SystemExit("out of memory")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer: Any = AutoTokenizer.from_pretrained(asked.model)
    model: Any = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32)
    rows = [encoded(tokenizer, json.loads(line)) for line in asked.rows.read_text("utf-8").splitlines()]
    chance = random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=asked.rate, weight_decay=0.0)
    losses = []
    for step in range(asked.steps):
        batch = chance.sample(rows, min(BATCH, len(rows)))
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([one + [0] * (longest - len(one)) for one, _ in batch])
        labels = torch.tensor([one + [UNSCORED] * (longest - len(one)) for _, one in batch])
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one, _ in batch])
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        for group in optimizer.param_groups:
            group["lr"] = asked.rate * (1 - step / asked.steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append({"step": step + 1, "loss": loss.item()})
    model.save_pretrained(asked.out)
    tokenizer.save_pretrained(asked.out)
    (asked.out / "curve.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in losses))
    if os.environ.get("ROUNDS_TRAINER_DIES") == asked.out.name:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()

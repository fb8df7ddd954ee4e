"""Fine-tunes the target on the rows that an arm chose: a plain loop, the same budget for every arm. Method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from proof.generation import load, prompt_of
from star_agents.records import Sample

EPOCHS = 3
PEAK_RATE = 5e-4
BATCH = 16
"""Rows per step."""
UNSCORED = -100


def fine_tune(folder: str, rows: Sequence[Sample], seed: int, epochs: int = EPOCHS) -> tuple[Any, Any]:
    """Train the model in ``folder`` on ``rows``, and return it with its tokenizer.

    Loss on the response and its end token; AdamW without weight decay, the rate falling in a straight line to 0. Rows
    of like length share a batch; ``seed`` shuffles rows and batches.
    """
    model, tokenizer = load(folder)
    chance = torch.Generator().manual_seed(seed)
    encoded = [_encode(tokenizer, row) for row in rows]
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.0)
    steps, step = epochs * -(-len(encoded) // BATCH), 0
    model.train()
    for _ in range(epochs):
        shuffled = torch.randperm(len(encoded), generator=chance).tolist()
        shuffled.sort(key=lambda at: len(encoded[at][0]))
        batches = [shuffled[start : start + BATCH] for start in range(0, len(shuffled), BATCH)]
        for place in torch.randperm(len(batches), generator=chance).tolist():
            ids, labels = _padded([encoded[at] for at in batches[place]])
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
            loss = functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=UNSCORED)
            torch.autograd.backward(loss)
            optimizer.param_groups[0]["lr"] = PEAK_RATE * (1 - step / steps)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    return model.eval(), tokenizer


def _encode(tokenizer: Any, row: Sample) -> tuple[list[int], list[int]]:
    """Token ids ``[x] + prompt + response + end``, and labels that leave the prompt out."""
    end = tokenizer.eos_token_id
    head = [end, *tokenizer(prompt_of(row), add_special_tokens=False).input_ids]
    tail = [*tokenizer(row.response or "", add_special_tokens=False).input_ids, end]
    return head + tail, [UNSCORED] * len(head) + tail


def _padded(rows: Sequence[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels, both [B, T], padded on the right where nothing is scored."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([one + [0] * (longest - len(one)) for one, _ in rows])
    return ids, torch.tensor([one + [UNSCORED] * (longest - len(one)) for _, one in rows])

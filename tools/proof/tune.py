"""Fine-tunes the target on the rows that an arm chose, by Transformers' Trainer, on the same budget each. Method."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from proof.generation import load, prompt_of
from star_agents.records import Sample

EPOCHS = 3
PEAK_RATE = 5e-4
BATCH = 16
"""Rows per step."""
UNSCORED = -100
Encoded = Mapping[str, list[int]]
"""Token ids ``[x] + prompt + response + end``, and labels that leave the prompt out."""


def fine_tune(
    folder: str, rows: Sequence[Sample], seed: int, epochs: int = EPOCHS, steps: int | None = None
) -> tuple[Any, Any]:
    """Train the model in ``folder`` on ``rows``, and return it with its tokenizer.

    Loss on the response and its end token; AdamW without weight decay, the rate falling in a straight line to 0. Rows
    of like length share a batch; ``seed`` shuffles. ``steps``, where given, holds in place of ``epochs``.
    """
    model, tokenizer = load(folder)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=epochs,
            max_steps=steps or -1,
            per_device_train_batch_size=BATCH,
            learning_rate=PEAK_RATE,
            lr_scheduler_type="linear",
            weight_decay=0.0,
            train_sampling_strategy="group_by_length",
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        Trainer(
            model=model, args=arguments, train_dataset=Rows(tokenizer, rows), data_collator=padded,
            processing_class=tokenizer,
        ).train()  # fmt: skip
    return model.eval(), tokenizer


class Rows(Dataset[Encoded]):
    """The chosen rows, encoded."""

    def __init__(self, tokenizer: Any, rows: Sequence[Sample]) -> None:
        self._encoded = [_encode(tokenizer, row) for row in rows]

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, at: int) -> Encoded:
        return self._encoded[at]


def _encode(tokenizer: Any, row: Sample) -> Encoded:
    end = tokenizer.eos_token_id
    head = [end, *tokenizer(prompt_of(row), add_special_tokens=False).input_ids]
    tail = [*tokenizer(row.response or "", add_special_tokens=False).input_ids, end]
    return {"input_ids": head + tail, "labels": [UNSCORED] * len(head) + tail}


def padded(rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """Ids, labels and mask, each [B, T], padded on the right where nothing is scored."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(name: str, blank: int) -> torch.Tensor:
        return torch.tensor([row[name] + [blank] * (longest - len(row[name])) for row in rows])

    lengths = torch.tensor([[len(row["input_ids"])] for row in rows])
    return {
        "input_ids": filled("input_ids", 0),
        "labels": filled("labels", UNSCORED),
        "attention_mask": (torch.arange(longest) < lengths).long(),
    }

"""A referee without truth, of another kind: of two responses the one that the large scorer finds likelier is better.

Likelihood is the mean log-probability per token of the response and its end, given its own instruction. Method: it sees
texts and the large model. It knows no order of presentation, so both orders agree, and it knows style very well: it
is here to show what a referee is worth that judges by habit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from proof.generation import load, prompt_of
from proof.kept import ask_once
from star_agents.records import Sample
from star_agents.text.content_hash import digest

UNSCORED = -100
BATCH = 128
"""Rows at once."""


def verdicts(rows: Sequence[Sequence[Sample]], folder: str, file: Path) -> NDArray[np.float64]:
    """π_llm of every candidate against column 0, [seeds, 1 + pairs] in {0, 0.5, 1}; the same words are a tie.

    The likelihoods are kept in ``file``.
    """
    samples = list(dict.fromkeys(sample for row in rows for sample in row))
    model, tokenizer = load(folder)
    found = ask_once(file, samples, _name, partial(likelihoods, model, tokenizer))
    known = {sample: float(str(value)) for sample, value in zip(samples, found, strict=True)}
    table = np.array([[known[sample] for sample in row] for row in rows])
    values: NDArray[np.float64] = 0.5 + 0.5 * np.sign(table - table[:, :1])
    return values


@torch.inference_mode()
def likelihoods(model: Any, tokenizer: Any, samples: Sequence[Sample]) -> list[float]:
    """Mean log-probability per token of each response and its end, in nats; samples of like length go together.

    Rounded to six digits, so that the same words are equally likely in whichever batch they stand.
    """
    encoded = [_encode(tokenizer, sample) for sample in samples]
    order, values = sorted(range(len(samples)), key=lambda at: len(encoded[at][0])), np.zeros(len(samples))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        longest = len(encoded[chosen[-1]][0])
        ids = torch.tensor([encoded[at][0] + [0] * (longest - len(encoded[at][0])) for at in chosen])
        labels = torch.tensor([encoded[at][1] + [UNSCORED] * (longest - len(encoded[at][1])) for at in chosen])
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits.float()
        loss = functional.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=UNSCORED)
        values[chosen] = -(loss.double().sum(dim=1) / (labels[:, 1:] != UNSCORED).sum(dim=1)).numpy()
    return [round(value, 6) for value in values.tolist()]


def _encode(tokenizer: Any, sample: Sample) -> tuple[list[int], list[int]]:
    """Token ids ``[x] + prompt + response + end``, and labels that leave the prompt out."""
    end = tokenizer.eos_token_id
    head = [end, *tokenizer(prompt_of(sample), add_special_tokens=False).input_ids]
    tail = [*tokenizer(sample.response or "", add_special_tokens=False).input_ids, end]
    return head + tail, [UNSCORED] * len(head) + tail


def _name(sample: Sample) -> str:
    return digest(sample.to_dict())[:32]

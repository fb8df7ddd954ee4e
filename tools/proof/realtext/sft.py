"""One training of the small model on chosen rows, and its examination. Method: sees texts and a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from star_agents.records import Sample
from star_agents.scoring.encoding import Encoded, PairEncoder, Passage

MAX_LENGTH = 192
"""Tokens of a row; longer ones lose their end."""
BATCH = 4
"""Rows of a step."""
RATE, WARM_UP = 2e-4, 0.1
LONGEST = 48
"""New tokens of an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pupil:
    """A model with its tokenizer."""

    model: Any
    tokenizer: Any

    def passages(self, rows: Sequence[Sample]) -> list[Passage]:
        """The rows as the scorer reads them, end included; one that cannot be read is left out."""
        encoder = PairEncoder(self.tokenizer, max_length=MAX_LENGTH, score_eos=True)
        return [one.conditional for one in encoder.encode(rows) if isinstance(one, Encoded)]


def load(folder: Path) -> Pupil:
    """In float32; embedding and head, which are one, do not learn."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.get_input_embeddings().requires_grad_(False)
    return Pupil(model=model.eval(), tokenizer=AutoTokenizer.from_pretrained(folder))


def fine_tune(pupil: Pupil, rows: Sequence[Sample], *, epochs: int, seed: int) -> int:
    """Train on the responses and their ends; returns the tokens of all rows, prompts included.

    AdamW without weight decay; the rate rises over a tenth of the steps and falls in a straight line. Matrix products
    in bfloat16, weights in float32. ``seed`` shuffles.
    """
    passages = pupil.passages(rows)
    order = [chosen for epoch in range(epochs) for chosen in _batches(passages, Random(f"{seed} {epoch}"))]
    learning = [one for one in pupil.model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=RATE, weight_decay=0.0)
    warm = max(1, round(WARM_UP * len(order)))
    pupil.model.train()
    for step, chosen in enumerate(order):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min((step + 1) / warm, (len(order) - step) / max(1, len(order) - warm))
        _losses(pupil.model, chosen).mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    pupil.model.eval()
    return sum(len(one.ids) for one in passages)


@torch.inference_mode()
def mean_losses(pupil: Pupil, rows: Sequence[Sample]) -> list[float]:
    """Mean NLL per token of each row's response and its end, in nats."""
    passages = pupil.passages(rows)
    found: list[float] = []
    for start in range(0, len(passages), BATCH):
        chosen = passages[start : start + BATCH]
        parts = torch.split(_losses(pupil.model, chosen), [one.scored for one in chosen])
        found += [round(float(part.double().mean()), 5) for part in parts]
    return found


@torch.inference_mode()
def answers(pupil: Pupil, instructions: Sequence[str], batch: int = 22) -> list[str]:
    """Greedy, of ``LONGEST`` tokens at the most; the model is in bfloat16 afterwards, which is twice as fast."""
    pupil.model.to(torch.bfloat16)
    end = pupil.tokenizer.eos_token_id
    encoder = PairEncoder(pupil.tokenizer, max_length=MAX_LENGTH)
    asked = encoder.encode([Sample(instruction=one, response="-") for one in instructions])
    prompts = [one.conditional.ids[: one.conditional.start] for one in asked if isinstance(one, Encoded)]
    found: list[str] = []
    for start in range(0, len(prompts), batch):
        chosen = prompts[start : start + batch]
        width = max(map(len, chosen))
        ids = torch.tensor([[end] * (width - len(one)) + list(one) for one in chosen])
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in chosen])
        made = pupil.model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=LONGEST, do_sample=False, eos_token_id=end,
            pad_token_id=end,
        )  # fmt: skip
        found += pupil.tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
    return found


def _batches(passages: Sequence[Passage], rng: Random) -> Iterator[Sequence[Passage]]:
    """Shuffled, rows of like length among four batches together."""
    shuffled = rng.sample(passages, len(passages))
    found = []
    for start in range(0, len(shuffled), 4 * BATCH):
        part = sorted(shuffled[start : start + 4 * BATCH], key=lambda one: len(one.ids))
        found += [part[begin : begin + BATCH] for begin in range(0, len(part), BATCH)]
    rng.shuffle(found)
    yield from found


def _losses(model: Any, passages: Sequence[Passage]) -> Tensor:
    """NLL of every scored token [N], passage by passage, in nats; the head on the rows that predict one only."""
    longest = max(len(one.ids) for one in passages)
    ids = torch.tensor([[*one.ids, *[0] * (longest - len(one.ids))] for one in passages])
    mask = torch.tensor([[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in passages])
    scored = torch.cat(
        [torch.arange(row * longest + one.start, row * longest + len(one.ids)) for row, one in enumerate(passages)]
    )
    with torch.autocast("cpu", torch.bfloat16):
        state = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state.flatten(0, 1)
        logits = model.lm_head(state[scored - 1])
    return cross_entropy(logits.float(), ids.flatten()[scored], reduction="none")

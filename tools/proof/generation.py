"""Responses of a small causal language model, greedy or sampled. Method: sees prompts and a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from star_agents.records import Sample

LONGEST = 48
"""New tokens; the longest sound response of the world has about 40."""


def load(folder: str) -> tuple[Any, Any]:
    """Model in float32 and tokenizer."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), tokenizer


def prompt_of(sample: Sample) -> str:
    """The prompt of a model without a chat template (design §4, Eq. 4)."""
    return f"{sample.instruction}\n{sample.input}\n" if sample.input else f"{sample.instruction}\n"


@torch.inference_mode()
def respond(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    temperature: float = 0.0,
    batch: int = 256,
    longest: int = LONGEST,
) -> list[str]:
    """One response per prompt, in order; prompts of like length go together. ``temperature`` 0 is greedy."""
    end, order = tokenizer.eos_token_id, sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    texts: dict[int, str] = {}
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        encoded = [[end, *tokenizer(prompts[at], add_special_tokens=False).input_ids] for at in chosen]
        width = max(map(len, encoded))
        ids = torch.tensor([[end] * (width - len(one)) + one for one in encoded])
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in encoded])
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        made = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=longest, eos_token_id=end, pad_token_id=end, **sampling
        )
        for at, text in zip(chosen, tokenizer.batch_decode(made[:, width:], skip_special_tokens=True), strict=True):
            texts[at] = text.strip()
    return [texts[at] for at in range(len(prompts))]

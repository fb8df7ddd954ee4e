"""A referee without truth: the large scorer answers each question itself, and a candidate that says the same is better.

Judging by a reference answer of the judge's own is the field's common remedy for judges that are taken in by style
(Zheng et al. 2023, reference-guided grading). Method: it sees texts and the large model. It is exactly as good as the
large model is at the tasks, and blind to style by construction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from star_agents.records import Sample

_SAID = re.compile(r"\bthe answer is (.+?) \.")
_LONGEST = 48


def said(response: str) -> str:
    """What a response answers: the words after its last "the answer is", or all of it."""
    found = _SAID.findall(response)
    return found[-1] if found else response.strip().removesuffix(" .")


def verdicts(rows: Sequence[Sequence[Sample]], folder: str) -> NDArray[np.float64]:
    """π_llm of every candidate against column 0, [seeds, 1 + pairs] in {0, 0.5, 1}; both orders agree by construction."""
    questions = list(dict.fromkeys(_prompt(sample) for row in rows for sample in row))
    own = dict(zip(questions, map(said, respond(questions, folder)), strict=True))
    agrees = np.array([[said(one.response or "") == own[_prompt(one)] for one in row] for row in rows], dtype=np.float64)
    values: NDArray[np.float64] = 0.5 + 0.5 * (agrees - agrees[:, :1])
    return values


@torch.inference_mode()
def respond(prompts: Sequence[str], folder: str, batch: int = 256) -> list[str]:
    """Greedy responses of a causal language model in float32, prompts of like length together."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    texts: dict[int, str] = {}
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        encoded = [[tokenizer.eos_token_id, *tokenizer(prompts[at], add_special_tokens=False).input_ids] for at in chosen]
        longest = max(map(len, encoded))
        pad = [longest - len(ids) for ids in encoded]
        ids = torch.tensor([[tokenizer.eos_token_id] * gap + one for gap, one in zip(pad, encoded, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * len(one) for gap, one in zip(pad, encoded, strict=True)])
        made = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=_LONGEST, do_sample=False,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        for at, row in zip(chosen, tokenizer.batch_decode(made[:, longest:], skip_special_tokens=True), strict=True):
            texts[at] = row.strip()
    return [texts[at] for at in range(len(prompts))]


def _prompt(sample: Sample) -> str:
    """The prompt of a model without a chat template (design §4, Eq. 4)."""
    return f"{sample.instruction}\n{sample.input}\n" if sample.input else f"{sample.instruction}\n"

"""Makes tiny Llamas from nothing, seeded and with a fixed number of steps: the models of closed worlds.

Documents are pairs of prompt and response; plain text has an empty prompt. The loss counts the prompt's tokens a tenth.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

EOS = "<|end|>"
"""The first word of every vocabulary: it stands before and after each document."""
POSITIONS = 2048
TOKENS_PER_BATCH = 2048
PEAK_RATE = 3e-3
WARM_UP = 50
PROMPT_WEIGHT = 0.1
_DOCUMENTS_AHEAD = 4096
"""Drawn at once, so that those of like length share a batch."""

Document = Callable[[random.Random], tuple[str, str]]
"""Draws ``(prompt, response)``."""


class Shape(Protocol):
    """Size of a model, its steps and the seed of its beginning and its reading."""

    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def layers(self) -> int: ...  # noqa: D102
    @property
    def heads(self) -> int: ...  # noqa: D102
    @property
    def inner(self) -> int: ...  # noqa: D102


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and its config for ``AutoTokenizer``."""
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=EOS, pad_token=EOS, model_max_length=POSITIONS, padding_side="right"
    )
    wrapped.save_pretrained(folder)


def batches(document: Document, seed: int, tokenizer: Tokenizer) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless ``(ids, weights)``, both [B, T]: documents of like length, each between two end tokens.

    ``weights[b, t]`` is the weight of the loss on ``ids[b, t]``; 0 on the first token and on padding.
    """
    rng = random.Random(seed)
    while True:
        rows = []
        for prompt, response in (document(rng) for _ in range(_DOCUMENTS_AHEAD)):
            head, tail = tokenizer.encode(prompt).ids if prompt else [], tokenizer.encode(response).ids
            rows.append(([0, *head, *tail, 0], [0.0, *[PROMPT_WEIGHT] * len(head), *[1.0] * (len(tail) + 1)]))
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for row in rows:
            if (len(groups[-1]) + 1) * len(row[0]) > TOKENS_PER_BATCH:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            longest = len(group[-1][0])
            ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in group])
            weights = torch.tensor([weights + [0.0] * (longest - len(weights)) for _, weights in group])
            yield ids, weights


def make_model(shape: Shape, vocabulary: int) -> LlamaForCausalLM:
    """A randomly initialised Llama."""
    torch.manual_seed(shape.seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=None,
    )
    return LlamaForCausalLM(config)


class Muon:
    """Momentum, orthogonalised by five Newton-Schulz steps (Jordan et al. 2024), scaled to the size of an AdamW step.

    ``torch.optim.Muon`` computes in bfloat16, which a processor without the instructions for it does 30 times slower.
    """

    def __init__(self, matrices: list[torch.Tensor]) -> None:
        self._momenta = [(matrix, torch.zeros_like(matrix)) for matrix in matrices]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move every matrix once."""
        for matrix, momentum in self._momenta:
            gradient = matrix.grad
            assert gradient is not None
            momentum.lerp_(gradient, 0.05)
            update = orthogonal(gradient.lerp(momentum, 0.95))
            matrix.mul_(1 - 0.1 * lr).sub_(update, alpha=0.2 * max(matrix.shape) ** 0.5 * lr)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Bring all singular values near 1: the quintic Newton-Schulz iteration."""
    tall = matrix.shape[0] > matrix.shape[1]
    wide: torch.Tensor = matrix.T if tall else matrix
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(5):
        square: torch.Tensor = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * square + 2.0315 * square @ square) @ wide
    return wide.T if tall else wide


def rate(step: int, steps: int) -> float:
    """Warm up, hold, and fall in a straight line over the second half."""
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP, 2 * (steps - step) / steps)


def pretrain(name: str, shape: Shape, document: Document, tokenizer: Tokenizer, steps: int) -> LlamaForCausalLM:
    """Train one model: Muon for the matrices of the layers, AdamW for embedding and norms."""
    model = make_model(shape, tokenizer.get_vocab_size())
    inner = [p for p in model.model.layers.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim < 2] + [model.model.embed_tokens.weight]
    muon, adamw = Muon(inner), torch.optim.AdamW(rest, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    stream, began, running, tokens = batches(document, shape.seed, tokenizer), time.monotonic(), math.nan, 0
    for step in range(steps):
        ids, weights = next(stream)
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        losses = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (losses * weights[:, 1:].flatten()).sum() / weights.sum()
        torch.autograd.backward(loss)
        adamw.param_groups[0]["lr"] = rate(step, steps)
        adamw.step()
        muon.step(rate(step, steps))
        model.zero_grad()
        tokens += int((weights > 0).sum())
        running = loss.item() if math.isnan(running) else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % max(1, steps // 20) == 0:
            spent = time.monotonic() - began
            print(f"{name}: step {step + 1}/{steps}  loss {running:.3f}  {tokens:,} tokens  {spent:.0f} s", flush=True)
    return model

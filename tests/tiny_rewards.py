"""Tiny reward models on disk: real sequence classifiers, at random or fitted to pairs of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tiny_models import CHAT_TEMPLATE, train_tokenizer
from transformers import AutoModelForSequenceClassification, LlamaConfig, PreTrainedTokenizerFast

from star_agents.records import Sample

CHAT = train_tokenizer(chat_template=CHAT_TEMPLATE)
Pairs = Sequence[tuple[Sample, Sample]]


def save(
    folder: Path, tokenizer: PreTrainedTokenizerFast = CHAT, *, outputs: int = 1, seed: int = 3, **changes: Any
) -> str:
    """A sequence classifier with random weights that are not small; return the folder."""
    torch.manual_seed(seed)
    described: Callable[..., LlamaConfig] = LlamaConfig  # how many outputs is an argument of its base
    config = described(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
            "num_labels": outputs,
            **changes,
        }
    )
    make: Callable[..., Any] = AutoModelForSequenceClassification.from_config
    model = make(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=1.5 / weight.shape[-1] ** 0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    return str(folder)


def save_fitted(folder: Path, pairs: Pairs, *, prefers: float = 1.0, tokenizer: PreTrainedTokenizerFast = CHAT) -> str:
    """One whose head says of each pair that its first answer is better by ``prefers``; return the folder.

    The head is the smallest linear one that does so on the random features of the last token.
    """
    save(folder, tokenizer, hidden_size=256, intermediate_size=256, max_position_embeddings=2048)
    found: Callable[..., Any] = AutoModelForSequenceClassification.from_pretrained
    model = found(folder).eval()

    def features(sample: Sample) -> Any:
        messages = [message.to_dict() for message in sample.messages]
        ids: Any = tokenizer(str(tokenizer.apply_chat_template(messages, tokenize=False)))["input_ids"]
        with torch.inference_mode():
            return model.model(torch.tensor([ids])).last_hidden_state[0, -1].double()

    apart = torch.stack([features(better) - features(worse) for better, worse in pairs])
    wanted = torch.full((len(pairs), 1), float(prefers), dtype=torch.float64)
    with torch.no_grad():
        model.score.weight.copy_((torch.linalg.pinv(apart) @ wanted).T.float())
    model.save_pretrained(folder)
    return str(folder)

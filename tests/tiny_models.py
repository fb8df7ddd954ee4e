"""Tiny causal language models and tokenizers on disk: real architectures, random weights, losses that are not flat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

Family = Literal["gpt_neox", "gpt2", "llama", "llama_gqa", "gemma2", "granite"]
FAST: Callable[..., PreTrainedTokenizerFast] = PreTrainedTokenizerFast
"""The class under a type: its own constructor has none."""
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = """Name three colours. Red, green and blue. What is the capital of France? The capital of France is Paris.
Write a short story about a fox. Once there was a fox who lived near a river and who wanted to cross it.
Explain why the sky is blue. Light is scattered by the air, and blue light is scattered more than red light."""


def train_tokenizer(
    *, bos: str | None = "<s>", eos: str | None = "</s>", chat_template: str | None = None, adds: str = "$A"
) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 600 tokens, which reads any text. ``adds``: what it puts around a text, as in ``<s> $A``.

    Each call has one of its own: a test may give it another chat template."""
    fast = FAST(tokenizer_object=_trained(adds), bos_token=bos, eos_token=eos, pad_token="<pad>")
    fast.chat_template = chat_template
    return fast


@cache
def _trained(adds: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT.split("\n"), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=adds, special_tokens=[(token, index) for index, token in enumerate(special)]
    )
    return tokenizer


@cache
def neox_tokenizer() -> PreTrainedTokenizerFast:
    """The real tokenizer of the Pythia family, from the shared data."""
    file = SHARED / "tokenizers" / "gpt-neox-20b" / "tokenizer.json"
    end = "<|endoftext|>"
    return FAST(tokenizer_file=str(file), bos_token=end, eos_token=end, pad_token="<|padding|>")


def save_model(
    folder: Path, tokenizer: PreTrainedTokenizerFast, family: Family = "llama", *, seed: int = 0, **changes: Any
) -> str:
    """Save a model with random weights, and the tokenizer; return the folder, which names the model in agents.yaml."""
    torch.manual_seed(seed)
    config = _config(family, {"vocab_size": len(tokenizer), **changes})
    from_config: Callable[..., Any] = AutoModelForCausalLM.from_config
    model = from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=(2.5 if _is_vocabulary(name) else 1.5) / weight.shape[-1] ** 0.5)
            elif name.endswith("bias"):
                weight.normal_(std=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    return str(folder)


def _is_vocabulary(name: str) -> bool:
    return any(part in name for part in ("embed", "lm_head", "wte"))


def _config(family: Family, changes: Mapping[str, Any]) -> Any:
    common: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **changes,
    }
    wide = {"intermediate_size": 2 * common["hidden_size"], **common}
    if family == "gpt_neox":
        return GPTNeoXConfig(**wide)
    if family == "gpt2":
        return GPT2Config(**common)
    if family == "gemma2":
        return Gemma2Config(**{"num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 5.0, **wide})
    if family == "granite":
        return GraniteConfig(**{"num_key_value_heads": 2, "logits_scaling": 3.0, **wide})
    return LlamaConfig(**{"num_key_value_heads": 2 if family == "llama_gqa" else 4, **wide})

"""What is scored with and on: models of known shapes with random weights, the models that ship, and real pairs."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from star_agents.records import Sample
from star_agents.scoring.loading import Loaded

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data"
VOCABULARY = 50304
SHAPES: dict[str, dict[str, int]] = {
    "70m": {"hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8, "intermediate_size": 2048},
    "160m": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "410m": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
    "1b": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 8, "intermediate_size": 8192},
    "1.4b": {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 8192},
    "2.8b": {"hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 10240},
    "6.9b": {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 16384},
}
"""Pythia's, by its names, and a tiny one on which a CPU rehearses what a GPU will be asked for."""
LITTLE = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8}
CPU = torch.device("cpu")


def tokenizer() -> Any:
    """The tokenizer of the Pythia family, from the shared data."""
    file = DATA / "tokenizers" / "gpt-neox-20b" / "tokenizer.json"
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_file=str(file), bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def real_pairs(number: int) -> list[Sample]:
    """Pairs of GPTeacher, seed 7."""
    rows = json.loads((DATA / "gpteacher" / "roleplay-simple-deduped-roleplay-instruct.json").read_text("utf-8"))
    random.Random(7).shuffle(rows)
    pairs = [Sample(instruction=row["instruction"], input=row["input"], response=row["response"]) for row in rows]
    return [pair for pair in pairs if len(pair.response or "") > 20][:number]


Mix = Literal["mixed", "short", "long"]
SHORT = 120
"""Characters of a short response: some thirty tokens."""
JOINED = 7
"""Responses that make a long one: some nine hundred tokens."""


def mix(kind: Mix) -> list[Sample]:
    """Real pairs as they are, cut into short ones, or joined into long ones. No response comes twice."""
    pairs = real_pairs(1 << 20)
    if kind == "mixed":
        return pairs
    if kind == "short":
        return [
            Sample(instruction=pair.instruction[:SHORT], response=str(pair.response)[begin : begin + SHORT])
            for pair in pairs
            for begin in range(0, len(str(pair.response)) - SHORT + 1, SHORT)
        ]
    groups = [pairs[begin : begin + JOINED] for begin in range(0, len(pairs) - JOINED + 1, JOINED)]
    return [
        Sample(instruction=group[0].instruction, response="\n\n".join(str(pair.response) for pair in group))
        for group in groups
    ]


def build(config: Any, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> Loaded:
    """A model with large random weights, the same for every dtype on one device."""
    torch.manual_seed(7)
    make: Any = AutoModelForCausalLM.from_config
    with device:  # billions of random numbers take minutes on a CPU
        model = make(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                vocabulary = any(part in name for part in ("embed", "lm_head", "wte"))
                weight.normal_(std=(2.5 if vocabulary else 1.5) / weight.shape[-1] ** 0.5)
    model = model.to(dtype).eval().requires_grad_(False)
    parameters = sum(weight.numel() for weight in model.parameters())
    return Loaded(type(config).__name__, model, tokenizer(), device, dtype, parameters)


def pythia(name: str, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> Loaded:
    """A Pythia shape by its size."""
    shape: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": 2048, **SHAPES[name]}
    return build(GPTNeoXConfig(**shape), dtype, device)


def little_models(dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> dict[str, Loaded]:
    """The other architectures."""
    common: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": 1024, **LITTLE}
    return {
        "GPT-2": build(GPT2Config(**common), dtype, device),
        "Llama": build(LlamaConfig(intermediate_size=512, **common), dtype, device),
        "GQA": build(LlamaConfig(intermediate_size=512, num_key_value_heads=2, **common), dtype, device),
    }


def offline_pair(folder: Path, dtype: torch.dtype) -> list[Loaded]:
    """The models that ship."""
    pair = []
    for name in ("small", "large"):
        load: Any = AutoModelForCausalLM.from_pretrained
        model = load(folder / name, dtype=dtype).eval().requires_grad_(False)
        words: Any = AutoTokenizer.from_pretrained(folder / name)
        pair.append(Loaded(name, model, words, torch.device("cpu"), dtype))
    return pair

"""Loads a causal language model and its tokenizer, and translates whatever goes wrong into ScorerError.

transformers 5 takes the checkpoint's dtype where none is given, and fills weights that a checkpoint lacks with random
numbers under a mere warning; both would change scores silently. Here the dtype is always explicit and missing weights
are an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError, first_line
from star_agents.scoring.weights_digest import weights_digest
from star_agents.text.model_names import names_a_folder

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in eval mode on its device, with its tokenizer."""

    name: str
    """As it stands in agents.yaml, for messages."""
    model: Any
    """A transformers ``PreTrainedModel`` with a language-model head."""
    tokenizer: Any
    """A transformers tokenizer."""
    device: torch.device
    dtype: torch.dtype
    parameters: int = 0
    """Number of weights, counted before any of them is packed in another order."""
    weights: str = ""
    """Their digest (``weights_digest``), as of then too."""

    @property
    def limit(self) -> int | None:
        """Longest sequence that the model was built for, where its config says so."""
        length = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else None


def choose_device(config: ScoringConfig) -> torch.device:
    """``scoring.device`` as a torch device. Raises ScorerError where a GPU is asked for and there is none."""
    gpu = torch.cuda.is_available()
    if config.device == "cuda" and not gpu:
        raise ScorerError("scoring.device is cuda, but torch finds no GPU here: use `device: auto` or `device: cpu`")
    return torch.device("cuda", torch.cuda.current_device()) if gpu and config.device != "cpu" else torch.device("cpu")


def choose_dtype(config: ScoringConfig, device: torch.device) -> torch.dtype:
    """``scoring.dtype`` as a torch dtype; ``auto`` is bfloat16 on a GPU, else float32, and never the checkpoint's."""
    if config.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return DTYPES[config.dtype]


def load_model(name: str, path: str, config: ScoringConfig) -> Loaded:
    """Load the model that agents.yaml calls ``name`` from ``path`` (a folder or a Hugging Face name).

    Raises ScorerError with the model's name, what went wrong and what to do.
    """
    device = choose_device(config)
    dtype = choose_dtype(config, device)
    if names_a_folder(path) and not Path(path).is_dir():
        raise ScorerError(_unloadable(name, path, f"there is no such folder: {Path(path).absolute()}"))
    try:
        model, tokenizer, missing = from_checkpoint(AutoModelForCausalLM, path, config, device, dtype)
    except Exception as error:  # loading runs through a dozen libraries, each with errors of its own
        raise ScorerError(_advice(name, path, error)) from error
    if missing:
        raise ScorerError(
            f"scorer model {name}: the checkpoint lacks {len(missing)} weights ({', '.join(missing[:3])}), which would "
            "be random numbers: is it a causal language model with its head, saved whole?"
        )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Loaded(name, model, tokenizer, device, dtype, parameters, weights_digest(model))


def from_checkpoint(
    kind: Any, path: str, config: ScoringConfig, device: torch.device, dtype: torch.dtype
) -> tuple[Any, Any, list[str]]:
    """A model of one of transformers' ``Auto`` classes in eval mode, its tokenizer, and which of its weights the
    checkpoint lacks, so that they are random numbers. Raises whatever a dozen libraries raise."""
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=config.trust_remote_code)
    model, info = kind.from_pretrained(
        path, dtype=dtype, trust_remote_code=config.trust_remote_code, output_loading_info=True
    )
    missing = _random_weights(model, info["missing_keys"])
    return model.to(device).eval().requires_grad_(False), tokenizer, missing


def _random_weights(model: Any, missing: Iterable[str]) -> list[str]:
    parameters = {name for name, _ in model.named_parameters()}
    return sorted(parameters.intersection(missing))


def _advice(name: str, path: str, error: Exception) -> str:
    if is_out_of_memory(error):
        place = _place(name, path)
        return f"scorer model {place} does not fit into memory: choose a smaller one, or a smaller scoring.dtype"
    return _unloadable(name, path, first_line(error))


def _unloadable(name: str, path: str, why: str) -> str:
    return (
        f"scorer model {_place(name, path)} cannot be loaded: {why} "
        "(scoring.small and scoring.large take a Hugging Face name or a folder with config.json, weights and tokenizer)"
    )


def _place(name: str, path: str) -> str:
    return name if name == path else f"{name} ({path})"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out; the CPU allocator of torch says so in its text only."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)


def release_memory() -> None:
    """Give cached blocks back to the GPU, so that a smaller batch finds them in one piece."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

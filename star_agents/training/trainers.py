"""TRL's trainers, with the defaults set that would bite in silence. The home of trl and peft.

    max_length              cuts at 1,024 tokens; here rows come encoded, and what was too long is counted before
    bf16                    on, also on a CPU; here `--precision`
    gradient_checkpointing  on; here on a GPU, or as asked
    packing                 off, and stays so: without FlashAttention the rows of a pack would see each other
    logging_nan_inf_filter  a loss that is no number shows as the mean of those before; here it ends the training
    beta of DPO             0.1; here Arena Learning's 0.3
    telemetry, cards        each training is reported to TRL's makers, and gets a card of theirs; here neither

What stands beside each name is TRL's own default and what is done here instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, TrainerCallback
from trl import (
    DPOConfig,
    DPOTrainer,
    RewardConfig,
    RewardTrainer,
    RLOOConfig,
    RLOOTrainer,
    SFTConfig,
    SFTTrainer,
)

from star_agents.errors import UsageError
from star_agents.text.chat_template import ChatTemplate
from star_agents.training.batches import Division
from star_agents.training.encoding import Row
from star_agents.training.request import Method, Settings

Reward = Callable[[Sequence[Sequence[dict[str, str]]], Sequence[str]], list[float]]
"""Rewards of answers to prompts (turns), in order."""
NEVER = 1 << 40
"""Steps after which nothing happens by itself: our own callback decides."""


class _Discreet:
    """Takes from a trainer of TRL what it would tell others."""

    def _send_telemetry(self) -> None:
        pass

    def create_model_card(self, *arguments: Any, **named: Any) -> None:
        """None: the card is ours."""


class _Encoded(_Discreet):
    """Takes rows as they were encoded."""

    def _prepare_dataset(self, dataset: Any, *arguments: Any, **named: Any) -> Any:
        return dataset


class _SFT(_Encoded, SFTTrainer):  # type: ignore[misc]  # untyped here
    pass


class _DPO(_Encoded, DPOTrainer):  # type: ignore[misc]
    pass


class _Reward(_Encoded, RewardTrainer):  # type: ignore[misc]
    pass


class _RLOO(_Discreet, RLOOTrainer):  # type: ignore[misc]
    pass


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a trainer is made of."""

    method: Method
    settings: Settings
    base: Path
    """Folder of the model to begin with."""
    tokenizer: Any
    rows: Sequence[Row]
    held_out: Sequence[Row]
    work: Path
    """Folder of the checkpoints."""
    division: Division
    on_gpu: bool
    gradient_checkpointing: bool
    eval_steps: int | None = None
    reward: Reward | None = None
    trust_remote_code: bool = False
    callbacks: Sequence[TrainerCallback] = ()


def trainer_of(parts: Parts) -> Any:
    """A trainer, ready to train. The model is loaded here, so memory may run out.

    Raises:
        UsageError: the checkpoint is no model of that kind.
    """
    torch.manual_seed(parts.settings.seed)  # the head of a reward model is drawn
    common: dict[str, Any] = {
        "model": _model(parts),
        "train_dataset": Dataset.from_list(list(parts.rows)),
        "processing_class": parts.tokenizer,
        "callbacks": list(parts.callbacks),
        "peft_config": _lora(parts),
    }
    held_out = {"eval_dataset": Dataset.from_list(list(parts.held_out))} if parts.held_out else {}
    if parts.method == "sft":
        return _SFT(args=SFTConfig(max_length=None, packing=False, **_arguments(parts)), **common, **held_out)
    if parts.method == "dpo":
        args = DPOConfig(max_length=None, beta=parts.settings.beta, **_arguments(parts))
        return _DPO(args=args, **common, **held_out)
    if parts.method == "reward":
        return _Reward(args=RewardConfig(max_length=None, **_arguments(parts)), **common, **held_out)
    assert parts.reward is not None, "checked before"
    settings = parts.settings
    args = RLOOConfig(
        beta=settings.beta,
        num_generations=settings.generations,
        max_completion_length=settings.new_tokens,
        temperature=settings.temperature,
        chat_template_kwargs=dict(ChatTemplate(parts.tokenizer).options),
        **_arguments(parts),
    )
    return _RLOO(args=args, reward_funcs=_as_trl_calls_it(parts.reward), **common)


def _arguments(parts: Parts) -> dict[str, Any]:
    settings = parts.settings
    looks = (
        {"eval_strategy": "steps", "eval_steps": parts.eval_steps} if parts.eval_steps else {"eval_strategy": "epoch"}
    )
    return {
        "output_dir": str(parts.work),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup,  # below 1 it is a share
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "per_device_train_batch_size": parts.division.micro,
        "per_device_eval_batch_size": parts.division.micro,
        "gradient_accumulation_steps": parts.division.accumulation,
        "gradient_checkpointing": parts.gradient_checkpointing,
        "bf16": settings.precision == "bfloat16",
        "use_cpu": not parts.on_gpu,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": NEVER,
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": parts.on_gpu,
        "trust_remote_code": parts.trust_remote_code,
        **(looks if parts.held_out else {"eval_strategy": "no"}),
    }


def _model(parts: Parts) -> Any:
    """The model that is trained: its weights in float32, but for those that LoRA leaves as they are."""
    is_frozen_low = parts.settings.lora_rank is not None and parts.settings.precision == "bfloat16"
    kind: Any = AutoModelForSequenceClassification if parts.method == "reward" else AutoModelForCausalLM
    head: dict[str, Any] = {"num_labels": 1} if parts.method == "reward" else {}
    try:
        model, info = kind.from_pretrained(
            parts.base,
            dtype=torch.bfloat16 if is_frozen_low else torch.float32,
            trust_remote_code=parts.trust_remote_code,
            output_loading_info=True,
            **head,
        )
    except Exception as error:  # loading runs through a dozen libraries, each with errors of its own
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, MemoryError) or "memory" in said.lower():
            raise
        raise UsageError(f"model {parts.base} cannot be loaded: {said}") from error
    own = {name for name, _ in model.named_parameters()}
    missing = sorted(own.intersection(info["missing_keys"]))
    lacks = [name for name in missing if not (parts.method == "reward" and name.startswith(("score.", "classifier.")))]
    if lacks:
        raise UsageError(
            f"model {parts.base}: the checkpoint lacks {len(lacks)} weights ({', '.join(lacks[:3])}), which would be "
            "random numbers: is it a causal language model, saved whole?"
        )
    model.config.use_cache = parts.method == "rloo"
    return model


def _lora(parts: Parts) -> Any:
    rank = parts.settings.lora_rank
    if rank is None:
        return None
    return LoraConfig(
        r=rank,
        lora_alpha=parts.settings.lora_alpha or 2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="SEQ_CLS" if parts.method == "reward" else "CAUSAL_LM",
    )


def _as_trl_calls_it(reward: Reward) -> Callable[..., list[float]]:
    def rewarded(prompts: Sequence[Any], completions: Sequence[Any], **others: Any) -> list[float]:
        return reward(prompts, [turns[0]["content"] for turns in completions])

    return rewarded


def count_on(trainer: Any, tokens: int) -> None:
    """Let a trainer that goes on count tokens from what was counted before: TRL begins anew with each call."""
    if hasattr(trainer, "_total_train_tokens"):
        trainer._total_train_tokens = tokens


def adapter_of(trainer: Any) -> Any:
    """The model with LoRA's adapter, which saves the adapter alone."""
    return trainer.accelerator.unwrap_model(trainer.model)


def merged(trainer: Any) -> Any:
    """The trained model whole; what LoRA laid beside it is merged in float32."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not hasattr(model, "merge_and_unload"):
        return model
    # In bfloat16 the sum would be rounded to what the base can tell apart.
    return model.float().merge_and_unload()

"""How much memory a training takes, before anything is loaded. Pure; figures are in bytes.

    weights, gradients, AdamW's two moments      4 + 4 + 8 bytes for each weight that is trained, in float32
    weights that LoRA leaves as they are         4 bytes, or 2 in bfloat16
    a reference model (DPO, RLOO)                4 bytes for each weight; LoRA needs none, it switches the adapter off
    activations                                  Korthikanti et al. 2022 (arXiv 2205.05198), Eq. 1 without the term of
                                                 the attention matrix, which is not kept: 34 · tokens · hidden size for
                                                 each layer in 16 bits, twice that in 32

Activations are an estimate: what a layer keeps depends on its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from star_agents.training.batches import Division
from star_agents.training.request import USUAL_RANK, Method

GIB = 2**30
LIBRARIES = 900 * 2**20
"""What torch, transformers and TRL take by themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSize:
    """What a model's config.json and the headers of its weights say."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    vocabulary: int

    @classmethod
    def of(cls, config: Mapping[str, Any], parameters: int) -> ModelSize:
        """Read a config.json; what it does not say is taken for usual."""
        inner = config.get("text_config")
        known: Mapping[str, Any] = {**config, **inner} if isinstance(inner, Mapping) else config
        hidden = _first(known, "hidden_size", "n_embd", "d_model", usual=1024)
        return cls(
            parameters=parameters,
            layers=_first(known, "num_hidden_layers", "n_layer", "num_layers", usual=24),
            hidden=hidden,
            intermediate=_first(known, "intermediate_size", "n_inner", "ffn_dim", usual=4 * hidden),
            vocabulary=_first(known, "vocab_size", usual=32_000),
        )

    def of_lora(self, rank: int) -> int:
        """Weights of the matrices that LoRA lays beside every linear layer: about 4 of the attention, 3 of the rest."""
        return self.layers * rank * (8 * self.hidden + 3 * (self.hidden + self.intermediate))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How it is to be trained."""

    method: Method
    division: Division
    length: int
    """Tokens of the longest row."""
    lora_rank: int | None
    bfloat16: bool
    gradient_checkpointing: bool
    reward_parameters: int = 0
    """Of the model that rewards answers (RLOO)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What it takes, by part."""

    weights: int
    gradients: int
    optimizer: int
    others: int
    """Reference and reward model."""
    activations: int
    libraries: int = LIBRARIES

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.others + self.activations + self.libraries

    def in_words(self) -> str:
        """For people."""
        parts = {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "other models": self.others,
            "activations (estimated)": self.activations,
            "libraries": self.libraries,
        }
        return f"{gib(self.total)}: " + ", ".join(f"{name} {gib(size)}" for name, size in parts.items() if size)


def need(size: ModelSize, plan: Plan) -> Need:
    """What a plan takes of each device."""
    trained = size.parameters if plan.lora_rank is None else size.of_lora(plan.lora_rank)
    frozen = 0 if plan.lora_rank is None else size.parameters * (2 if plan.bfloat16 else 4)
    copies = 2 * trained if plan.bfloat16 else 0  # autocast keeps what it has cast until the step is over
    has_reference = plan.method in ("dpo", "rloo") and plan.lora_rank is None
    return Need(
        weights=4 * trained + copies + frozen,
        gradients=4 * trained,
        optimizer=8 * trained,
        others=4 * (size.parameters * has_reference + plan.reward_parameters),
        activations=_activations(size, plan),
    )


def _activations(size: ModelSize, plan: Plan) -> int:
    sequences = plan.division.micro * (2 if plan.method in ("dpo", "reward") else 1)
    tokens = sequences * plan.length
    wide = 1 if plan.bfloat16 else 2
    # An adapter beside every linear layer keeps what goes into it, and what comes out, once more.
    wide *= 1 if plan.lora_rank is None else 2
    # 34 = 15 around attention and norms, 19 in a feed-forward part that is 4 times as wide as the hidden size.
    layer = int(tokens * (15 * size.hidden + 19 * size.intermediate / 4) * wide)
    kept = layer * size.layers
    if plan.gradient_checkpointing:
        kept = 2 * wide * tokens * size.hidden * size.layers + layer
    head = min(tokens, 1024) * size.vocabulary * 4 * 2 if plan.method != "reward" else 0
    return kept + head


def what_would_fit(size: ModelSize, plan: Plan, memory: int) -> Iterator[str]:
    """Options with which a plan stays below ``memory``, the smallest change first."""
    for said, other in _smaller(plan):
        found = need(size, other)
        if found.total <= memory:
            yield f"{said}: {gib(found.total)}"


def _smaller(plan: Plan) -> Iterator[tuple[str, Plan]]:
    one = Division(1, plan.division.batch // plan.division.processes, plan.division.processes)
    options: dict[str, dict[str, Any]] = {}
    if not plan.gradient_checkpointing:
        options["--gradient-checkpointing"] = {"gradient_checkpointing": True}
    if plan.division.micro > 1:
        options["--micro-batch 1"] = {"division": one}
    if plan.lora_rank is None:
        options[f"--lora {USUAL_RANK}"] = {"lora_rank": USUAL_RANK}
    for said, change in options.items():
        yield said, replace(plan, **change)
    if len(options) > 1:
        yield " ".join(options), replace(plan, **{key: value for one in options.values() for key, value in one.items()})
    if not plan.bfloat16:
        every = {key: value for one in options.values() for key, value in one.items()}
        yield " ".join([*options, "--precision bfloat16"]), replace(plan, **{**every, "bfloat16": True})


def gib(size: int) -> str:
    """A size for people."""
    return f"{size / GIB:,.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:,.1f} MiB"


def _first(config: Mapping[str, Any], *names: str, usual: int) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return usual

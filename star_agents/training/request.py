"""What a training is asked to do: plain values, the papers' settings where nothing is said. Pure.

    sft     Star-Agents (arXiv 2411.14497, section 4.1): 3 epochs, 2e-5, batch 64, 2,048 tokens
    dpo     Arena Learning (arXiv 2407.10627): 2 epochs, 5e-7, beta 0.3
    reward  Arena Learning: 1 epoch, 1e-6
    rloo    in the place of Arena Learning's PPO, whose settings it takes: 1 epoch, 1e-7, KL 0.4

Neither paper says a batch size or a length for the last three: 64 rows and 2,048 tokens are ours there. A schedule is
said for none: a cosine after 3 % of warm-up is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_type_hints

from pydantic import TypeAdapter, ValidationError

from star_agents.errors import UsageError

Method = Literal["sft", "dpo", "reward", "rloo"]
Precision = Literal["float32", "bfloat16"]
Turns = Literal["last", "all"]
LongRows = Literal["drop", "cut"]
USUAL_RANK = 16
"""Of LoRA, where it is asked for and no rank is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What decides about the weights that come out, beside model and rows."""

    epochs: float = 3.0
    """Times that every row is learned."""
    learning_rate: float = 2e-5
    """At its highest, after the warm-up."""
    batch: int = 64
    """Rows of one step of the optimizer, over all processes."""
    max_length: int = 2048
    """Tokens of a row: prompt and answer."""
    warmup: float = 0.03
    """Share of the steps in which the rate rises from 0; then it falls to 0 along a cosine."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    """Longer gradients are scaled down to this length."""
    max_steps: int | None = None
    """Steps of the optimizer after which it ends, whatever ``epochs`` says."""
    beta: float = 0.0
    """DPO: how strongly the model is held to its reference. RLOO: weight of the KL divergence from it."""
    turns: Turns = "last"
    """SFT: which answers of a conversation are learned."""
    long_rows: LongRows = "drop"
    """What happens to rows above ``max_length``: left out, or cut at their end."""
    margin_scale: float = 0.0
    """Reward: the loss asks for this times the row's margin between both rewards; 0: for any difference."""
    generations: int = 4
    """RLOO: answers to each prompt; each is measured against the mean of the others."""
    new_tokens: int = 512
    """RLOO: tokens of an answer."""
    temperature: float = 1.0
    """RLOO: of the answers that are drawn."""
    lora_rank: int | None = None
    """Rank of LoRA's matrices on every linear layer; ``None``: all weights are trained."""
    lora_alpha: int | None = None
    """LoRA's scale is this over the rank; twice the rank unless given."""
    precision: Precision = "float32"
    """Of the forward passes; weights that are trained are kept in float32."""
    eval_share: float = 0.0
    """Share of the prompts that are held out, to measure the loss on."""
    seed: int = 0
    """Of the order of the rows, and of all else that is drawn."""
    chat_template: str = ""
    """What a model without one is given: ``vicuna``, or the text of a template. Empty: the model's own."""

    def check(self, method: Method) -> None:
        """Raise UsageError where a number makes no sense."""
        positive = ("epochs", "learning_rate", "batch", "max_grad_norm", "new_tokens", "temperature")
        for name in positive:
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"--{name.replace('_', '-')} must be a number above 0; found {getattr(self, name)}")
        bounded = (("warmup", 1), ("eval_share", 0.5), ("weight_decay", 1), ("beta", 100), ("margin_scale", 100))
        for name, high in bounded:
            if not 0 <= getattr(self, name) <= high:
                told = f"--{name.replace('_', '-')} must lie between 0 and {high}"
                raise UsageError(f"{told}; found {getattr(self, name)}")
        if self.max_length < 8:
            raise UsageError(f"--max-length must be 8 tokens at least; found {self.max_length}")
        if method == "rloo" and self.generations < 2:
            raise UsageError("--generations must be 2 at least: each answer is measured against the others")
        if method == "rloo" and self.batch % self.generations:
            raise UsageError(
                f"--batch {self.batch} holds no whole number of prompts with {self.generations} answers each: "
                f"take a multiple of {self.generations}"
            )
        if method == "dpo" and not self.beta:
            raise UsageError("--beta must be above 0 for dpo")
        if self.lora_alpha is not None and self.lora_rank is None:
            raise UsageError("--lora-alpha needs --lora: without it there is no adapter")


PAPER: Mapping[Method, Settings] = {
    "sft": Settings(),
    "dpo": Settings(epochs=2.0, learning_rate=5e-7, beta=0.3),
    "reward": Settings(epochs=1.0, learning_rate=1e-6),
    "rloo": Settings(epochs=1.0, learning_rate=1e-7, beta=0.4),
}
"""What each method does where nothing is said."""
ONLY_FOR: Mapping[str, tuple[Method, ...]] = {
    "beta": ("dpo", "rloo"),
    "turns": ("sft",),
    "margin_scale": ("reward",),
    "generations": ("rloo",),
    "new_tokens": ("rloo",),
    "temperature": ("rloo",),
}
"""Settings that mean something to some methods only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRequest:
    """One training: rows, a model to begin with, a method, and the folder that the trained model goes to."""

    source: Path
    """A folder of ``run`` or ``serve``, or a file of rows."""
    model: str
    """Hugging Face name or folder."""
    out: Path
    """Folder of the trained model; beside it ``OUT.part`` is kept until it is whole."""
    method: Method = "sft"
    settings: Settings = PAPER["sft"]
    reward_model: str = ""
    """RLOO: Hugging Face name or folder of the model that rewards answers."""
    keep_adapter: bool = False
    """LoRA: also keep the adapter by itself, in ``OUT/adapter``; the model is merged in any case."""
    micro_batch: int | None = None
    """Rows that go through the model at once, per process; the rest of a batch is accumulated."""
    gradient_checkpointing: bool | None = None
    """Compute activations again in the backward pass instead of keeping them; ``None``: on a GPU."""
    device: Literal["auto", "cpu"] = "auto"
    threads: int | None = None
    """CPU threads of torch; results are the same to the bit only with as many."""
    save_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights in OUT."""
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int | None = None
    eval_steps: int | None = None
    """Steps between two looks at what is held out; once an epoch unless given."""
    bad_rows: float = 0.01
    """Share of the rows that may be unreadable: they are left out, and counted."""
    force: bool = False
    """Begin even where memory will probably not do."""
    fresh: bool = False
    """Begin anew, whatever an earlier training left in OUT or OUT.part."""
    trust_remote_code: bool = False

    @property
    def part(self) -> Path:
        """Where everything is kept until the model is whole."""
        return self.out.with_name(f"{self.out.name}.part")

    def identity(self) -> dict[str, Any]:
        """What makes another training of it, as plain data, but for model and rows."""
        return {
            "method": self.method,
            "model": self.model,
            **({"reward_model": self.reward_model} if self.reward_model else {}),
            **asdict(self.settings),
            "save_dtype": self.save_dtype,
            "keep_adapter": self.keep_adapter,
        }


OPTION_NAMES: Mapping[str, str] = {"lora": "lora_rank"}
"""Options of the command that are called otherwise where they are kept."""
_NO_OPTIONS = frozenset({"source", "model", "out", "method", "settings"})
"""Of a request, what is no option of a training."""


class Divided(NamedTuple):
    """Options of a training, by where they belong."""

    settings: dict[str, Any]
    request: dict[str, Any]
    unknown: list[str]
    """Of those, what nobody knows."""


def divide_options(options: Mapping[str, Any]) -> Divided:
    """Options, by the names of the command, as settings and as fields of a request."""
    own = {one.name for one in fields(Settings)}
    others = {one.name for one in fields(TrainingRequest)} - _NO_OPTIONS
    named = {OPTION_NAMES.get(name, name): value for name, value in options.items()}
    return Divided(
        settings={name: value for name, value in named.items() if name in own},
        request={name: value for name, value in named.items() if name in others},
        unknown=[name for name in options if OPTION_NAMES.get(name, name) not in own | others],
    )


def option_names() -> list[str]:
    """All that ``divided`` knows."""
    kept = {one.name for kind in (Settings, TrainingRequest) for one in fields(kind)} - _NO_OPTIONS
    return sorted({*OPTION_NAMES, *kept} - set(OPTION_NAMES.values()))


def _typed(name: str, value: Any) -> Any:
    """A value as its setting takes it: of the Python API and of agents.yaml, anything may come. Raises UsageError."""
    if name == "lora_rank" and isinstance(value, bool):
        return USUAL_RANK if value else None
    try:
        return TypeAdapter(get_type_hints(Settings)[name]).validate_python(value)
    except ValidationError as error:
        told = f"{name.replace('_', '-')}: {error.errors(include_url=False)[0]['msg']}"
        raise UsageError(f"--{told}; found {value!r}") from None


def settings_of(method: Method, **changes: Any) -> Settings:
    """The papers' settings of a method, with those changes that are not ``None``.

    Raises:
        UsageError: there is no such setting, it means nothing to the method, or its value makes no sense.
    """
    known = {one.name for one in fields(Settings)}
    given = {name: value for name, value in changes.items() if value is not None}
    if unknown := given.keys() - known:
        raise UsageError(f"{', '.join(sorted(unknown))}: no such setting; there are {', '.join(sorted(known))}")
    for name in given:
        if method not in (meant := ONLY_FOR.get(name, (method,))):
            told = f"--{name.replace('_', '-')} is for --method {' or '.join(meant)}"
            raise UsageError(f"{told}, and means nothing to {method}; leave it out")
    settings = replace(PAPER[method], **{name: _typed(name, value) for name, value in given.items()})
    settings.check(method)
    return settings

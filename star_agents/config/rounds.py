"""Section `rounds` of agents.yaml: how `star-agents rounds` goes from data to a better target and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from star_agents.config.base import LONGEST_S, Section

TrainingStage = Literal["sft", "dpo", "rloo"]
TrainingMethod = Literal["sft", "dpo", "reward", "rloo"]
EXAM = "exam"
"""The part of the seeds that nobody learns from: every target meets its opponents on it."""
Threshold = Annotated[float, Field(ge=0, le=10)]
Option = str | int | float | bool
OptionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Options = Annotated[Mapping[OptionName, Option], Field(max_length=60)]


_TOLD = ("{rows}", "{model}", "{out}")
"""What a command that trains has to be told."""


class TargetSettings(Section):
    """The model that is trained, and how it is reached."""

    agent: str = Field(default="target", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")
    """The agent whose place the newest model takes in every recipe. One that is not in `agents` is made."""
    model: str = Field(min_length=1)
    """Where it begins: a folder, or a Hugging Face name."""
    serve: str | None = Field(default=None, min_length=1)
    """Command that serves a model by OpenAI's protocol: `vllm serve {model} --port {port} --served-model-name {name}`.
    It is started before the target is asked and ended before the next training. Left out: the model answers through
    Transformers in a process of its own."""
    ready: str = Field(default="/health", pattern=r"^/\S*$")
    """Path that answers with status 200 once the model can be asked."""
    ready_timeout_s: float = Field(default=600.0, gt=0, le=LONGEST_S)
    """Seconds until then; a server that takes longer counts as broken."""
    restarts: int = Field(default=3, ge=0, le=1000)
    """How often a server that ended by itself is started again in one step; then the work stops."""
    stop_s: float = Field(default=30.0, gt=0, le=3600)
    """Seconds between asking a server, or a training, to end and ending it."""

    @model_validator(mode="after")
    def _is_told_where_to_listen(self) -> Self:
        if self.serve is not None and ("{model}" not in self.serve or "{port}" not in self.serve):
            raise ValueError("`serve` needs `{model}` and `{port}`, in the place of which the newest ones are put")
        return self


class TrainingSettings(Section):
    """How a target is trained on the rows of a stage."""

    command: str | None = Field(default=None, min_length=1)
    """A command of your own in the place of `star-agents train`, with `{method}`, `{rows}` (a file of JSON lines),
    `{model}`, `{out}`, and `{reward_model}` where the method is rloo. It ends with 0 once the model lies in `{out}`.
    Losses are read from `curve.jsonl` there, where it writes one: `{"step": 1, "loss": 2.31}` a line."""
    sft: Options = Field(default_factory=dict)
    """Options of `star-agents train` for this method, by their names: `{epochs: 3, learning_rate: 5e-6, lora: 16}`."""
    dpo: Options = Field(default_factory=dict)
    """Likewise."""
    reward: Options = Field(default_factory=dict)
    """Likewise, for the reward model that RLOO is rewarded by."""
    rloo: Options = Field(default_factory=dict)
    """Likewise."""
    loss_bound: float = Field(default=0.25, ge=0, le=100)
    """A training failed whose last loss is above its first by more than this share of it, or is no number."""
    on_failure: Literal["stop", "go_on"] = "stop"
    """A training that failed leaves the last good target in either case. `stop`: and ends the command, which tries it
    again when it is called again; `go_on`: the next stage begins with that target."""
    timeout_s: float = Field(default=7 * 86_400.0, gt=0, le=LONGEST_S)
    """Seconds that one training may take."""

    @model_validator(mode="after")
    def _is_told_what_to_do(self) -> Self:
        if self.command is not None and (lacks := [one for one in _TOLD if one not in self.command]):
            raise ValueError(f"`command` needs {' and '.join(f'`{one}`' for one in lacks)}: else it trains nothing new")
        return self

    def options(self, method: TrainingMethod) -> Mapping[str, Option]:
        """Those of one method."""
        found: Mapping[str, Option] = getattr(self, method)
        return found


class KeepSettings(Section):
    """Points by which a battle must be decided to teach something, by round: `arena.keep` of each stage. The last
    value holds for all rounds after it."""

    sft: tuple[Threshold, ...] = Field(default=(3.0, 1.0, 1.0), min_length=1, max_length=100)
    """Arena Learning's: 3, then 1. Round 0, where it is made by the recipe, has that of the first."""
    preference: tuple[Threshold, ...] = Field(default=(2.0,), min_length=1, max_length=100)
    """Of the preference pairs that DPO, and the reward model of RLOO, learn from: 2."""


class ExamSettings(Section):
    """How targets are compared: each meets the same opponents, and every earlier target, over the same prompts."""

    file: str | None = Field(default=None, min_length=1)
    """A file of instructions; the path begins beside this file. Left out: a share of the seeds is held out for it, as
    part `exam`."""
    share: float = Field(default=0.1, ge=0, lt=1)
    """Of the seeds; 0: no exam, and so neither ratings nor `stop_when_flat`."""
    most: int = Field(default=200, ge=1, le=1_000_000)
    """Prompts that are taken of them; the first by their ids, which is a choice by chance."""
    opponents: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=100)
    """Agents; those of `arena` unless given."""
    judges: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=15)
    """Likewise."""

    @property
    def is_held(self) -> bool:
        """Whether there is one."""
        return self.file is not None or self.share > 0


class BenchmarkSettings(Section):
    """A benchmark on which each target is graded, as `star-agents evaluate` does it."""

    questions: str = Field(min_length=1)
    """`mt_bench`, `vicuna` or `wizardlm` in the folder of `evaluation.questions`, a file in their form, whose path
    begins beside this file, or `offline`, the sample questions."""
    judge: str
    """Agent that grades."""
    most: int | None = Field(default=None, ge=1, le=1_000_000)
    """Only so many of its questions, drawn by chance and the same for all; left out: all."""


class RoundsConfig(Section):
    """Rounds of Arena Learning, or of any recipe: the newest target makes data, and learns from it."""

    target: TargetSettings
    """Whom all of it is for."""
    stages: tuple[TrainingStage, ...] | Literal["auto"] = "auto"
    """What each round trains, in this order, each on a part of the seeds of its own. `auto`: sft, dpo, rloo where
    `arena` is the last recipe, else sft."""
    start: Literal["seeds", "recipe", "off"] = "seeds"
    """Round 0: SFT on the responses of the seeds of D0, as the paper has it; on the rows that the recipe makes of D0;
    or none, for a target that follows instructions already."""
    keep: KeepSettings = KeepSettings()
    """What teaches, by round; for recipe `arena`."""
    training: TrainingSettings = TrainingSettings()
    """How the target is trained."""
    exam: ExamSettings = ExamSettings()
    """How it is rated."""
    benchmark: BenchmarkSettings | None = None
    """Grades every target on a benchmark, too."""
    stop_when_flat: bool = False
    """End after a round that did not pay: whose gain in rating over the round before has an interval that reaches 0 or
    less."""

    @field_validator("stages", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        if self.stages != "auto" and (not self.stages or len(set(self.stages)) < len(self.stages)):
            raise ValueError("stages: name each stage of a round once, at least one")
        if self.stop_when_flat and not self.exam.is_held:
            raise ValueError("stop_when_flat: needs an exam, whose share is 0")
        if not math.isfinite(self.training.loss_bound):
            raise ValueError("training.loss_bound: is no number")
        return self

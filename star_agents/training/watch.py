"""What is seen of a training while it runs, and how it is told to save or to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from transformers import TrainerCallback

from star_agents.errors import ScorerError
from star_agents.training.hardware import any_process, barrier


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What was measured after a step."""

    step: int
    epoch: float
    loss: float | None = None
    learning_rate: float | None = None
    eval_loss: float | None = None
    reward: float | None = None
    """RLOO: mean over the answers of the step."""
    accuracy: float | None = None
    """DPO and reward: share of the pairs whose chosen answer is rewarded higher."""
    tokens: int | None = None
    """That went through the model so far."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without what is not known."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


class Listener(Protocol):
    """Who hears of a training. Only the main process tells anything."""

    def begins(self, step: int, steps: int) -> None:
        """The first step is about to begin, after ``step`` that were done before, of ``steps``."""

    def measured(self, point: Point) -> None:
        """Something was measured."""

    def saved(self, checkpoint: Path) -> None:
        """A checkpoint was written by the libraries: make it durable, and mark it as whole."""


@dataclass(kw_only=True)
class Saving:
    """When to save."""

    minutes: float
    steps: int | None
    clock: Callable[[], float]
    """Monotonic seconds."""

    def __post_init__(self) -> None:
        self._last = self.clock()

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint belongs after this step."""
        return self.clock() - self._last >= 60 * self.minutes or bool(self.steps and step % self.steps == 0)

    def done(self) -> None:
        """A checkpoint was written just now."""
        self._last = self.clock()


class Watch(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Reports every step, and decides with all processes together when to save and when to stop.

    Args:
        listener: Hears what happens.
        is_asked_to_stop: Whether this process was.
        saving: When to save.
        is_main: Whether this process is the one that tells.
    """

    def __init__(
        self, listener: Listener, *, is_asked_to_stop: Callable[[], bool], saving: Saving, is_main: bool
    ) -> None:
        self._listener = listener
        self._is_asked_to_stop = is_asked_to_stop
        self._saving = saving
        self._is_main = is_main
        self.is_stopped = False
        """Whether it ended because it was asked to."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """The first step is about to begin."""
        if self._is_main:
            self._listener.begins(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """A step of the optimizer is done."""
        stops, saves = any_process(self._is_asked_to_stop(), self._saving.is_due(state.global_step))
        is_last = state.global_step >= state.max_steps
        control.should_save = control.should_save or stops or saves or is_last
        if stops and not is_last:
            self.is_stopped = True
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Something was measured."""
        point = point_of({"step": state.global_step, "epoch": state.epoch or 0.0, **(logs or {})})
        if point is None:
            return
        if point.loss is not None and not math.isfinite(point.loss):
            raise ScorerError(
                f"the loss of step {point.step} is {point.loss}: the model diverges. Lower --learning-rate, or take "
                "--precision float32; what was saved before stands"
            )
        if self._is_main:
            self._listener.measured(point)

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """The libraries have written a checkpoint; every process its own part."""
        barrier()
        self._saving.done()
        if self._is_main:
            self._listener.saved(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def point_of(logs: Mapping[str, Any]) -> Point | None:
    """What a line of the trainer's log tells of a step; ``None`` where it tells of none, such as the last, of all."""
    if "train_runtime" in logs or not ({"loss", "eval_loss", "reward"} & logs.keys()):
        return None
    prefix = "eval_" if "eval_loss" in logs else ""
    tokens = _number(logs, "num_tokens")
    return Point(
        step=int(logs["step"]),
        epoch=float(logs.get("epoch") or 0.0),
        loss=_number(logs, "loss"),
        learning_rate=_number(logs, "learning_rate"),
        eval_loss=_number(logs, "eval_loss"),
        reward=_number(logs, "reward"),
        # Before its first update a policy is its own reference: every margin is 0, and nothing is right or wrong.
        accuracy=None
        if _number(logs, f"{prefix}rewards/margins") == 0
        else _number(logs, f"{prefix}rewards/accuracies", f"{prefix}accuracy"),
        tokens=None if tokens is None else int(tokens),
    )


def _number(logs: Mapping[str, Any], *names: str) -> float | None:
    return next((float(logs[name]) for name in names if isinstance(logs.get(name), (int, float))), None)

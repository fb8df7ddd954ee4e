"""One training of a campaign, in a process of its own: what it is asked, whether what came of it can take a place."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from star_agents.config.rounds import Option, TrainingMethod, TrainingSettings
from star_agents.config.suggestions import did_you_mean
from star_agents.engine.campaign.serving import command_of
from star_agents.engine.training.folder import HOLDS_ANOTHER
from star_agents.engine.training.job import MISSING
from star_agents.errors import UsageError
from star_agents.process.guarded import guarded
from star_agents.training.request import OPTION_NAMES, divide_options, option_names, settings_of

LOSSES_FILE = "curve.jsonl"
"""In the folder of a model: a line for each logged step, ``{"step", "loss"}``."""
MOST_LOSSES = 1_000_000
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
NEEDED = ("trl", "peft", "accelerate")
"""Libraries of the extra that trainings need."""
_FLAGS = {kept: option for option, kept in OPTION_NAMES.items()}
_OURS_TO_SAY = {"reward_model", "fresh"}
"""Of a request, what rounds decide."""
_SWITCHES = ("gradient_checkpointing",)
"""Options that can be switched off; all others are off where they are not named."""
_FIRST_AND_LAST = 0.1
"""Share of the logged losses whose mean counts as the first, and the last: one batch says little."""


class TrainingFailed(Exception):
    """A training gave no model that may take the target's place. Never leaves this room.

    Args:
        reason: Why.
        is_cut_off: Whether it was ended from outside, and goes on from its checkpoint when it is begun again.
        is_another: Whether nothing was trained, since its folder holds one that was begun otherwise.
    """

    def __init__(self, reason: str, *, is_cut_off: bool = False, is_another: bool = False) -> None:
        super().__init__(reason)
        self.is_cut_off = is_cut_off
        self.is_another = is_another


class Training(NamedTuple):
    """What is to be trained."""

    method: TrainingMethod
    rows: Path
    model: str
    """Where it begins."""
    out: Path
    reward_model: Path | None = None


class Losses(NamedTuple):
    """The training loss, or another curve."""

    first: float | None
    """``None``: nothing of it is known."""
    last: float | None
    steps: int


def check_training(settings: TrainingSettings, methods: Iterable[TrainingMethod]) -> None:
    """Refuse, before anything is spent, options that no training would take, and a machine that could not train.

    Raises:
        UsageError: which option, or what is missing.
    """
    if settings.command is not None:
        command_of(settings.command, {})
        return
    for library in NEEDED:
        if find_spec(library) is None:
            raise UsageError(f"training needs {library}, which is not installed: {MISSING}")
    for method in methods:
        options = settings.options(method)
        found = divide_options(options)
        if unknown := [*found.unknown, *(name for name in options if name in _OURS_TO_SAY)]:
            known = [name for name in option_names() if name not in _OURS_TO_SAY]
            told = f"agents.yaml: rounds.training.{method}.{unknown[0]}: is no option of `star-agents train`"
            raise UsageError(f"{told}; {did_you_mean(unknown[0], known)}")
        settings_of(method, **found.settings)


def command_for(training: Training, settings: TrainingSettings) -> list[str]:
    """Program and arguments. Raises UsageError where a command of the user's cannot be read."""
    if settings.command is not None:
        values = {
            "method": training.method,
            "rows": str(training.rows.resolve()),
            "model": training.model,
            "out": str(training.out.resolve()),
            "reward_model": "" if training.reward_model is None else str(training.reward_model.resolve()),
        }
        return command_of(settings.command, values)
    told = ["train", str(training.rows.resolve()), "--model", training.model, "--method", training.method]
    told += ["--out", str(training.out.resolve())]
    if training.reward_model is not None:
        told += ["--reward-model", str(training.reward_model.resolve())]
    for name, value in settings.options(training.method).items():
        told += _option(name, value)
    return [sys.executable, "-m", "star_agents", *told]


def _option(name: str, value: Option) -> list[str]:
    flag = f"--{_FLAGS.get(name, name).replace('_', '-')}"
    if isinstance(value, bool):
        return [flag] if value else [f"--no-{flag.removeprefix('--')}"] if name in _SWITCHES else []
    return [flag, str(value)]


async def train(
    training: Training, settings: TrainingSettings, *, logs: Path, stop_s: float, hear: Callable[[str], None]
) -> Mapping[str, Any]:
    """Train, unless that is done; the facts of it.

    A training that came to its end is not run again, and one that was cut off is begun again by the same command, which
    goes on where it stopped if it can.

    Raises:
        TrainingFailed: it ended badly, or what it left is no model, or its loss went wrong.
        UsageError: the command cannot be read.
    """
    name, is_ours = training.out.name, settings.command is None
    command = command_for(training, settings)
    training.out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with anyio.move_on_after(settings.timeout_s) as limit:
        async with guarded(
            command,
            log=logs / f"train-{name}.log",
            ended=logs / f"train-{name}.ended.json",
            # Of half a model by a command of the user's nobody knows whether that can go on; ours can.
            clears=None if is_ours else training.out,
            stop_s=stop_s,
            hear=hear,
            is_ours=is_ours,
        ) as running:
            code = await running.wait()
    if limit.cancelled_caught:
        told = f"it took longer than {settings.timeout_s:g} s (`rounds.training.timeout_s`)"
        raise TrainingFailed(told, is_cut_off=is_ours)
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        said = running.last_words.rpartition("\n")[2] or "it said nothing"
        if is_ours and HOLDS_ANOTHER in said:
            raise TrainingFailed(said.partition(f"{HOLDS_ANOTHER}: ")[2].partition(". ")[0], is_another=True)
        told = f"it ended with {how}: {said[:400]} (all of it: {logs / f'train-{name}.log'})"
        raise TrainingFailed(told, is_cut_off=is_ours and code < 0)
    check_model(training.out)
    losses = losses_in(training.out)
    # The loss of RLOO is that of a policy, whose height says nothing.
    check_losses(losses, math.inf if training.method == "rloo" else settings.loss_bound)
    seconds, rewards = time.monotonic() - began, losses_in(training.out, "reward")
    return {
        "first_loss": losses.first,
        "last_loss": losses.last,
        "steps": losses.steps,
        "reward": None if training.method != "rloo" else rewards[:2],
        "seconds": seconds,
    }


def check_model(folder: Path) -> None:
    """Raise TrainingFailed where a folder holds no whole model."""
    missing = []
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        missing.append("config.json")
    weights = [path for pattern in WEIGHTS for path in folder.glob(pattern)] if folder.is_dir() else []
    if not weights or not all(_is_whole(path) for path in weights):
        missing.append("whole weights")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        missing.append("a tokenizer")
    if missing:
        raise TrainingFailed(f"it ended well, and {folder} lacks {', '.join(missing)}")


def _is_whole(path: Path) -> bool:
    """Whether a file of weights is as long as its head says; of other kinds than safetensors, whether it holds any."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        size = path.stat().st_size
        if path.suffix != ".safetensors":
            return size > 0
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if not 0 < length <= size - 8:
                return False
            head = json.loads(handle.read(length))
        ends = [one["data_offsets"][1] for name, one in head.items() if name != "__metadata__"]
        return bool(ends) and 8 + length + max(ends) == size
    return False


def losses_in(folder: Path, name: str = "loss") -> Losses:
    """The losses that a training logged, or its rewards; nothing of them where it logged none."""
    found: list[float] = []
    with suppress(OSError), (folder / LOSSES_FILE).open(encoding="utf-8") as handle:
        for line, _ in zip(handle, range(MOST_LOSSES), strict=False):
            with suppress(ValueError, KeyError, TypeError):
                found.append(float(json.loads(line)[name]))
    if not found:
        return Losses(None, None, 0)
    if not all(map(math.isfinite, found)):
        return Losses(math.nan, math.nan, len(found))
    some = max(1, round(len(found) * _FIRST_AND_LAST))
    return Losses(sum(found[:some]) / some, sum(found[-some:]) / some, len(found))


def check_losses(losses: Losses, bound: float) -> None:
    """Raise TrainingFailed where the loss is no number, or rose by more than a share of what it was."""
    if losses.first is None or losses.last is None:
        return
    if not (math.isfinite(losses.first) and math.isfinite(losses.last)):
        raise TrainingFailed("its loss is no number: lower the learning rate")
    if losses.last > losses.first + bound * abs(losses.first):
        told = f"its loss rose from {losses.first:.4g} to {losses.last:.4g}"
        raise TrainingFailed(f"{told}, by more than `rounds.training.loss_bound` ({bound:g}) allows")

"""Trains from where an earlier call left off, in passes that fit into memory."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import datasets
import torch
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from star_agents.errors import ScorerError, UsageError
from star_agents.training.batches import Division
from star_agents.training.trainers import Parts, adapter_of, count_on, merged, trainer_of
from star_agents.training.watch import Point, Watch, point_of

T = TypeVar("T")
LIBRARIES = ("accelerate", "datasets", "peft", "torch", "transformers", "trl")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What came out."""

    trainer: Any
    division: Division
    """The passes that fitted in the end."""
    is_stopped: bool
    """Whether it was asked to stop before the last step."""
    steps: int
    points: tuple[Point, ...]
    """Everything that was measured, from the first step on, also by earlier calls."""


def fit(
    parts: Parts,
    watch: Watch,
    *,
    checkpoint: Callable[[], Path | None],
    is_out_of_memory: Callable[[BaseException], bool],
    tell: Callable[[str], None],
) -> Fitted:
    """Train.

    Args:
        parts: What the trainer is made of.
        watch: Reports, saves and stops.
        checkpoint: The newest whole one, to go on from.
        is_out_of_memory: Whether an exception means that.
        tell: Hears of passes that were halved.

    Raises:
        ScorerError: memory runs out even with one row in a pass, or the model diverges.
    """

    def run(division: Division) -> Fitted:
        trainer = trainer_of(replace(parts, division=division, callbacks=[watch]))
        remove_printing(trainer)
        begun = checkpoint()
        if begun is not None:
            count_on(trainer, tokens_at(begun))
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
        points = tuple(point for line in trainer.state.log_history if (point := point_of(line)) is not None)
        return Fitted(
            trainer=trainer,
            division=division,
            is_stopped=watch.is_stopped,
            steps=trainer.state.global_step,
            points=points,
        )

    with quiet_libraries(), disk_faults(parts.work):
        return in_passes_that_fit(run, parts.division, is_out_of_memory=is_out_of_memory, tell=tell)


def in_passes_that_fit(
    run: Callable[[Division], T],
    division: Division,
    *,
    is_out_of_memory: Callable[[BaseException], bool],
    tell: Callable[[str], None],
) -> T:
    """What ``run`` returns, with half the rows in a pass each time that memory runs out: the batch stays what it is.

    Raises:
        ScorerError: it runs out with one row in a pass.
    """
    while True:
        try:
            return run(division)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            smaller = division.halved()
            said = _said(error)
        if smaller is None:
            raise ScorerError(
                f"memory ran out with one row in a pass ({said}): lower --max-length, add --gradient-checkpointing or "
                "--lora, or take a smaller model; what was saved before stands"
            )
        tell(
            f"memory ran out with {division.micro} rows in a pass; going on with {smaller.micro}, and "
            f"{smaller.accumulation} passes instead of {division.accumulation} for each step: the batch stays "
            f"{smaller.batch} rows"
        )
        division = smaller
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def tokens_at(checkpoint: Path) -> int:
    """Tokens that had gone through the model by then, where its log tells."""
    log = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    points = [point for line in log if (point := point_of(line)) is not None]
    return max((one.tokens for one in points if one.tokens is not None), default=0)


@contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """Turn what the libraries say where nothing can be written to ``place`` into our error. Raises UsageError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{place}: cannot be written: {_said(error)}; what was saved before stands") from error
    except RuntimeError as error:
        if "PytorchStreamWriter" not in str(error) and "write file" not in str(error):
            raise
        raise UsageError(f"{place}: cannot be written: {_said(error)}; what was saved before stands") from error


def _said(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def remove_printing(trainer: Any) -> None:
    """Take away what would print each line of the log as a Python dict."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
            trainer.remove_callback(callback)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let the libraries say errors only, and warn of nothing: what concerns the user is said by us."""
    before = {name: logging.getLogger(name).level for name in LIBRARIES}
    verbosity, bars = transformers_logging.get_verbosity(), datasets.are_progress_bars_disabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    datasets.disable_progress_bars()
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if not bars:
            datasets.enable_progress_bars()
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def save(fitted: Fitted, folder: Path, *, dtype: str, tokenizer: Any, keep_adapter: bool) -> None:
    """Write the trained model whole, with its tokenizer; with LoRA also its adapter, where it is to be kept.

    Args:
        fitted: What came out.
        folder: Where to; made when missing.
        dtype: Of the weights on disk.
        tokenizer: With its chat template.
        keep_adapter: Also write the adapter, into the folder ``adapter``.
    """
    with quiet_libraries(), disk_faults(folder):
        if keep_adapter:
            adapter_of(fitted.trainer).save_pretrained(folder / "adapter")  # before it is merged
            (folder / "adapter" / "README.md").unlink(
                missing_ok=True
            )  # a form with nothing filled in: the card is ours
        whole = merged(fitted.trainer).to(getattr(torch, dtype))
        whole.config.use_cache = True
        whole.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):
        shutil.copymode(folder / "config.json", weights)  # which only its owner could read, else
    tokenizer.save_pretrained(str(folder))

"""One training from rows to a model's folder, resumable: the same request again goes on where it stopped.

    read rows ─► will it fit? ─► encode ─► train, checkpoints on the way ─► write the model and its card ─► one rename

Several processes (``accelerate launch``) do all of this alike, but only the first tells, writes and renames.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from star_agents import offline
from star_agents.engine.training.folder import TrainingFolder
from star_agents.engine.training.result import StopWord, Trained
from star_agents.engine.training.rows import IN_WORDS, Rows, read_examples
from star_agents.errors import UsageError
from star_agents.text.consoles import say_on
from star_agents.training.request import TrainingRequest

if TYPE_CHECKING:
    from star_agents.engine.training.work import Work

TELEMETRY = "HF_HUB_DISABLE_TELEMETRY"
MISSING = "pip install 'star-agents[train]'"


def train(request: TrainingRequest, *, console: Console | None = None, stop: StopWord | None = None) -> Trained:
    """Train a model as asked, or go on with it; return when it is whole, or when it was asked to stop.

    SIGINT, SIGTERM and SIGHUP let it write a checkpoint after the step in hand and return; a second one ends it at
    once. Either way the same request goes on, on a CPU with as many threads to the same weights, bit for bit.

    Args:
        request: What to train.
        console: Where to tell of it; standard error unless given.
        stop: Ends it from within the program.

    Raises:
        SeedFileError: too many rows cannot be read.
        StoreError: the run's folder cannot be read, or another process trains into the same one (StoreLocked).
        UsageError: the request makes no sense, a library is missing, or memory will not do.
        ScorerError: memory ran out, or the model diverged.
    """
    _refuse_impossible(request)
    is_main = _rank() == 0
    stop = stop or StopWord()
    told = console or Console(stderr=True)
    told = told if is_main else Console(quiet=True)
    rows = read_examples(
        request.source,
        request.method,
        eval_share=request.settings.eval_share,
        seed=request.settings.seed,
        bad_rows=request.bad_rows,
    )
    tell_rows(rows, request, told)
    with _work_of(request, rows, told) as work:
        folder = TrainingFolder(request.out, request.part)
        if not request.fresh and folder.is_finished(work.identity):
            return _finished_before(request, folder, is_main=is_main)
        work.check_memory()
        if is_main:
            folder.lock()
        try:
            if is_main:
                folder.begin(work.identity(), fresh=request.fresh)
            with listening(stop, told):
                trained = work.run(folder, stop, is_main=is_main)
        except BaseException:
            folder.unlock()
            raise
        if is_main and not trained.stopped_by:
            folder.clean()
        folder.unlock()
        return trained


def tell_rows(rows: Rows, request: TrainingRequest, console: Console) -> None:
    """Say what was read, and what was left out."""
    shapes = ", ".join(f"{rows.shapes[shape]:,} {name}" for shape, name in IN_WORDS.items() if rows.shapes[shape])
    held = f", {len(rows.held_out):,} held out" if rows.held_out else ""
    say_on(console, f"{request.source}: {shapes} rows; {len(rows.examples):,} to learn by {request.method}{held}")
    for problem in rows.problems:
        say_on(console, f"left out: {problem}")
    if rows.bad > len(rows.problems):
        say_on(console, f"left out: {rows.bad - len(rows.problems):,} more rows that cannot be read")
    for reason, n in rows.skipped.items():
        say_on(console, f"left out: {n:,} pairs: {reason}")
    if rows.repeated:
        say_on(console, f"left out: {rows.repeated:,} prompts that stand in an earlier row")


@contextmanager
def _work_of(request: TrainingRequest, rows: Rows, console: Console) -> Iterator[Work]:
    """Load the libraries. Raises UsageError where they are not installed."""
    os.environ.setdefault(TELEMETRY, "1")
    try:
        from star_agents.engine.training.work import Work  # noqa: PLC0415  # torch, and an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("star_agents"):
            raise
        raise UsageError(f"training needs {error.name}, which is not installed: {MISSING}") from error
    yield Work(request, rows, console, resolve=offline.resolve_model)


def _refuse_impossible(request: TrainingRequest) -> None:
    """What would only come out at the end, hours later."""
    request.settings.check(request.method)
    if not request.out.name:
        raise UsageError(f"-o {request.out}: name a folder for the model")
    if request.out.exists() and not request.out.is_dir():
        raise UsageError(f"{request.out}: is a file; name a folder for the model")
    if request.method == "rloo" and not request.reward_model:
        raise UsageError("--method rloo needs --reward-model: a folder or name of the model that rewards answers")
    if request.method != "rloo" and request.reward_model:
        raise UsageError(f"--reward-model is for --method rloo; {request.method} asks no reward model")
    if request.method == "rloo" and request.settings.eval_share:
        raise UsageError(
            "--eval-share is not for rloo: it learns from answers that it writes, and has no loss on others'"
        )
    if request.eval_steps and not request.settings.eval_share:
        raise UsageError("--eval-steps needs --eval-share: without it nothing is held out to look at")
    if request.keep_adapter and request.settings.lora_rank is None:
        raise UsageError("--keep-adapter needs --lora: without it there is no adapter")


def _finished_before(request: TrainingRequest, folder: TrainingFolder, *, is_main: bool) -> Trained:
    if is_main and request.part.is_dir():
        folder.lock()
        folder.clean()  # a kill came between the rename and this
    facts = folder.facts()
    return Trained(
        out=request.out,
        steps=int(facts.get("steps") or 0),
        resumed=int(facts.get("steps") or 0),
        loss=facts.get("loss"),
        eval_loss=facts.get("eval_loss"),
        rows=int(facts.get("rows") or 0),
        left_out=Counter(facts.get("left_out") or {}),
        is_main=is_main,
        was_finished=True,
    )


@contextmanager
def listening(stop: StopWord, console: Console) -> Iterator[None]:
    """Let signals say the word, where this is the main thread; a second signal does what it always did."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [one for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]
    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def heard(number: int, frame: FrameType | None) -> None:
        stop.say(number)
        restore()
        say_on(console, "finishing the step in hand, then saving; a second signal ends it at once")

    before.update({one: signal.signal(one, heard) for one in numbers})
    try:
        yield
    finally:
        restore()


def _rank() -> int:
    """This process's place among those that train together, as the launcher says."""
    try:
        return int(os.environ.get("RANK", "0"))
    except ValueError:
        return 0

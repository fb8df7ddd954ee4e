"""A training as a person sees it: step of steps, loss, tokens per second, time left; and its curve, kept in a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from star_agents.engine.progress_bar import ProgressBar
from star_agents.engine.training.folder import seal
from star_agents.storage.formats.row_writing import atomic_file, json_line
from star_agents.training.watch import Point

CURVE = "curve.jsonl"


class TrainingProgress:
    """Hears of a training (``watch.Listener``), and draws it.

    Args:
        console: Where to draw.
        clock: Monotonic seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bar: ProgressBar | None = None
        self._first: tuple[float, int] | None = None
        self.first_step = 0
        """Steps that earlier calls did."""
        self.checkpoints = 0

    def begins(self, step: int, steps: int) -> None:
        """The first step is about to begin. Called again where passes are halved."""
        self.ends()
        self.first_step, self._first = step, None
        self._bar = ProgressBar("steps", steps, done=step, console=self._console, clock=self._clock)
        self._bar.__enter__()
        self._bar.begin()

    def measured(self, point: Point) -> None:
        """Something was measured."""
        if self._bar is None:
            return
        if point.eval_loss is not None:
            self._bar.say(f"step {point.step:,}: loss on what is held out {point.eval_loss:.4f}")
            return
        self._bar.done = point.step
        self._bar.show(self._facts(point))

    def saved(self, checkpoint: Path) -> None:
        """A checkpoint was written."""
        seal(checkpoint)
        self.checkpoints += 1

    def _facts(self, point: Point) -> str:
        told = [f"loss {point.loss:.4f}" if point.loss is not None else ""]
        if point.reward is not None:
            told.append(f"reward {point.reward:.3f}")
        if point.accuracy is not None:
            told.append(f"{point.accuracy:.0%} of pairs right")
        if point.tokens is not None:
            now = self._clock()
            if self._first is None:
                self._first = now, point.tokens
            elif now > self._first[0] and point.tokens > self._first[1]:
                told.append(f"{(point.tokens - self._first[1]) / (now - self._first[0]):,.0f} tokens/s")
        return ", ".join(filter(None, told))

    def ends(self) -> None:
        """Stop drawing."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


class Unheard:
    """Listens in processes that are not the main one, and tells nothing (``watch.Listener``)."""

    first_step = 0

    def ends(self) -> None:
        """Nothing was drawn."""

    def begins(self, step: int, steps: int) -> None:
        """Nothing to tell."""

    def measured(self, point: Point) -> None:
        """Nothing to tell."""

    def saved(self, checkpoint: Path) -> None:
        """The main process marks it."""


def write_curve(points: Sequence[Point], path: Path) -> None:
    """What was measured, a JSON line each, in order of the steps."""
    with atomic_file(path) as file:
        for point in points:
            file.write(json_line(point.to_dict()))

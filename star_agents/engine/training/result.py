"""How a training ends, and the word that ends it early."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a training ended."""

    out: Path
    steps: int
    """That the model has behind it."""
    resumed: int = 0
    """Of those, steps of earlier calls."""
    loss: float | None = None
    """Of the last step."""
    eval_loss: float | None = None
    rows: int = 0
    """That were learned: fewer than there are where it ended within its first epoch."""
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    """Rows that were not, by reason."""
    stopped_by: int = 0
    """The signal that ended it early; 0 where the model is whole."""
    is_main: bool = True
    """Whether this process is the one that tells, among those that train together."""
    was_finished: bool = False
    """Whether an earlier call had done all of it."""


class StopWord:
    """Set by whoever wants the training to end: it saves, and returns."""

    def __init__(self) -> None:
        self.signal = 0
        """The signal's number, or the one that means the same; 0: nobody has said so."""

    def say(self, number: int = signal.SIGTERM) -> None:
        """Ask for the end."""
        self.signal = self.signal or number

    @property
    def is_said(self) -> bool:
        """Whether somebody has."""
        return bool(self.signal)

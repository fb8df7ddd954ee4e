"""How a batch is divided among processes and passes, and what becomes of that when memory runs out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.errors import UsageError

TOKENS_AT_ONCE = 8192
"""Tokens of one forward pass, unless rows at once are given: about 4 of the paper's rows."""


@dataclass(frozen=True, slots=True)
class Division:
    """``micro`` × ``accumulation`` × ``processes`` rows make a step."""

    micro: int
    """Rows that go through the model at once, in each process."""
    accumulation: int
    """Passes whose gradients are added up."""
    processes: int

    @property
    def batch(self) -> int:
        """Rows of a step."""
        return self.micro * self.accumulation * self.processes

    def halved(self) -> Division | None:
        """The same batch in passes of at most half the rows; ``None`` where a pass is one row already."""
        if self.micro == 1:
            return None
        micro = next(size for size in range(self.micro // 2, 0, -1) if (self.micro * self.accumulation) % size == 0)
        return Division(micro, self.micro * self.accumulation // micro, self.processes)


def divide(batch: int, *, processes: int, most: int | None, max_length: int, rows_each: int = 1) -> Division:
    """Divide a batch so that no pass holds more than ``most`` rows, or about ``TOKENS_AT_ONCE`` tokens.

    Args:
        batch: Rows of a step.
        processes: That share it.
        most: Rows of a pass; ``None``: by their length.
        max_length: Tokens that a row may have.
        rows_each: Sequences that each row makes of itself: 2 where it is a pair.

    Raises:
        UsageError: the processes cannot share it evenly.
    """
    if batch % processes:
        raise UsageError(
            f"a batch of {batch} cannot be shared by {processes} processes: take a multiple of {processes}"
        )
    share = batch // processes
    most = most or max(1, TOKENS_AT_ONCE // (max_length * rows_each))
    micro = next(size for size in range(min(most, share), 0, -1) if share % size == 0)
    return Division(micro, share // micro, processes)

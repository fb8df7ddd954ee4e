"""The rows that are wanted, as a status tells them."""

from __future__ import annotations

from star_agents.observe.status.model import view_model


@view_model
class Target:
    """How many rows the dataset is to have."""

    shape: str
    """``sft``, ``preference``, ``reward`` or ``instruction``."""
    wanted: int
    rows: int
    """That are in the dataset."""
    spare: int
    """That are kept beside it, for a larger number."""
    sentence: str
    """All of it in words."""

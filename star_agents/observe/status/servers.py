"""Servers that are started beside the work, as a status tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from star_agents.observe.status.model import view_model


@view_model
class ServerState:
    """One server of `serve` in agents.yaml."""

    agents: Sequence[str]
    """Whom it serves."""
    state: Literal["waiting", "starting", "ready", "attached", "ended", "down", "stopping"]
    """``waiting``: until somebody asks it; ``attached``: it ran already and is used; ``ended``: it is started again;
    ``down``: given up."""
    address: str
    pid: int | None
    """Null where none runs that was started here."""
    ready_after_s: float | None
    """Seconds from its newest start until it could be asked; null before."""
    restarts: int
    """How often it was started again."""
    gpu_memory: int | None
    """Bytes of GPU memory that its processes hold; null where nobody can say."""
    log: str
    """File of what it writes."""
    trouble: str
    """Why it cannot be asked; empty where it can."""
    sentence: str
    """All of it in words."""

"""What a store needs now and then besides work: texts that are older than `retention_days` go."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from star_agents.engine.engine import Engine
from star_agents.storage.store import Store

_EVERY_S = 3600.0
_DAY_S = 86_400.0


async def keep_up(line: Engine, now: Callable[[], float]) -> None:
    """Look after the store of a running line, once an hour, for as long as it is not cancelled."""
    while True:
        if line.config.retention_days is not None:
            await forget_texts(line.store, line.config.retention_days, now())
        await anyio.sleep(_EVERY_S)


async def forget_texts(store: Store, days: float, now: float) -> None:
    """Clear texts of seeds that were done more than ``days`` ago, a small batch per transaction."""
    while await store.clear_texts(now - days * _DAY_S):
        pass

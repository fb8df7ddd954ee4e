"""Telling a worker that is being ended from a recipe that lets an error of a cancelled task through."""

from __future__ import annotations

import asyncio
import math

import anyio


def is_being_cancelled() -> bool:
    """Whether whoever began the running task is ending it."""
    return anyio.current_effective_deadline() == -math.inf


def raise_if_cancelled(error: BaseException) -> None:
    """Raise an error again that ends the running task in earnest, which a coroutine must let through; of any other,
    forget what asked for it: a task that cancels itself would else be cancelled for good.

    Args:
        error: As it was caught.
    """
    if isinstance(error, GeneratorExit) or is_being_cancelled():
        raise error
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()

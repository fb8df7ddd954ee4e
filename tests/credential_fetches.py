"""Threads that fetch credentials, which go on behind a call that was given up."""

from __future__ import annotations

import asyncio
import threading


async def fetches_have_ended() -> None:
    """Wait for the threads that fetch."""
    for thread in threading.enumerate():
        if thread.name == "credentials":
            await asyncio.to_thread(thread.join, 30.0)

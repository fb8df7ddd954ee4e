"""Chunks of rows through the scorer: a few at once, so that it never waits, and kept in the order of the rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import anyio
from anyio import to_thread

from star_agents.records import Sample, Score

IN_FLIGHT = 3
"""Chunks between file and journal: one being scored, one waiting behind it, one to spare. It protects memory."""

Samples = list[Sample | str]
"""A chunk of rows as samples; for a row that is none, the reason."""


@dataclass(eq=False, slots=True)
class _Chunk:
    samples: Samples
    scores: list[Score] = field(default_factory=list[Score])
    done: anyio.Event = field(default_factory=anyio.Event)


async def score_in_order(
    ask: Callable[[Samples], Awaitable[list[Score]]],
    chunks: Iterator[Samples],
    keep: Callable[[list[Score]], Awaitable[None]],
) -> None:
    """Ask for the scores of every chunk and keep them, chunk after chunk.

    ``chunks`` is read in a worker thread. What ``ask``, ``chunks`` or ``keep`` raises ends everything; a task group
    wraps it.
    """
    asked, answered = anyio.create_memory_object_stream[_Chunk](IN_FLIGHT - 2)  # and one in the hand on each side

    async def answer(chunk: _Chunk) -> None:
        chunk.scores = await ask(chunk.samples)
        chunk.done.set()

    async def ask_all() -> None:
        async with asked:
            while samples := await to_thread.run_sync(next, chunks, None):
                chunk = _Chunk(samples)
                tasks.start_soon(answer, chunk)
                await asked.send(chunk)

    async with anyio.create_task_group() as tasks, answered:
        tasks.start_soon(ask_all)
        async for chunk in answered:
            await chunk.done.wait()
            await keep(chunk.scores)

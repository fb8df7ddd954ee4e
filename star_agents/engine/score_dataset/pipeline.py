"""Chunks of rows through the scorer: a few at once, so that it never waits, and kept in the order of the rows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import anyio
from anyio import to_thread

from star_agents.records import Sample, Score
from star_agents.scoring import ScorerFacts

IN_FLIGHT = 3
"""Chunks between file and journal: one being scored, one waiting behind it, one to spare. It protects memory."""

CHUNK_SECONDS = 1.0
"""Work that a kill may cost: a chunk is as many rows as were scored in that time."""
SMALLEST_CHUNK, LARGEST_CHUNK = 8, 1024

Samples = list[Sample | str]
"""A chunk of rows as samples; for a row that is none, the reason."""


class Scoring(Protocol):
    """What is needed of a ``Scorer``: models while it is entered, and scores in order."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """One score per sample, in order."""

    def describe(self) -> ScorerFacts:
        """What is loaded."""


def chunks(samples: Iterator[Sample | str], done: Callable[[], int]) -> Iterator[Samples]:
    """Samples, as many at once as the scorer does in ``CHUNK_SECONDS``; ``done`` counts those that are scored."""
    before, size, started = done(), SMALLEST_CHUNK, 0.0
    while chunk := list(itertools.islice(samples, size)):
        started = started or time.monotonic()
        yield chunk
        per_second = (done() - before) / max(time.monotonic() - started, 1e-9)
        size = min(max(round(per_second * CHUNK_SECONDS), SMALLEST_CHUNK), LARGEST_CHUNK, 2 * size)


async def scores_of(scorer: Scoring, mode: str, samples: Samples) -> list[Score]:
    """The scores of a chunk, in order; a row that is no sample has its reason for a score."""
    scores = iter(await scorer.score([sample for sample in samples if isinstance(sample, Sample)]))
    return [next(scores) if isinstance(one, Sample) else Score(reason=one, formula=mode) for one in samples]


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

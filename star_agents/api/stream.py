"""`stream`: the outcomes of a batch as they are committed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from star_agents.api.inputs import ConfigLike, SeedsLike
from star_agents.api.job import CANCELLED, Job, keep_loop_turning
from star_agents.api.result import RunResult
from star_agents.api.run import Options, batch_of, options_of
from star_agents.engine.host import Pace
from star_agents.engine.interruption import Stop
from star_agents.engine.seed_sources import ByChance
from star_agents.errors import UsageError
from star_agents.events import Event, OutcomeCommitted
from star_agents.records import Outcome

LEFT = Stop(by="whoever reads its outcomes", again=CANCELLED.again, number=CANCELLED.number)


def stream(
    config: ConfigLike,
    seeds: SeedsLike,
    *,
    out: str | os.PathLike[str],
    limit: int | None = None,
    sample: int | None = None,
    shuffle: int | None = None,
    concurrency: int | None = None,
    skip_bad: bool = False,
    retry_dropped: bool = False,
    progress: bool = False,
    ahead: int | None = None,
) -> OutcomeStream:
    """Run a batch and iterate over its outcomes: ``async for outcome in stream(...)``, in an event loop of asyncio.

    Each outcome is durable when it comes, with its candidates, scores, verdicts and costs, and they come in the order
    in which they took effect. Those of earlier runs in the folder do not come again (``Folder(out).rows()`` has them).
    A reader that lags behind holds the work back, so memory and spending are bounded by ``ahead``.

    Leaving the loop early finishes the seeds in hand, for up to ``server.drain_s`` seconds, and writes the files of
    the folder; it begins at once and goes on beside the caller. ``async with stream(...) as outcomes`` waits for that,
    and so does the next call on the same folder. Nothing is read, checked or started before the first step.

    Args:
        config: As in ``run``.
        seeds: As in ``run``.
        out: As in ``run``.
        limit: As in ``run``.
        sample: As in ``run``.
        shuffle: As in ``run``.
        concurrency: As in ``run``.
        skip_bad: As in ``run``.
        retry_dropped: As in ``run``.
        progress: Show progress on standard error.
        ahead: Seeds in hand and outcomes that were not taken yet, together, at most; unless given twice the
            concurrency.

    Raises:
        UsageError: ``ahead`` or ``limit`` makes no sense.
    """
    if ahead is not None and ahead < 1:
        raise UsageError(f"ahead={ahead} must be at least 1")
    options = options_of(out, limit, skip_bad, retry_dropped, progress, ByChance(sample, shuffle))
    return OutcomeStream(config, seeds, options, concurrency=concurrency, ahead=ahead)


@dataclass(slots=True)
class _Progress:
    """What a stream and its generator share; the generator knows no more of its stream, so that this can be dropped."""

    job: Job[RunResult] | None = None
    result: RunResult | None = None

    def leave(self) -> None:
        """Let the job drain, if there is one that works."""
        if self.job is not None and not self.job.is_done:
            self.job.stop(LEFT)


class OutcomeStream(AsyncIterator[Outcome]):
    """The outcomes of one batch; made by ``stream``. One task may go through it, once."""

    def __init__(
        self, config: ConfigLike, seeds: SeedsLike, options: Options, *, concurrency: int | None, ahead: int | None
    ) -> None:
        self._progress = _Progress()
        self._outcomes = _outcomes(config, seeds, options, concurrency, ahead, self._progress)

    @property
    def result(self) -> RunResult | None:
        """What came of the run; ``None`` before its end, and where it was left early."""
        return self._progress.result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """The next outcome.

        Raises:
            StopAsyncIteration: the last seed is done.
            StarAgentsError: as ``run`` raises them.
        """
        return await anext(self._outcomes)

    async def aclose(self) -> None:
        """Finish what is in hand and close; waits until that is done. Twice does nothing."""
        await self._outcomes.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # Whoever leaves the loop drops this; the work drains from here on, whatever the event loop does next.
        self._progress.leave()


async def _outcomes(
    config: ConfigLike,
    seeds: SeedsLike,
    options: Options,
    concurrency: int | None,
    ahead: int | None,
    progress: _Progress,
) -> AsyncGenerator[Outcome]:
    batch = await batch_of(config, seeds, options, concurrency)
    pace = Pace(ahead or 2 * batch.given.config.concurrency)
    here, waiting = asyncio.get_running_loop(), asyncio.Queue[Outcome | None]()

    def pass_on(outcome: Outcome | None) -> None:
        try:
            here.call_soon_threadsafe(waiting.put_nowait, outcome)
        except RuntimeError:  # The reader's event loop is closed: nobody will take it.
            progress.leave()

    def hear(event: Event) -> None:
        if isinstance(event, OutcomeCommitted):
            pace.committed()
            pass_on(event.outcome)

    job = progress.job = batch.job(pace=pace, hear=hear)
    job.when_done(lambda: pass_on(None))
    job.start()
    try:
        while (outcome := await _next(waiting)) is not None:
            job.words.soon(pace.taken)
            yield outcome
        progress.result = await job.end()
        progress.result.warn_if_stopped(stacklevel=3)
    finally:
        progress.leave()
        await job.drained()


async def _next(waiting: asyncio.Queue[Outcome | None]) -> Outcome | None:
    with keep_loop_turning():
        return await waiting.get()

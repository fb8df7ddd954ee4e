"""The steps of one provider's batch, from what is decided on to what is deleted; each is durable before the next.

decided on → (uploaded) → made at the provider → its id → results, part by part → the end → files deleted → done with

A process may die between any two. Whatever was decided on before this process began is looked for at the provider
first: it may have been made, and paid for, without anybody here having heard its id.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import IO

import anyio
import anyio.to_thread

from star_agents.agents.batching.agent import AgentBatching
from star_agents.agents.batching.protocol import BatchedCall, Look, Result, Submission
from star_agents.agents.budgets import Charge
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.translate import translate
from star_agents.bench.batched_calls import BatchedCalls
from star_agents.errors import AgentRefused
from star_agents.events import BatchEnded, BatchSubmitted, CallAnswered, CallFailed
from star_agents.observe.bus import Bus
from star_agents.process.crash_points import crash_point
from star_agents.storage.batch_rows import BatchRow, EndOfBatch, ResultRow, TakenIn, Unanswered
from star_agents.storage.store import Store
from star_agents.text.redaction import redactor

_PAGE = 500
"""Calls that are read from the store at once."""
_PART = 200
"""Results that are taken in at once: other verbs of the store wait for it."""
_QUOTED = 1_000
_LINES_PER_CALL, _LINES_BESIDES = 10, 1_000
"""Lines of results that are read, ten times what an honest provider sends; what comes after them is left unread."""


class BatchSteps:
    """Takes batches from one step to the next.

    Args:
        store: Where each step is recorded.
        batched: Holds what is reserved for the calls.
        bus: Hears what became of them.
        store_id: Tells batches of this store from those of others in the same account.
        now: Seconds since 1970.
        on_answers: Hears how many seeds may go on.
    """

    def __init__(
        self,
        store: Store,
        batched: BatchedCalls,
        bus: Bus,
        store_id: str,
        now: Callable[[], float],
        on_answers: Callable[[int], None],
    ) -> None:
        self._store = store
        self._batched = batched
        self._bus = bus
        self._store_id = store_id
        self._now = now
        self._on_answers = on_answers

    async def submit(self, row: BatchRow, batching: AgentBatching, *, is_new: bool) -> bool:
        """Have a batch made at the provider, or find that it is; where the provider refuses it for good, it has ended.

        Args:
            row: The batch.
            batching: Of its agent.
            is_new: Nobody can have asked for it before.

        Returns:
            Whether nothing was done, since it cannot be told yet whether the provider has it.

        Raises:
            Exception: Whatever the way to the provider raised; it is to be looked for before it is asked for anew.
        """
        submission = await self._submission(row)
        if not is_new:
            found = await batching.provider.find(submission)
            if found.id:
                await self._note_submitted(row, found.id, was_found=True)
            if found.id or found.is_uncertain:
                return not found.id
        try:
            id_ = await self._create(submission, row, batching)
        except HttpFailure as failure:
            if not _is_refusal(failure, row):
                raise
            await self._refused(row, batching, failure)
            return False
        crash_point("batch_created")
        with anyio.CancelScope(shield=True):
            await self._note_submitted(row, id_, was_found=False)
        return False

    async def _create(self, submission: Submission, row: BatchRow, batching: AgentBatching) -> str:
        with tempfile.TemporaryFile(dir=self._store.folder) as lines:
            await self._write(row.id, batching, lines)
            if not submission.input_file:
                with _from_the_beginning(lines) as sent:
                    file = await batching.provider.upload(submission, sent)
                await self._store.batches.note_input_file(row.id, file)
                submission = replace(submission, input_file=file)
                crash_point("batch_uploaded")
            with _from_the_beginning(lines) as sent:
                return await batching.provider.create(submission, sent)

    async def _refused(self, row: BatchRow, batching: AgentBatching, failure: HttpFailure) -> None:
        if row.input_file:  # Of an earlier try: it may be the file that is gone. The next try uploads another one.
            await self._store.batches.note_input_file(row.id, "")
            raise failure
        told = {"status": failure.status_code, "said": redactor.text(str(failure)[:_QUOTED])}
        end = EndOfBatch(said="refused", tries=0, falls_back=batching.settings.fall_back, failure=told)
        await self.end(row, end, why=str(translate(failure, agent=row.agent, model=row.model)))

    async def _submission(self, row: BatchRow) -> Submission:
        return Submission(
            id=row.id,
            store=self._store_id,
            requests=row.requests,
            made_at=row.made_at,
            input_file=row.input_file,
            keys=await self._store.batches.keys(row.id),
            known=await self._store.batches.known_ids(),
        )

    async def _note_submitted(self, row: BatchRow, id_: str, *, was_found: bool) -> None:
        await self._store.batches.note_submitted(row.id, id_)
        crash_point("batch_submitted")
        self._bus.publish(
            BatchSubmitted(agent=row.agent, batch=row.id, provider_id=id_, requests=row.requests, was_found=was_found)
        )

    async def _write(self, batch: str, batching: AgentBatching, lines: IO[bytes]) -> None:
        """Write the calls of a batch as the provider takes them, a page at a time."""
        provider, after = batching.provider, ""
        opening, between, closing = provider.framing
        lines.write(opening)
        while page := await self._store.batches.requests(batch, after=after, limit=_PAGE):
            written = between.join(provider.line(BatchedCall.from_dict(key, request)) for key, request in page)
            await anyio.to_thread.run_sync(lines.write, between + written if after else written)
            after = page[-1][0]
        lines.write(closing)

    async def take_in(self, row: BatchRow, batching: AgentBatching, look: Look) -> None:
        """Record all results of a batch that has ended, and that it has; what came twice or of nowhere is counted.

        Raises:
            Exception: Whatever the way to the provider raised. What was recorded is passed over the next time.
        """
        await self._store.batches.begin_results(row.id)
        failed, unreadable, lost = 0, 0, look.is_lost
        seen: set[str] = set()
        part: list[ResultRow] = []
        bad = 0
        try:
            async with aclosing(batching.provider.results(look)) as lines:
                async for line in _at_most(_LINES_BESIDES + _LINES_PER_CALL * row.requests, lines):
                    try:
                        result = batching.provider.read(line)
                    except (ValueError, LookupError, TypeError, AttributeError):
                        bad += 1
                    else:
                        part.append(_result_row(result, batching, is_repeated=result.key in seen))
                        seen.add(result.key)
                    if len(part) + bad >= _PART:
                        taken = await self._take_part(row, batching, part, bad)
                        failed, unreadable, part, bad = failed + taken.failed, unreadable + taken.unreadable, [], 0
        except (HttpFailure, _EndlessResults) as failure:
            if isinstance(failure, HttpFailure) and failure.status_code != 404:
                raise
            lost = True  # Thrown away by the provider, or among far too many: whoever wrote them was paid.
        taken = await self._take_part(row, batching, part, bad)
        failed, unreadable = failed + taken.failed, unreadable + taken.unreadable
        problem = {"status": 400, "said": look.problem[:_QUOTED]} if look.problem else None
        await self.end(
            row,
            EndOfBatch(
                said=look.said,
                tries=batching.settings.tries,
                falls_back=batching.settings.fall_back,
                may_be_paid=lost or unreadable > 0,
                was_taken=not look.is_full,
                failure=problem,
            ),
            failed=row.failed + failed,
            why=look.problem,
        )

    async def _take_part(self, row: BatchRow, batching: AgentBatching, part: list[ResultRow], bad: int) -> TakenIn:
        with anyio.CancelScope(shield=True):
            taken = await self._store.batches.take_in(row.id, part, bad, batching.reply, batching.goes_alone)
            crash_point("results_taken_in")
        for key, seed_id, step, reply in taken.answers:
            tokens = reply.prompt_tokens + reply.completion_tokens
            self._batched.settle(key, Charge(usd=reply.cost_usd, tokens=tokens or None))
            self._bus.publish(
                CallAnswered(
                    seed_id=seed_id,
                    step=step,
                    agent=row.agent,
                    model=reply.model,
                    seconds=max(0.0, self._now() - row.made_at),
                    prompt_tokens=reply.prompt_tokens,
                    completion_tokens=reply.completion_tokens,
                    cost_usd=reply.cost_usd,
                    from_journal=False,
                )
            )
        for key in taken.elsewhere:
            self._batched.cancel(key)
        for failure in taken.failures:
            self._batched.cancel(failure.key)
            error = batching.error(failure.failure)
            self._bus.publish(
                CallFailed(
                    seed_id=failure.seed_id,
                    step=failure.step,
                    agent=row.agent,
                    seconds=max(0.0, self._now() - row.made_at),
                    outcome="refused",
                    error=str(error),
                )
            )
        self._on_answers(taken.unparked)
        return taken

    async def end(self, row: BatchRow, how: EndOfBatch, *, failed: int = 0, why: str = "") -> None:
        """Record that a batch has ended, and let what it left unanswered go on."""
        with anyio.CancelScope(shield=True):
            left = await self._store.batches.end(row.id, how)
            crash_point("batch_ended")
        lost = set(left.lost)
        for key in left.over:
            if key in lost:
                self._batched.settle(key, None)
            else:
                self._batched.cancel(key)
        self._batched.wait_for_batch(row.agent, left.again)
        self._bus.publish(_ended(row, how, left, failed, why))
        self._on_answers(left.unparked)

    async def delete(self, row: BatchRow, batching: AgentBatching) -> None:
        """Let the provider forget a batch whose results are all recorded, or the file of one that it refused."""
        if row.provider_id or row.input_file:
            look = await self._last_look(row, batching)
            look = replace(look, input_file=look.input_file or row.input_file)
            await batching.provider.delete(row.provider_id, look)
            crash_point("batch_deleted")
        await self._store.batches.close(row.id)

    async def _last_look(self, row: BatchRow, batching: AgentBatching) -> Look:
        """Where its files lie; a batch that is gone, or never was, has none but the one that was handed in."""
        if row.provider_id:
            try:
                return await batching.provider.look(row.provider_id)
            except HttpFailure as failure:
                if failure.status_code != 404:
                    raise
        return Look(is_ended=True, said=row.said, input_file=row.input_file)


class _EndlessResults(Exception):
    """Far more lines come than a batch has calls."""


async def _at_most(most: int, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    number = 0
    async for line in lines:
        number += 1
        if number > most:
            raise _EndlessResults
        yield line


@contextmanager
def _from_the_beginning(lines: IO[bytes]) -> Iterator[IO[bytes]]:
    """The same file for whoever sends it, and may close what it was given."""
    lines.flush()
    lines.seek(0)
    with os.fdopen(os.dup(lines.fileno()), "rb") as again:
        yield again


def _is_refusal(failure: HttpFailure, row: BatchRow) -> bool:
    """Whether a provider's no to a batch is meant for good."""
    return isinstance(translate(failure, agent=row.agent, model=row.model), AgentRefused)


def _result_row(result: Result, batching: AgentBatching, *, is_repeated: bool) -> ResultRow:
    failure = None
    if result.failure is not None:
        failure = {
            "status": result.failure.status_code,
            "said": redactor.text(str(result.failure)[:_QUOTED]),
        }
    return ResultRow(
        key=result.key,
        body=result.body if result.fate == "answered" else None,
        failure=failure,
        is_final=result.fate == "failed",
        is_repeated=is_repeated,
    )


def _ended(row: BatchRow, how: EndOfBatch, left: Unanswered, failed: int, why: str) -> BatchEnded:
    answered = row.requests - failed - left.calls
    told = f"batch {row.id[:12]} of agent {row.agent} ended as {how.said}: {answered:,} of {row.requests:,} answered"
    parts = [
        f"{failed:,} came back with an error" if failed else "",
        f"{left.again:,} wait for another batch" if left.again else "",
        f"{left.elsewhere:,} are sent alone, at the full price" if left.elsewhere else "",
        f"{left.failed:,} failed" if left.failed else "",
        f"{len(left.lost):,} may be paid for twice" if left.lost else "",
        redactor.text(why[:_QUOTED]),
    ]
    return BatchEnded(
        agent=row.agent,
        batch=row.id,
        said=how.said,
        requests=row.requests,
        answered=answered,
        failed=failed,
        unanswered=left.calls,
        again=left.again,
        maybe_paid=len(left.lost),
        message="; ".join(filter(None, (told, *parts))),
    )

"""Words to stop a campaign: one listener for all of it, which leads them to the batch where one is at work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from star_agents.engine.interruption import Stop, Stops, signals_to_stop

_WORDS_KEPT = 16


class Interrupted(Exception):
    """Somebody said to stop, and what was in hand is finished. Never leaves this room."""


class WordsToStop:
    """Where words to stop go.

    A batch that is at work finishes its seeds. Otherwise the work is cancelled: a training is asked to end, which
    writes a checkpoint, and a server too.

    Args:
        stops: Where the words come from.
    """

    def __init__(self, stops: Stops = signals_to_stop) -> None:
        self._stops = stops
        self._to_batch: MemoryObjectSendStream[Stop] | None = None
        self.number = 0
        """Of the first word; 0: none came."""

    async def obey(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work until it ends, or somebody says to stop. Raises whatever it raises but ``Interrupted``."""
        async with anyio.create_task_group() as tasks:
            with self._stops() as stops:
                tasks.start_soon(self._hear, stops, tasks.cancel_scope)
                with suppress(Interrupted):
                    await work()
                tasks.cancel_scope.cancel()

    async def _hear(self, stops: AsyncIterator[Stop], scope: anyio.CancelScope) -> None:
        async for stop in stops:
            self.number = self.number or stop.number
            if self._to_batch is None:
                scope.cancel()
            else:
                with suppress(anyio.WouldBlock):  # The second word says all that a third could.
                    self._to_batch.send_nowait(stop)

    @contextmanager
    def for_batch(self) -> Iterator[AsyncIterator[Stop]]:
        """Leads the words to a batch while it is entered."""
        send, receive = anyio.create_memory_object_stream[Stop](_WORDS_KEPT)
        self._to_batch = send
        try:
            with send, receive:
                yield receive
        finally:
            self._to_batch = None

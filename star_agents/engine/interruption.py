"""How a batch is told to stop, by signals or by the program around it: what is in hand is paid for and is finished."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple

import anyio

from star_agents.agents.client import AgentState
from star_agents.agents.throttle import in_words
from star_agents.engine.engine import Engine


class Stop(NamedTuple):
    """One word to stop."""

    by: str
    """Who says so: ``SIGINT``, ``its caller``."""
    again: str
    """What ends it at once, such as ``Ctrl-C again``."""
    number: int
    """The signal's, or the one that means the same."""


Stops = Callable[[], AbstractContextManager[AsyncIterator[Stop]]]
"""Listens for words to stop while it is entered."""


@contextmanager
def signals_to_stop() -> Iterator[AsyncIterator[Stop]]:
    """SIGINT, SIGTERM and SIGHUP of a process whose main thread runs the event loop."""
    with anyio.open_signal_receiver(*_signals()) as signals:
        yield _stops(signals)


async def _stops(signals: AsyncIterator[signal.Signals]) -> AsyncIterator[Stop]:
    async for number in signals:
        if number == signal.SIGHUP:
            write_to_nobody()
        again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
        yield Stop(by=signal.Signals(number).name, again=again, number=number)


class Interruption:
    """First word: finish the seeds in hand, for up to `server.drain_s`. Second: stop at once, still consistent.

    Whatever the seeds wait for, the limit holds: an agent that is down, one behind its own requests per minute, a judge
    in its exam.

    Args:
        line: What is told to stop.
        say: Tells the person what happens now.
        stops: Where the words come from.
    """

    def __init__(self, line: Engine, say: Callable[[str], None], stops: Stops = signals_to_stop) -> None:
        self._line = line
        self._say = say
        self._stops = stops
        self.signal = 0
        """Number of the first that came; 0 where none did."""

    async def watch(self, scope: anyio.CancelScope) -> None:
        """Obey until the work ends; the limit, or a second word, ends it by cancelling ``scope``."""
        with self._stops() as stops:
            async for stop in stops:
                if self.signal:
                    self._line.servers.hurry()
                    scope.cancel()
                    return
                self.signal = stop.number
                limit = self._line.config.server.drain_s
                scope.deadline = anyio.current_time() + limit
                in_hand, waits = self._line.queue.in_hand, "; ".join(waited_for(self._line.client.states()))
                self._say(
                    f"finishing {in_hand} seeds, whose calls are paid for; {stop.again} quits at once, and so it ends "
                    f"after {limit:g} s (`server.drain_s`){f'; waiting for {waits}' if waits else ''}"
                )
                self._line.stop(f"stopped by {stop.by}")

    def say_what_is_left(self) -> None:
        """The work ended before the seeds in hand did."""
        left = self._line.queue.in_hand
        self._say(f"{left} seeds were not finished and wait again; calls that were in flight may be paid for once more")


def _signals() -> list[signal.Signals]:
    """Those that end a batch. Who started it under ``nohup`` wants it to outlive the terminal."""
    hears_hangup = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hears_hangup else [])]


def write_to_nobody() -> None:
    """Lead what is written to a terminal that is gone nowhere: there, every word that is said would be an error."""
    poll = select.poll()
    for descriptor in (1, 2):
        with suppress(OSError):
            poll.register(descriptor, 0)  # A hang-up is told without being asked for.
    gone = [descriptor for descriptor, event in poll.poll(0) if event & (select.POLLHUP | select.POLLERR)]
    if gone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in gone:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)


def waited_for(states: Mapping[str, AgentState]) -> Iterator[str]:
    """Agents that calls wait for, each with the reason."""
    for name, state in states.items():
        slowed = ", ".join(in_words(one.cause) for one in state.throttled)
        if state.is_down:
            errors = "; ".join(one.last_error for one in state.deployments if one.last_error)
            yield f"agent {name}, which is down{f' ({errors})' if errors else ''}"
        elif slowed:
            yield f"agent {name}, which is slowed down by {slowed}"

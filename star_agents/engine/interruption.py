"""SIGINT, SIGTERM and SIGHUP of a batch: what is in hand is paid for and is finished, within a limit."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import anyio

from star_agents.agents.client import AgentState
from star_agents.agents.throttle import in_words
from star_agents.engine.engine import Line


class Interruption:
    """First signal: finish the seeds in hand, for up to `server.drain_s`. Second: stop at once, still consistent.

    Whatever the seeds wait for, the limit holds: an agent that is down, one behind its own requests per minute, a judge
    in its exam (issue 12, item 2).

    Args:
        line: What is told to stop.
        say: Tells the person what happens now.
    """

    def __init__(self, line: Line, say: Callable[[str], None]) -> None:
        self._line = line
        self._say = say
        self.signal = 0
        """Number of the first one that came; 0 where none did."""

    async def watch(self, scope: anyio.CancelScope) -> None:
        """Obey signals until the work ends; the limit, or a second signal, ends it by cancelling ``scope``."""
        with anyio.open_signal_receiver(*_signals()) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    write_to_nobody()
                if self.signal:
                    scope.cancel()
                    return
                self.signal = number
                again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
                limit = self._line.config.server.drain_s
                scope.deadline = anyio.current_time() + limit
                in_hand, waits = self._line.queue.in_hand, "; ".join(waited_for(self._line.client.states()))
                self._say(
                    f"finishing {in_hand} seeds, whose calls are paid for; {again} quits at once, and so it ends after "
                    f"{limit:g} s (`server.drain_s`){f'; waiting for {waits}' if waits else ''}"
                )
                self._line.stop(f"stopped by {signal.Signals(number).name}")

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

"""Tells systemd how the daemon is: one datagram to ``$NOTIFY_SOCKET``, no dependency (sd_notify(3)).

Elsewhere the variable is not set, and nothing here does anything.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

import anyio

from star_agents.errors import StoreError

_SEND_LIMIT_S = 1.0
"""A service manager that does not read must not hold up the event loop for longer."""
_GRACE_S = 30.0
"""What an orderly end may take beyond the wait for calls in flight: commits, the memory bank's index."""

Sleep = Callable[[float], Awaitable[None]]


class Notifier:
    """The service manager's socket, or nobody.

    Args:
        address: Path of a datagram socket, ``@name`` for an abstract one; empty: nobody listens.
        watchdog_s: Seconds within which the manager wants a sign of life; ``None`` where it wants none.
    """

    def __init__(self, address: str = "", *, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    @classmethod
    def of(cls, environment: Mapping[str, str], *, pid: int | None = None) -> Self:
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``; what cannot be read counts as not set.

        Args:
            environment: As ``os.environ``.
            pid: Our own, which the watchdog may be meant for or not.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        meant_for = environment.get("WATCHDOG_PID", "") or str(os.getpid() if pid is None else pid)
        period = environment.get("WATCHDOG_USEC", "")
        is_wanted = period.isascii() and period.isdecimal() and int(period) > 0
        is_ours = meant_for == str(os.getpid() if pid is None else pid)
        return cls(
            address if address.startswith(("/", "@")) else "",
            watchdog_s=int(period) / 1e6 if is_wanted and is_ours else None,
        )

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is done."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def reloading(self) -> None:
        """Agents.yaml is being looked at; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str, *, within_s: float) -> None:
        """The daemon drains, and asks to be left the seconds that may take."""
        allowed = int((within_s + _GRACE_S) * 1e6)
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={allowed}\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """One line for people, shown by ``systemctl status``."""
        self._send(f"STATUS={_line(status)}")

    async def keep_alive(self, answers: Callable[[], Awaitable[object]], *, sleep: Sleep = anyio.sleep) -> None:
        """Ping at half the watchdog's period, for as long as the event loop turns and ``answers`` returns in time.

        An error is an answer too: a full disk is not mended by a restart, a thread that hangs may be. Returns at once
        where no watchdog is wanted.
        """
        if self.watchdog_s is None or not self._address:
            return
        half = self.watchdog_s / 2
        while True:
            with anyio.move_on_after(half):
                await _answered(answers)
                self._send("WATCHDOG=1")
            await sleep(half)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.settimeout(_SEND_LIMIT_S)
                door.sendto(message.encode("utf-8", "replace"), self._address)
        except OSError:
            # A manager that is gone or full is no reason to stop: the work is ours, the news are theirs.
            return


async def _answered(answers: Callable[[], Awaitable[object]]) -> None:
    try:
        await answers()
    except StoreError:
        return


def _line(text: str) -> str:
    """The protocol is made of lines; a status is one."""
    return " ".join(text.split())

"""What a service manager hears, on a real datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from star_agents.errors import StoreError
from star_agents.process.systemd import Notifier


class Manager:
    """The end of the socket that systemd would hold."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._door.settimeout(10)

    def hears(self) -> list[str]:
        """The lines of the next datagram."""
        return self._door.recv(4096).decode().split("\n")

    def hears_nothing(self) -> bool:
        self._door.setblocking(False)
        try:
            self._door.recv(4096)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._door.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@star-agents-test-{os.getpid()}"
    made = Manager(address)
    yield made
    made.close()


def test_every_message_is_one_datagram_in_the_manager_s_words(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.ready("http://127.0.0.1:8321\nready")
    assert manager.hears() == ["READY=1", "STATUS=http://127.0.0.1:8321 ready"]

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = manager.hears()
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    notifier.stopping("draining", within_s=60)
    stopping, extended, status = manager.hears()
    assert (stopping, status) == ("STOPPING=1", "STATUS=draining")
    assert int(extended.removeprefix("EXTEND_TIMEOUT_USEC=")) > 60e6

    notifier.status("12 waiting")
    assert manager.hears() == ["STATUS=12 waiting"]


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path", "/nowhere/at/all", "@nobody-listens-here"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    notifier.ready("x")
    notifier.reloading()
    notifier.stopping("x", within_s=1)


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "7"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_s_period_is_read_where_it_is_meant_for_us(
    variables: dict[str, str], seconds: float | None
) -> None:
    assert Notifier.of({"NOTIFY_SOCKET": "/x", **variables}, pid=7).watchdog_s == seconds


class Enough(Exception):
    """Ends a watch that would go on for ever."""


async def test_the_watchdog_is_fed_at_half_its_period_while_the_store_answers(manager: Manager) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise Enough

    async def answers() -> None:
        if len(slept) == 1:
            raise StoreError("the disk is full")

    with pytest.raises(Enough):
        await Notifier(manager.address, watchdog_s=20.0).keep_alive(answers, sleep=sleep)
    assert slept == [10.0, 10.0, 10.0]
    assert [manager.hears() for _ in slept] == [["WATCHDOG=1"]] * 3


async def test_a_store_that_hangs_gets_no_ping(manager: Manager) -> None:
    async def sleep(_: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        await Notifier(manager.address, watchdog_s=0.02).keep_alive(anyio.sleep_forever, sleep=sleep)
    assert manager.hears_nothing()


async def test_without_a_watchdog_there_is_nothing_to_keep_alive(manager: Manager) -> None:
    await Notifier(manager.address).keep_alive(anyio.sleep_forever)
    assert manager.hears_nothing()

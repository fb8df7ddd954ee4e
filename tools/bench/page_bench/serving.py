"""A daemon at work on one core, and those who look at it from the others."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from calls_bench import product
from calls_bench.product import Place
from calls_bench.seeds import seed_rows
from calls_bench.watching import cpu_s, tree

READY_S = 300.0
POLL_S = 0.1
PER_POST = 2000


class Daemon:
    """`serve` on a folder, once it is ready."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, starting_s: float) -> None:
        self._process = process
        self.url = url
        self.starting_s = starting_s
        """From the start of the process until it was ready."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request, in JSON."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {told[:500]!r}")
        return json.loads(told)

    def add(self, first: int, count: int) -> None:
        """Queue so many seeds, from the one with this number on: the newest outcome's, and none was there before."""
        rows = seed_rows(first + count)[first:]
        for start in range(0, count, PER_POST):
            self.ask("POST", "/v1/seeds", rows[start : start + PER_POST])

    def cpu_s(self) -> float:
        """User and system time of the daemon and its children so far."""
        return sum(map(cpu_s, tree(self._process.pid)))

    def latest_seq(self) -> int:
        """The newest outcome."""
        return int(self.ask("GET", "/v1/outcomes?limit=1")["outcomes"][0]["seq"])

    def wait_for(self, seq: int) -> None:
        """Until there is such an outcome."""
        while self.latest_seq() < seq:
            if self._process.poll() is not None:
                sys.exit(f"the daemon ended with {self._process.returncode}")
            time.sleep(0.5)


@contextmanager
def serving(place: Place, config: Path, data: Path) -> Iterator[Daemon]:
    """Run the daemon on the core of what is measured; it is drained at the end."""
    command = [sys.executable, "-m", "star_agents", "serve", "-c", str(config), "--data-dir", str(data), "--port", "0"]
    began = time.monotonic()
    log = (place.folder / "daemon.log").open("wb+")
    process = subprocess.Popen(
        command, cwd=place.product, env=product.environment(place.product), stdout=subprocess.DEVNULL, stderr=log
    )
    try:
        os.sched_setaffinity(process.pid, {place.core})
        yield Daemon(process, _url(process, Path(log.name)), time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(timeout=120)
        log.close()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        for line in log.read_bytes().splitlines():
            told = json.loads(line) if line.startswith(b"{") and line.endswith(b"}") else {}
            if told.get("event") == "state_changed" and told.get("state") in ("ready", "paused"):
                return str(told["detail"]).split()[0]
        time.sleep(0.05)
    sys.exit(f"the daemon was not ready in {READY_S:.0f} s:\n{log.read_text()[-3000:]}")


class Pages:
    """Event streams that are read while the context is open."""

    def __init__(self, place: Place, url: str, count: int) -> None:
        command = [sys.executable, "-m", "page_bench.readers", "--url", url, "--count", str(count)]
        self._process = subprocess.Popen(
            command, env=product.environment(place.product), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "open\n":
            sys.exit("the readers could not open their streams")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def end(self, last: int) -> dict[str, list[int]]:
        """What each of them got until the outcome ``last``."""
        out, _ = self._process.communicate(f"{last}\n")
        told: dict[str, list[int]] = json.loads(out)
        return told


class Polling:
    """Asks for the status again and again while the context is open; ``seconds`` is how long each answer took."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.seconds: list[float] = []

    def _poll(self) -> None:
        while not self._over.wait(POLL_S):
            began = time.perf_counter()
            self._ask()
            self.seconds.append(time.perf_counter() - began)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

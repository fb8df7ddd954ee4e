"""A real daemon or batch in a process of its own, and the test server in another that survives its kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import fork_server

PATIENCE_S = 90.0
"""How long a test waits for something that a healthy daemon does in a second or two."""


class Running:
    """A `star_agents` process whose JSON log lines are read as they come."""

    def __init__(self, *arguments: str | Path, environ: Mapping[str, str] = {}) -> None:
        self.process = fork_server.start(arguments, environ=_environment(environ))
        self.lines: list[dict[str, Any]] = []
        self.other: list[str] = []
        self._news = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._news:
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.other.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()

    def wait_for(self, event: str, test: Callable[[dict[str, Any]], bool] = lambda line: True) -> dict[str, Any]:
        """The first log line of that event that passes the test."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if line.get("event") == event and test(line)), None)

        with self._news:
            if not self._news.wait_for(lambda: found() is not None or self._is_over, PATIENCE_S):
                raise TimeoutError(f"no {event} within {PATIENCE_S} s; log: {self.lines[-5:]} {self.other[-5:]}")
            line = found()
        assert line is not None, f"the process ended without {event}: {self.lines[-5:]} {self.other[-5:]}"
        return line

    def wait_until(self, test: Callable[[], bool]) -> bool:
        """Look with every log line whether the test holds; False where it does not in time, or the process ended."""
        with self._news:
            self._news.wait_for(lambda: test() or self._is_over, PATIENCE_S)
            return test()

    def count(self, event: str) -> int:
        """How many lines of that event there are so far."""
        with self._news:
            return sum(1 for line in self.lines if line.get("event") == event)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, hear the process out, and return the exit code."""
        self.process.send_signal(number)
        code: int = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=PATIENCE_S)
        self.process.close()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "LINE_TEST_KEY": "sk-line-test", **more}


def star_agents(
    *arguments: str | Path | float, environ: Mapping[str, str] = {}, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, to its end."""
    words = [str(one) for one in arguments]
    with fork_server.start(words, environ=_environment(environ), cwd=cwd) as process:
        out, errors = process.communicate()
        return subprocess.CompletedProcess(["star_agents", *words], process.wait(PATIENCE_S), out, errors)


def replace(path: Path, text: str) -> None:
    """As editors do: write a new file, then rename it over the old one."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(path)


@contextmanager
def provider(book: Path) -> Iterator[str]:
    """The OpenAI-compatible test server as a process with a book of what it charged; yields its base URL."""
    with fork_server.start(["--book", book], module="openai_server") as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def charges(book: Path) -> Counter[str]:
    """How often each request was charged, after the provider's book; a line still being written does not count yet."""
    if not book.exists():
        return Counter()
    whole, _, _ = book.read_text().rpartition("\n")
    return Counter(json.loads(line)["sha256"] for line in whole.splitlines())


def taken(new: int, *, known: int = 0, repeated: int = 0, not_read: Sequence[str] = ()) -> dict[str, Any]:
    """What is answered to seeds that were taken in."""
    return {"new": new, "duplicates": known, "repeated": repeated, "not_read": list(not_read)}


def rows(start: int, count: int) -> list[dict[str, str]]:
    """Distinct seeds with a response, as they are posted."""
    return [
        {"instruction": f"What follows {n}?", "output": f"After it comes {n + 1}."} for n in range(start, start + count)
    ]


def post(base: str, data: Any, path: str = "/v1/seeds", **headers: str) -> dict[str, Any]:
    """POST plain data."""
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(base + path, json.dumps(data).encode(), sent, method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def get(base: str, path: str) -> Any:
    """GET plain data."""
    with urllib.request.urlopen(base + path, timeout=60) as response:
        return json.load(response)


def start(folder: Path, config: str) -> tuple[Running, str]:
    """A daemon on ``folder/data`` that is ready, and its base URL."""
    path = folder / "agents.yaml"
    path.write_text(config)
    daemon = Running("serve", "-c", path, "--data-dir", folder / "data", "--port", "0")
    ready = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
    return daemon, ready["detail"].split()[0]


def fetch(url: str, token: str, data: object = None) -> str:
    """What a door says, refusals included, as text; with data a POST."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, data=body, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read())


def refusal(base: str, data: Any = None, path: str = "/v1/seeds", **headers: str) -> urllib.error.HTTPError:
    """How the daemon refuses a POST, or without data a GET."""
    try:
        answer = get(base, path) if data is None else post(base, data, path, **headers)
    except urllib.error.HTTPError as error:
        error.close()
        return error
    raise AssertionError(f"it was answered: {answer}")

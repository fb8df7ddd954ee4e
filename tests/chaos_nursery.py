"""Daemons that are killed by the dozen: one process forks them, so that a life costs no imports.

A child is `star_agents` with arguments and variables of its own; *cold*, it is a fresh interpreter, as a user starts
it. All children write their log to one pipe, one child after another, and the nursery tells there who was born and how
it ended: whoever reads the pipe hears everything in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import fork_server

PATIENCE_S = 90.0
"""How long anything is waited for that a healthy daemon does in a second or two."""
_BORN, _ENDED = "nursery_born", "nursery_ended"

Line = Mapping[str, Any]


class Nursery:
    """One daemon at a time; use as a context manager.

    Args:
        cold: Start each as a fresh interpreter.
    """

    def __init__(self, *, cold: bool = False) -> None:
        self._cold = cold
        self.lines: list[Line] = []
        """The log of the child that was started last."""
        self.noise: list[str] = []
        """Whatever any child wrote to standard error that is no log line; a kill may tear a line."""
        self.pid = 0
        """Of the child that was started last."""
        self._code: int | None = None
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        tests = Path(__file__).resolve().parent
        environment = {**os.environ, "LINE_TEST_KEY": "sk-line-test", "PYTHONPATH": f"{tests.parent}:{tests}"}
        self._process = fork_server.start((), environ=environment, module="chaos_nursery", is_told=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.pid and self._code is None:
            self.send(signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        self._process.close()

    def start(self, *arguments: str | Path, **environment: str) -> None:
        """Start `star_agents` with these arguments and additional variables; the one before must have ended."""
        order = {"arguments": [str(one) for one in arguments], "environment": environment, "cold": self._cold}
        with self._news:
            self.lines, self.pid, self._code = [], 0, None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            self._wait(lambda: self.pid > 0, "a child")

    def run(self, folder: Path, **environment: str) -> int:
        """One whole `run` in a folder that holds its files, to its end or death; what ``ended`` says of it."""
        files = ("-c", folder / "agents.yaml", "-s", folder / "seeds.jsonl", "-o", folder / "out")
        self.start("run", "-q", *files, **environment)
        return self.ended()

    def wait_for(self, event: str, test: Callable[[Line], bool] = lambda line: True) -> Line | None:
        """The first log line of that event that passes the test; ``None`` where the child ended without it."""

        def found() -> Line | None:
            return next((line for line in self.lines if line["event"] == event and test(line)), None)

        self.wait_until(lambda: found() is not None, event)
        return found()

    def wait_until(self, fact: Callable[[], bool], what: str) -> bool:
        """Wait for a fact about the lines; false where the child ended without it."""
        with self._news:
            self._wait(lambda: fact() or self._code is not None, what)
            return fact()

    def count(self, event: str) -> int:
        """How many lines of that event there are so far."""
        return sum(line["event"] == event for line in self.lines)

    @property
    def has_ended(self) -> bool:
        """Whether the child that was started last is over."""
        return self._code is not None

    def send(self, number: int) -> None:
        """Send the child a signal, unless it has ended."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and return how the child ended."""
        self.send(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the child's end; its exit code, or minus the signal that killed it."""
        with self._news:
            self._wait(lambda: self._code is not None, "end")
            assert self._code is not None
            return self._code

    def _wait(self, fact: Callable[[], bool], what: str) -> None:
        if not self._news.wait_for(fact, PATIENCE_S):
            raise TimeoutError(f"no {what} within {PATIENCE_S:g} s; log: {self.lines[-5:]} {self.noise[-5:]}")

    def _read(self) -> None:
        for text in self._process.stderr:
            with self._news:
                self._hear(text)
                self._news.notify_all()

    def _hear(self, text: str) -> None:
        try:
            line = json.loads(text)
            event = line["event"]
        except (ValueError, TypeError, KeyError):
            self.noise += [text.rstrip()] if text.strip() else []
            return
        if event == _BORN:
            self.pid = line["pid"]
        elif event == _ENDED:
            self._code = line["code"]
        else:
            self.lines.append(line)


def main() -> None:
    """Fork for every order on standard input, and wait for that child's end before the next."""
    while text := sys.stdin.readline():
        order = json.loads(text)
        pid = os.fork()
        if pid == 0:
            _become(order["arguments"], order["environment"], cold=order["cold"])
        _tell(event=_BORN, pid=pid)
        _, status = os.waitpid(pid, 0)
        _tell(event=_ENDED, code=os.waitstatus_to_exitcode(status))


def _tell(**line: Any) -> None:
    # The child before may have been killed in the middle of a line.
    os.write(2, f"\n{json.dumps(line)}\n".encode())


def _become(arguments: Sequence[str], environment: Mapping[str, str], *, cold: bool) -> NoReturn:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.environ.update(environment)
    if cold:
        os.execv(sys.executable, [sys.executable, "-m", "star_agents", *arguments])
    from star_agents.cli.main import main as star_agents  # noqa: PLC0415

    code = 0
    try:
        star_agents(arguments)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)

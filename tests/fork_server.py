"""Processes of star_agents that cost no imports: a server that has imported everything forks them.

``start`` does for a command what ``subprocess`` does for a fresh interpreter; what a user starts *is* a fresh one, so
tests of how it starts, of what it loads, and of what the interpreter takes apart at its very end, take ``subprocess``.
The server is one process for each process of tests, started when it is first asked, and ends with it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn, Self

from star_agents.admission.language import languages_known
from star_agents.agents.transports import litellm_env
from star_agents.process.garbage_collection import spare_what_stays

TESTS = Path(__file__).resolve().parent
_LONGEST = 1 << 20
"""Bytes of one request."""
_STDERR = 2
_OF_TESTS = ("batch_provider", "chaos_nursery", "chaos_provider", "openai_server", "script")
"""Modules of these tests that are started as processes."""


class Forked:
    """A process, as far as ``subprocess.Popen`` is needed of one: text to its stdin, from its stdout and stderr."""

    def __init__(self, news: socket.socket, stdin: IO[str], stdout: IO[str], stderr: IO[str]) -> None:
        self._news = news
        self._heard = b""
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self.pid = int(self._line(None) or b"0")

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that killed it; ``None`` while it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            line = self._line(timeout)
            if line is None:
                raise subprocess.TimeoutExpired("star_agents", timeout or 0)
            self.returncode = int(line)
            self._news.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """Everything that it still says, on stdout and on stderr."""
        with ThreadPoolExecutor(1) as reader:
            errors = reader.submit(self.stderr.read)
            return self.stdout.read(), errors.result()

    def close(self) -> None:
        """Tell it no more, and hear no more of it."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.wait()

    def _line(self, timeout: float | None) -> bytes | None:
        """The next line of who looks after it; ``None`` where there is none in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._heard:
            left = None if deadline is None else max(deadline - time.monotonic(), 1e-6)
            self._news.settimeout(left)
            try:
                piece = self._news.recv(100)
            except (TimeoutError, BlockingIOError):
                return None
            if not piece:
                raise RuntimeError("the server of processes is gone")
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        return line


def start(
    arguments: Sequence[str | Path],
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    module: str = "star_agents.cli.main",
    is_told: bool = False,
    is_heard: bool = True,
) -> Forked:
    """Start ``main`` of a module with arguments in a process of its own.

    Args:
        arguments: Of the command line.
        environ: All its variables.
        cwd: Its folder; left out, this process's.
        module: Whose ``main``: a verb's, or that of a module of these tests.
        is_told: Whether somebody writes to its stdin; left out, that has ended.
        is_heard: Whether somebody reads its stderr; where nobody does, it goes where that of this process goes.
    """
    ours, theirs = socket.socketpair()
    told, out, err = os.pipe(), os.pipe(), os.pipe()
    order = {
        "module": module,
        "arguments": [str(one) for one in arguments],
        "environ": dict(environ),
        "cwd": str(cwd or Path.cwd()),
    }
    with theirs:
        streams = told[0], out[1], err[1] if is_heard else _STDERR
        socket.send_fds(_server(), [json.dumps(order).encode()], [theirs.fileno(), *streams])
    for one in (told[0], out[1], err[1]):
        os.close(one)
    stdin = os.fdopen(told[1], "w", encoding="utf-8")
    if not is_told:
        stdin.close()
    return Forked(ours, stdin, os.fdopen(out[0], encoding="utf-8"), os.fdopen(err[0], encoding="utf-8"))


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for one in (ours, theirs):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    with theirs:
        server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], env=environment, pass_fds=[theirs.fileno()]
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


# In the server


def _serve(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for every order; returns in a child, with its order, and where nobody gives orders any more."""
    _import_everything()
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        text, descriptors, _, _ = socket.recv_fds(orders, _LONGEST, 4)
        _reap()
        if not text:
            return None
        if os.fork() == 0:
            orders.close()
            news, *streams = descriptors
            child = os.fork()
            if child:
                _look_after(child, news, streams)
            signal.signal(signal.SIGINT, interrupted)
            os.close(news)
            for source, target in zip(streams, (0, 1, 2), strict=True):
                os.dup2(source, target)
                os.close(source)
            order: dict[str, Any] = json.loads(text)
            return order
        for one in descriptors:
            os.close(one)


def _reap() -> None:
    """Let those go who looked after processes that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _look_after(child: int, news: int, streams: Sequence[int]) -> NoReturn:
    """Tell the child's id and, once it has ended, how."""
    for one in (*streams, 1, 2):
        os.close(one)
    os.write(news, f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(news, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _import_everything() -> None:
    """What commands import and load sooner or later, but what costs much and is needed by few."""
    verbs = importlib.import_module("star_agents.cli")
    names = [f"star_agents.cli.{one.name}" for one in pkgutil.iter_modules(verbs.__path__)]
    for name in ("aiohttp.web", *_OF_TESTS, "star_agents.engine.daemon", "star_agents.engine.batch", *names):
        importlib.import_module(name)
    languages_known()  # Half a second of every process that reads a document.
    litellm_env.load()  # Three seconds of every process that checks agents, or calls one by LiteLLM.
    spare_what_stays()  # so that no collection in a child copies what it shares with us


def main() -> None:
    """Serve on the socket whose descriptor is given."""
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        order = _serve(orders)
    if order is None:
        return
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["cwd"])
    sys.argv = [order["module"], *order["arguments"]]
    code = 0
    try:
        importlib.import_module(order["module"]).main()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    _end(code)


def _end(code: int) -> NoReturn:
    """End as the interpreter does, except that what was imported is not taken apart: that costs a tenth of a second of
    each process, which shares it with us. ``multiprocessing`` ends what it forks alike."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, and ends those of executors
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):  # Who reads them may be gone: then the interpreter says so, by its own end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()

"""Stands over one command of the user's: `python -m star_agents.process.guard ORDER`.

The command runs in a process group of its own. Whatever becomes of whoever started the guard, the group ends: the guard
ends it when its own standard input closes, and the kernel ends the command when the guard dies. What has left the group
(a daemon, a session of its own) falls to the guard, which ends it once the command has ended. Two guards of one log
never run their commands at once: the second waits until the first has ended. What the command writes goes to a log of
bounded size, and on to the guard's standard output behind a line with the command's process id, both without the keys
in its environment. How it ended stands in a file from that moment on, so that nothing that came to its end well is run
again.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

_LOOK_S = 0.1
_CHUNK = 1 << 16
_AFTERWARDS_S = 2.0
"""Seconds for what a command has written to come through its pipe once it ended."""
_REAP_S = 0.02
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 8
"""Bytes; a shorter value is a placeholder."""
_STRUCK = b"***"
CANNOT_START = 127
"""What a shell says of a command that there is not."""


class _Log:
    """A log of bounded size: the newest of two files, the older of which is full."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self._most = path, max(most_bytes // 2, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle: BinaryIO = path.open("ab")

    def write(self, chunk: bytes) -> None:
        """Add to it. A disk that is full loses log lines, and no training."""
        try:
            if self._handle.closed:
                self._handle = self._path.open("ab")
            if self._handle.tell() + len(chunk) > self._most:
                self._handle.close()
                os.replace(self._path, self._path.with_name(f"{self._path.name}.1"))
                self._handle = self._path.open("ab")
            self._handle.write(chunk)
            self._handle.flush()
        except OSError:  # What stands in its buffer would be in the way of all that comes later.
            with suppress(OSError):
                self._handle.close()


class _Strike:
    """Strikes keys out of what comes in pieces."""

    def __init__(self, secrets: Collection[bytes]) -> None:
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._rest = b""
        """What may be the beginning of one."""

    @classmethod
    def environment(cls, names: Collection[str]) -> _Strike:
        """Of the keys in the environment, going by their names, and of the variables that have these names."""
        found = (value for name, value in os.environ.items() if name in names or _SECRET_NAME.search(name))
        return cls({value for value in map(os.fsencode, found) if len(value) >= _SHORTEST_SECRET})

    def __call__(self, chunk: bytes) -> bytes:
        text = self._rest + chunk
        for secret in self._secrets:
            text = text.replace(secret, _STRUCK)
        begun = max((_begun(text, secret) for secret in self._secrets), default=0)
        self._rest = text[len(text) - begun :]
        return text[: len(text) - begun]

    def rest(self) -> bytes:
        """What was no key after all, once nothing more comes."""
        rest, self._rest = self._rest, b""
        return rest


def _begun(text: bytes, secret: bytes) -> int:
    """How many bytes of it stand at the end of a text that may go on."""
    lengths = range(min(len(secret) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)


def main() -> int:
    """Run the command of the order to its end; its exit code, or minus the signal that ended it."""
    order = json.loads(sys.argv[1])
    asked_to_end: list[int] = []
    try:
        log = _Log(Path(order["log"]), order["most_bytes"])
        lock = os.open(f"{order['log']}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:  # Without its lock two could run at once.
        _say(f"pid 0\n{order['log']}: cannot be written, so nothing is started: {error.strerror or error}\n".encode())
        return CANNOT_START
    _take(lock, order["log"])
    if _has_ended_well(order):
        _say(b"pid 0\n")
        return 0
    if order["clears"] is not None:
        shutil.rmtree(order["clears"], ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda number, _: asked_to_end.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tell_kernel(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        process = subprocess.Popen(
            order["command"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(order["python_path"]),
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    except OSError as error:
        said = f"{order['command'][0]}: cannot be started: {error.strerror or error}\n".encode()
        log.write(said)
        _say(b"pid 0\n" + said)
        _note(order, CANNOT_START, log)
        return CANNOT_START
    _say(f"pid {process.pid}\n".encode())
    assert process.stdout is not None
    strike = _Strike.environment(order["secrets"])
    _watch(process, process.stdout, log, strike, asked_to_end, order["stop_s"])
    code = process.wait()
    _end_group(process.pid, signal.SIGKILL)  # Whatever the command left behind.
    _end_adopted()
    _note(order, code, log)
    return code if code >= 0 else 128 - code


def _take(lock: int, log: str) -> None:
    """Wait for the lock of a log, and say so; it is given back by the kernel, however this process ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say(f"another command still writes {log}; this one waits for its end\n".encode())
        fcntl.flock(lock, fcntl.LOCK_EX)


def _die_with_parent() -> None:
    """In the command's process, before it begins: the kernel ends it when the guard dies."""
    _tell_kernel(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell_kernel(what: int, value: int) -> None:
    """Where it is Linux."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(what, value)


def _environment(python_path: str | None) -> dict[str, str]:
    """That of the command: this package's place on the path was for the guard, and a program of another virtual
    environment would find the libraries of ours before its own."""
    others = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return others if python_path is None else {**others, "PYTHONPATH": python_path}


def _reap_adopted(command: int) -> None:
    """Let go of what ended of that which fell to the guard; how the command itself ended is read elsewhere."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != command:
            os.waitpid(ended.si_pid, 0)


def _end_adopted() -> None:
    """End what the command has left behind outside of its group: once it has ended, the guard is its parent."""
    give_up_at = time.monotonic() + _AFTERWARDS_S
    while (left := _children()) and time.monotonic() < give_up_at:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_REAP_S)


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(entry.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry.parent.name))
    return found


def _watch(
    process: subprocess.Popen[bytes],
    output: IO[bytes],
    log: _Log,
    strike: _Strike,
    asked_to_end: list[int],
    stop_s: float,
) -> None:
    """Carry on what the command writes until it has ended; end it when standard input closes, or on SIGTERM."""
    deadline = ended_at = None
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ, "output")
        selector.register(0, selectors.EVENT_READ, "parent")
        while True:
            for key, _ in selector.select(_LOOK_S):
                if chunk := os.read(key.fd, _CHUNK):
                    if key.data == "output":
                        _pass_on(strike(chunk), log)
                    continue
                selector.unregister(key.fileobj)
                if key.data == "parent":
                    asked_to_end.append(0)
            now = time.monotonic()
            if asked_to_end and deadline is None:
                deadline = now + stop_s
                _end_group(process.pid, signal.SIGTERM)
            elif deadline is not None and now >= deadline and ended_at is None:
                _end_group(process.pid, signal.SIGKILL)
            _reap_adopted(process.pid)
            if process.poll() is not None:
                ended_at = ended_at or now
                if output not in {key.fileobj for key in selector.get_map().values()} or now > ended_at + _AFTERWARDS_S:
                    _pass_on(strike.rest(), log)
                    return


def _end_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _has_ended_well(order: Mapping[str, Any]) -> bool:
    """Whether the same command came to its end while this guard waited, or before."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(Path(order["ended"]).read_text(encoding="utf-8"))
        return bool(found["command"] == order["command"] and found["code"] == 0)
    return False


def _note(order: Mapping[str, Any], code: int, log: _Log) -> None:
    """Write durably how it ended, where that is asked for. That it cannot be written is told, and ends nothing: only a
    later call will not know, and runs the command again."""
    if order["ended"] is None:
        return
    path = Path(order["ended"])
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8") as handle:
            json.dump({"command": order["command"], "code": code}, handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, path)
    except OSError as error:
        said = f"\n{path}: cannot be written: {error.strerror or error}\n".encode()
        log.write(said)
        _say(said)


def _pass_on(chunk: bytes, log: _Log) -> None:
    if chunk:
        log.write(chunk)
        _say(chunk)


def _say(chunk: bytes) -> None:
    """On to whoever started the guard; nobody may be there any more."""
    with suppress(OSError):
        os.write(1, chunk)


if __name__ == "__main__":
    sys.exit(main())

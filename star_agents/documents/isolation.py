"""Files read in a process of their own, with limits of time, memory and length."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import star_agents
from star_agents.documents.extracted import MOST_CHARACTERS, DocumentError, Extracted
from star_agents.documents.kinds import FileKind

CHILD = (sys.executable, "-m", "star_agents.documents.child")
FILES_PER_CHILD = 500
"""After so many a new process takes the place of the old one, with whatever libraries left behind in it."""
START_S = 30.0
"""What a process may take to start, on top of the time for its first file."""
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TMPDIR")
_LONGEST_ANSWER = 8 * MOST_CHARACTERS
_READ_AT_ONCE = 1 << 20


class IsolatedReader:
    """Reads files one at a time in a child process, which is started where it is needed.

    Args:
        timeout_s: Seconds that one file may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        child, self._child, self._read = self._child, None, 0
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def read(self, path: Path, kind: FileKind) -> Extracted:
        """Read a file.

        Raises:
            DocumentError: it gives no text, or not within its limits.
        """
        if self._read >= FILES_PER_CHILD:
            self.close()
        is_new = self._child is None
        child = self._child = self._child or _start()
        self._read += 1
        asked = {"path": os.fsencode(path.absolute()).hex(), "kind": kind, "cpu_s": self._timeout_s}
        try:
            told = self._ask(child, asked, self._timeout_s + (START_S if is_new else 0))
        except BaseException:
            self.close()
            raise
        if "refused" in told:
            raise DocumentError(told["refused"], told.get("fix", ""), is_fault=told.get("is_fault", True))
        return Extracted.from_dict(told)

    def _ask(self, child: subprocess.Popen[bytes], asked: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(asked).encode() + b"\n")
            child.stdin.flush()
        except OSError:
            raise _died(child) from None
        answer = self._answer(child, time.monotonic() + timeout_s)
        told: dict[str, Any] = json.loads(answer)
        return told

    def _answer(self, child: subprocess.Popen[bytes], until: float) -> bytes:
        assert child.stdout is not None
        pieces, size = list[bytes](), 0
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            while not (pieces and pieces[-1].endswith(b"\n")):
                if not ready.select(max(0.0, until - time.monotonic())):
                    raise DocumentError(f"takes longer than {self._timeout_s:g} s to read", "split it")
                piece = os.read(child.stdout.fileno(), _READ_AT_ONCE)
                size += len(piece)
                if not piece:
                    raise _died(child)
                if size > _LONGEST_ANSWER:
                    raise DocumentError(
                        f"holds more than {MOST_CHARACTERS // 1_000_000} million characters", "split it"
                    )
                pieces.append(piece)
        return b"".join(pieces)


def _start() -> subprocess.Popen[bytes]:
    paths = [str(Path(star_agents.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    # What a process needs to start and no more: it reads files of strangers, and keys are none of its business.
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    environment = {**passed, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        # A session of its own: Ctrl-C on the terminal is for whoever asks it.
        return subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise DocumentError(f"cannot be read: no process for it can be started: {error.strerror or error}") from error


def _died(child: subprocess.Popen[bytes]) -> DocumentError:
    """The process is gone: by a limit, or by a fault in a library that no exception tells of."""
    code = child.wait(timeout=START_S)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return DocumentError("ends the process that reads it, and is probably damaged", f"save it again ({how})")

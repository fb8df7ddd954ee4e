"""An export by several processes: each makes the rows of a span of seeds, and one joins them in their order.

What they write lies in files without a name in the folder of the export, so that nothing of it is left whatever ends
them. A process ends with the one that started it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import star_agents
from star_agents.errors import StoreError, UsageError
from star_agents.storage.formats.row_writing import atomic_file, join_pieces, make_folder_of, write_errors
from star_agents.storage.outgoing.export_piece import Answer, Job, Piece, Written

CHILD = (sys.executable, "-P", "-m", "star_agents.storage.outgoing.export_child")
SEEDS_PER_PROCESS = 50_000
"""Finished seeds that a process is started for: a second of work, where its start takes half of one."""
MOST_PROCESSES = 8
_KILLED = -9


def processes_for_export() -> int:
    """As many as there are cores that this process may use, up to ``MOST_PROCESSES``."""
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux has it, macOS has not.
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(MOST_PROCESSES, cores)


def write_pieces(pieces: Sequence[Piece], path: Path, *, child: Sequence[str] = CHILD) -> Written:
    """Write an export, all or nothing; without any row no file.

    Args:
        pieces: Of the file, in their order. The first one is made here, each other one by a process of its own.
        path: The file.
        child: The command that makes a piece.

    Raises:
        StoreError: the store cannot be read.
        UsageError: the file cannot be written, or a process ended without its piece.
    """
    make_folder_of(path)
    with write_errors(path), ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for _ in pieces]
        others = [
            stack.enter_context(_process(Job(piece, file.fileno(), str(path)), child))
            for piece, file in zip(pieces[1:], files[1:], strict=True)
        ]
        whole = pieces[0].write(files[0])
        for piece, process in zip(pieces[1:], others, strict=True):
            written = _answer(process, piece)
            whole.rows += written.rows
            whole.skipped.update(written.skipped)
        if whole.rows:
            with atomic_file(path) as handle:
                join_pieces(handle, files, path.suffix)
    return whole


@contextmanager
def _process(job: Job, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works a job; it is ended with the block."""
    paths = filter(None, (str(Path(star_agents.__file__).parents[1]), os.environ.get("PYTHONPATH", "")))
    try:
        # A session of its own: Ctrl-C on the terminal is for whoever waits for it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=(job.descriptor,),
            start_new_session=True,
        )
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{job.path}: no process for a part of the rows can be started: {why}") from error
    with process:
        try:
            _give(process, job)
            yield process
        finally:
            process.kill()


def _give(process: subprocess.Popen[bytes], job: Job) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(pickle.dumps(job))
        process.stdin.flush()
    except BrokenPipeError:
        pass  # It is gone, which is seen where its answer is waited for.


def _answer(process: subprocess.Popen[bytes], piece: Piece) -> Written:
    stdout: BinaryIO | None = process.stdout  # type: ignore[assignment]
    assert stdout is not None
    told = stdout.read()
    code = process.wait()
    if code or not told:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        fix = "; it was killed, perhaps for want of memory" if code == _KILLED else ""
        where = f"the seeds behind place {piece.span.after:,} of the queue"
        raise StoreError(f"{piece.folder}: the process that read {where} ended with {how}{fix}; export again")
    answer: Answer = pickle.loads(told)
    if answer.written is None:
        assert answer.error is not None
        raise answer.error
    return answer.written

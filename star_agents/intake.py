"""How seeds reach a running daemon: rows that came by HTTP and files that were laid into the inbox.

Both go the same way: everything is checked first, a bad row stops the whole of what it came with, and what is taken in
is durable before anybody hears yes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from star_agents.crash_points import crash_point
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.events import SeedsAdded, SeedsRejected
from star_agents.line import Line, intake_problems
from star_agents.storage.seed_files import Collection, SeedFile, read_seeds
from star_agents.watching import Look, arrivals, look

TAKEN = "done"
REFUSED = "rejected"
REPORT = ".problems.txt"
ROWS_PER_TURN = 200
"""Rows checked in one turn of the event loop: a large request must not hold up everybody else for seconds."""


async def take_in_rows(
    line: Line, rows: Sequence[Mapping[str, Any]], source: str, request: tuple[str, str] | None = None
) -> SeedsAdded:
    """Take in rows of any seed format; returns what became of them.

    Args:
        line: Where they go.
        rows: As they came.
        source: Where they came from, for people.
        request: Key and digest of the request that brought them, recorded in the same transaction.

    Raises:
        SeedFileError: with every bad row; then none is taken in.
    """
    read = Collection()
    for number, row in enumerate(rows, start=1):
        if number % ROWS_PER_TURN == 0:
            await anyio.lowlevel.checkpoint()
        read.add(row, f"{source}:{number}")
    return await _take_in_checked(line, read.file(), source, request)


async def take_in_file(line: Line, path: Path) -> SeedsAdded:
    """Take in a seed file whole; returns what became of its rows.

    Raises:
        SeedFileError: with every bad row; then none is taken in.
    """
    try:
        file = await anyio.to_thread.run_sync(_read, path)
    except SeedFileError as error:
        raise _refusal(line, error.problems, _shown(path)) from None
    return await _take_in_checked(line, file, path.name)


def _read(path: Path) -> SeedFile:
    if _shown(path) != path.name:
        problem = Problem(where=_shown(path), field="", message="the file's name is not UTF-8", fix="rename it")
        raise SeedFileError([problem])
    return read_seeds(path)


async def _take_in_checked(
    line: Line, file: SeedFile, source: str, request: tuple[str, str] | None = None
) -> SeedsAdded:
    problems = [*file.problems, *intake_problems(line.config, file.seeds)]
    if problems:
        raise _refusal(line, problems, source)
    more = {"repeated": file.repeated, "not_read": list(file.not_read)}
    new, duplicates = await line.store.add_seeds(file.seeds, request=request, told_with_it=more)
    crash_point("seeds_added")
    added = SeedsAdded(source=source, new=new, duplicates=duplicates, repeated=file.repeated, not_read=file.not_read)
    line.bus.publish(added)
    line.queue.wake()
    return added


def _refusal(line: Line, problems: Sequence[Problem], source: str) -> SeedFileError:
    """Told to everybody, in text that can be written: a column's name may be half a character."""
    told = [replace(one, field=_writable(one.field), message=_writable(one.message)) for one in problems]
    line.bus.publish(SeedsRejected(source=source, problems=tuple(told)))
    return SeedFileError(told)


async def watch_inbox(line: Line, folder: Path) -> None:
    """Take in every file laid into the folder and move it to ``done/``, or to ``rejected/`` with its problems.

    A file that cannot be moved is reported once and left alone until it changes; what it held is taken in once anyway.
    """
    left: dict[Path, Look | None] = {}
    async for path in arrivals(folder):
        now = await look(path)
        if now is None or left.get(path) == now:
            continue
        try:
            await _take_in_and_move(line, path, folder)
        except OSError as error:
            left[path] = now
            message = f"cannot be moved out of the inbox: {error.strerror}"
            problem = Problem(where=_shown(path), field="", message=message, fix="remove it, or mend the rights there")
            line.bus.publish(SeedsRejected(source=_shown(path), problems=(problem,)))


def make_inbox(folder: Path) -> None:
    """Make the folder and the two into which its files go.

    Raises:
        UsageError: where that cannot be done.
    """
    try:
        for name in (TAKEN, REFUSED):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"the inbox {folder} cannot be made: {error.strerror}"
        raise UsageError(f"{reason}; name another folder under `server.watch` in agents.yaml") from None


async def _take_in_and_move(line: Line, path: Path, folder: Path) -> None:
    try:
        await take_in_file(line, path)
    except SeedFileError as error:
        target = _move(path, folder / REFUSED)
        report = target.with_name(_cut(target.name, REPORT) + REPORT)
        report.write_text("\n".join(map(str, error.problems)) + "\n", encoding="utf-8")
    else:
        _move(path, folder / TAKEN)


def _move(path: Path, folder: Path) -> Path:
    """Rename without ever replacing: a second file of the same name gets a number."""
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        ending = f"-{number}{path.suffix}"
        target = folder / (_cut(path.stem, ending) + ending)
    os.rename(path, target)
    return target


def _cut(name: str, ending: str) -> str:
    """So much of a name that the ending fits behind it (255 bytes, on every file system of note)."""
    return os.fsdecode(os.fsencode(name)[: 255 - len(os.fsencode(ending))])


def _shown(path: Path) -> str:
    """A file's name as text that can be written, whatever bytes it is made of."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

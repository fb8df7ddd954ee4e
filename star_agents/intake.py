"""How seeds reach a running daemon: rows that came by HTTP and files that were laid into the inbox.

Both go the same way: everything is checked first, a bad row stops the whole of what it came with, and what is taken in
is durable before anybody hears yes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from star_agents.errors import Problem, SeedFileError
from star_agents.events import SeedsRejected
from star_agents.line import Line, intake_problems
from star_agents.records import Seed
from star_agents.storage.seed_files import read_seeds, seed_from_row
from star_agents.watching import arrivals

TAKEN = "done"
REFUSED = "rejected"


async def take_in_rows(line: Line, rows: Sequence[Mapping[str, Any]], source: str) -> tuple[int, int]:
    """Take in rows of any seed format; returns how many were new and how many were known.

    Raises:
        SeedFileError: with every bad row; then none is taken in.
    """
    seeds: list[Seed] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows, start=1):
        try:
            seeds.append(seed_from_row(row, source=f"{source}:{number}"))
        except SeedFileError as error:
            problems.extend(error.problems)
    return await _take_in_checked(line, seeds, problems, source)


async def take_in_file(line: Line, path: Path) -> tuple[int, int]:
    """Take in a seed file whole.

    Raises:
        SeedFileError: with every bad row; then none is taken in.
    """
    file = await anyio.to_thread.run_sync(read_seeds, path)
    return await _take_in_checked(line, list(file.seeds), list(file.problems), path.name)


async def _take_in_checked(line: Line, seeds: list[Seed], problems: list[Problem], source: str) -> tuple[int, int]:
    problems = [*problems, *intake_problems(line.config, seeds)]
    if problems:
        line.bus.publish(SeedsRejected(source=source, problems=tuple(problems)))
        raise SeedFileError(problems)
    return await line.take_in(seeds, source)


async def watch_inbox(line: Line, folder: Path) -> None:
    """Take in every file laid into the folder and move it to ``done/``, or to ``rejected/`` with its problems."""
    for name in (TAKEN, REFUSED):
        (folder / name).mkdir(parents=True, exist_ok=True)
    async for path in arrivals(folder):
        try:
            await take_in_file(line, path)
        except SeedFileError as error:
            target = _move(path, folder / REFUSED)
            report = target.with_name(target.name + ".problems.txt")
            report.write_text("\n".join(map(str, error.problems)) + "\n", encoding="utf-8")
        else:
            _move(path, folder / TAKEN)


def _move(path: Path, folder: Path) -> Path:
    """Rename without ever replacing: a second file of the same name gets a number."""
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    os.rename(path, target)
    return target

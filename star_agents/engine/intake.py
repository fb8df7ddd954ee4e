"""How seeds reach a running daemon, whichever door they come by: HTTP, or the inbox folder.

Both go the same way: everything is checked first, a bad row stops the whole of what it came with, and what is taken in
is durable before anybody hears yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from star_agents.config.models import Config
from star_agents.engine.document_door import intake_for, refuse_documents
from star_agents.engine.document_intake import DocumentIntake
from star_agents.engine.engine import Engine
from star_agents.engine.stages import stages_of, why_not_taken
from star_agents.errors import Problem, SeedFileError
from star_agents.events import SeedsAdded, SeedsRejected
from star_agents.limits.turns import Turns
from star_agents.process.crash_points import crash_point
from star_agents.records import SEED, Sample, Seed
from star_agents.storage.incoming.seed_files import Collection, SeedFile, read_seeds
from star_agents.storage.parts import Parts
from star_agents.storage.windows import windows

BY_HTTP, BY_INBOX = "HTTP", "inbox"
"""What all documents that come by a door are called, where those are counted that gave nothing."""
_LOOKED_AT = 1000
"""Seeds between two turns of everybody else."""


@dataclass(frozen=True, slots=True)
class DocumentsTaken:
    """What the doors of one daemon have together for documents."""

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    """One intake at a time, so that of two that are nearly the same one is left out."""


async def take_in_rows(
    line: Engine,
    rows: Sequence[Mapping[str, Any]],
    source: str,
    request: tuple[str, str] | None = None,
    *,
    documents: DocumentsTaken | None = None,
) -> SeedsAdded:
    """Take in rows of any seed format; returns what became of them.

    Args:
        line: Where they go.
        rows: As they came.
        source: Where they came from, for people.
        request: Key and digest of the request that brought them, recorded in the same transaction.
        documents: Whose turn it is, where the rows are documents.

    Raises:
        SeedFileError: with every bad row; then none is taken in.
    """
    documents = documents or DocumentsTaken()
    if (intake := intake_for(line.config, BY_HTTP, folder=line.store.folder)) is not None:
        async with documents.turn:
            return await _take_in_documents(line, intake, rows, source, request)
    read, turns = Collection(line.config.seeds.names), Turns()
    for number, row in enumerate(rows, start=1):
        await turns.give_way()
        read.add(row, f"{source}:{number}")
    return await take_in_file(line, read.file(), source, request)


async def _take_in_documents(
    line: Engine,
    intake: DocumentIntake,
    rows: Sequence[Mapping[str, Any]],
    source: str,
    request: tuple[str, str] | None,
) -> SeedsAdded:
    """The same for documents, which take milliseconds each: they are read in another thread."""

    def read() -> SeedFile:
        for number, row in enumerate(rows, start=1):
            intake.add(row, f"{source}:{number}")
        return intake.file()

    return await take_in_file(line, await anyio.to_thread.run_sync(read, abandon_on_cancel=True), source, request)


async def take_in_document(
    line: Engine,
    body: bytes,
    name: str,
    source: str,
    request: tuple[str, str] | None = None,
    *,
    documents: DocumentsTaken | None = None,
) -> SeedsAdded:
    """Take in a document that came as a file comes: PDF, HTML, Word, Markdown.

    Args:
        line: Where its chunks go.
        body: What the file holds.
        name: Of the file; its end says what it is.
        source: Where it came from, for people.
        request: As for ``take_in_rows``.
        documents: As for ``take_in_rows``.

    Raises:
        SeedFileError: it gives nothing, or the first recipe takes no documents.
    """
    intake = intake_for(line.config, BY_HTTP, folder=line.store.folder)

    def read() -> SeedFile:
        with TemporaryDirectory(prefix="star_agents-") as folder:
            path = Path(folder) / name
            path.write_bytes(body)
            if intake is None:
                refuse_documents(line.config, path)
                return read_seeds(path, columns=line.config.seeds.names)
            intake.read(path)
            return intake.file()

    async with (documents or DocumentsTaken()).turn:
        try:
            file = await anyio.to_thread.run_sync(read)
        except SeedFileError as error:
            raise SeedFileError([replace(one, where=source) for one in error.problems]) from None
        return await take_in_file(line, file, source, request)


async def take_in_file(line: Engine, file: SeedFile, source: str, request: tuple[str, str] | None = None) -> SeedsAdded:
    """Take in what was read, all or none; returns what became of its rows.

    Raises:
        SeedFileError: with every bad row; then none is taken in.
    """
    problems, turns = list(file.problems), Turns()
    for window in windows(file.seeds, _LOOKED_AT):
        problems += intake_problems(line.config, window)
        await turns.give_way()
    if problems:
        raise await _refusal(line, problems, source)
    more = {"repeated": file.repeated, "not_read": list(file.not_read)}
    new, duplicates = await line.store.add_seeds(file.seeds, request=request, told_with_it=more, unlike=file.unlike)
    crash_point("seeds_added")
    for tried in file.tolerated:
        await line.store.add_left_out(tried)
    added = SeedsAdded(source=source, new=new, duplicates=duplicates, repeated=file.repeated, not_read=file.not_read)
    line.bus.publish(added)
    line.queue.wake()
    return added


async def _refusal(line: Engine, problems: Sequence[Problem], source: str) -> SeedFileError:
    """Told to everybody, in text that can be written: a column's name may be half a character."""
    told, turns = list[Problem](), Turns()
    for one in problems:
        await turns.give_way()
        told.append(replace(one, field=_writable(one.field), message=_writable(one.message)))
    line.bus.publish(SeedsRejected(source=source, problems=tuple(told)))
    return SeedFileError(told)


def _writable(text: str) -> str:
    """Text that can be written, whatever bytes it is made of."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def intake_problems(config: Config, seeds: Sequence[Seed]) -> list[Problem]:
    """Seeds that name a part which there is not, or that the first recipe could never bring to an outcome: of a kind
    that it does not take; or, for Star, without a response, where no base pair would write one."""
    if config.parts is not None:
        divided = Parts(config.parts)
        if problems := [problem for seed in seeds if (problem := divided.problem(seed)) is not None]:
            return problems
    first = next(iter(stages_of(config).values()))
    fix = f"put a recipe that takes them first in `recipe`, or give {first.recipe.name} what it takes"
    problems = [
        Problem(where=seed.source or seed.id, field="", message=why, fix=fix)
        for seed in seeds
        if (why := why_not_taken(first, seed))
    ]
    if problems or first.recipe.name != "star" or any(pair.response != SEED for pair in config.base):
        return problems
    fix = "add a base pair that calls an agent: `base_pairs: [{instruction: keep, response: NAME}]`"
    message = "has no response, and the only base pair takes the seed's own"
    return [
        Problem(where=seed.source or seed.id, field="response", message=message, fix=fix)
        for seed in seeds
        if isinstance(seed.content, Sample) and not (seed.content.response or "").strip()
    ]

"""The inbox: files that are laid into a folder become seeds, and move to ``done/``, or to ``rejected/`` with a report.

The safe way to lay a file in is to write it under another name and to rename it when it is whole: names that begin with
a dot or end in one of ``UNFINISHED`` are not looked at. But nobody has to, and no writer loses a row by being slow:

- A file is read only when it has not changed for ``settle_s`` seconds, and where its end seems to be missing (half a
  line, half a gzip stream, no row at all) for ``OPEN_TIMES`` times as long.
- How it looks (inode, size, time of change) is compared before and after it is read: what changed meanwhile waits.
- After it has moved it is looked at for another ``WATCHED_S`` seconds since its last change, over restarts too. A
  writer that held it open still writes to it there: it is read again, what is known already counts once, and a file
  that was rejected for its missing end moves on to ``done/``.

Where the first recipe takes documents, a folder is taken like a file: whole, once nothing in it has changed for so
long, and no file in it is still worked on. Beside it in ``done/`` stands which of its files gave nothing, and why.

Looking beats inotify here: it sees network file systems and bind mounts. A link is refused: what it points to would not
move, and could change unseen.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from star_agents.config.models import Config
from star_agents.engine.document_door import intake_for, refuse_documents
from star_agents.engine.document_intake import DocumentIntake
from star_agents.engine.engine import Engine
from star_agents.engine.inbox_folders import UNFINISHED, look_of_folder
from star_agents.engine.intake import BY_INBOX, DocumentsTaken, take_in_file
from star_agents.engine.stages import takes_documents
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.events import IntakeWaits, SeedsRejected
from star_agents.process.file_watching import EVERY_S, Look
from star_agents.storage.incoming.seed_files import SeedFile, read_seeds

TAKEN = "done"
REFUSED = "rejected"
REPORT = ".problems.txt"
OPEN_TIMES = 12
WATCHED_S = 3600.0
WATCHED_FILES = 1000
"""Most moved files that are still looked at; those that changed last are kept."""
MOVED_EVERY_S = 5.0
_WATCHED = "inbox_watched"
"""Name under which the store keeps what is looked at."""


@dataclass(slots=True)
class _File:
    """What is known of a file while it is looked at."""

    look: Look
    since: float
    """When it was first seen to look so."""
    dealt_with: Look | None = None
    """How it looked when it was read, refused, or found not to move."""
    is_open: bool = False
    """Whether its end seems to be missing."""


class Inbox:
    """Takes in what is laid into ``folder``.

    Args:
        line: Where the seeds go.
        folder: The inbox, made by ``make_inbox``.
        settle_s: Seconds for which a file must not change before it is read.
        documents: What the doors have together for documents.
        clock: Seconds that never go backwards.
    """

    def __init__(
        self,
        line: Engine,
        folder: Path,
        *,
        settle_s: float,
        documents: DocumentsTaken | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents or DocumentsTaken()
        self._line, self._folder, self._settle_s, self._clock = line, folder, settle_s, clock
        self._new: dict[Path, _File] = {}
        self._moved: dict[Path, _File] = {}
        self._moved_seen = float("-inf")
        self._strange: dict[Path, int] = {}
        self._unfinished: set[Path] = set()
        self._kept = ""

    async def watch(self) -> None:
        """Look twice a second, until cancelled."""
        await self.remember()
        while True:
            await self.look()
            await anyio.sleep(EVERY_S)

    async def remember(self) -> None:
        """Take up the files that were looked at before a restart."""
        self._kept = await self._line.store.meta_get(_WATCHED) or ""
        known: dict[str, Look] = {name: tuple(look) for name, look in json.loads(self._kept or "{}").items()}
        now = self._clock()
        self._moved = {self._folder / name: _File(look, now, dealt_with=look) for name, look in known.items()}

    async def look(self) -> None:
        """Look once, and deal with every file that has settled."""
        now, takes_folders = self._clock(), takes_documents(self._line.config)
        files, strange, unfinished = await anyio.to_thread.run_sync(_entries, self._folder, takes_folders)
        _note(self._new, files, now)
        await self._refuse_strange(strange)
        self._tell_unfinished(unfinished)
        if now - self._moved_seen >= min(MOVED_EVERY_S, self._settle_s):
            self._moved_seen = now
            await self._look_at_moved(now)
        for known in (self._new, self._moved):
            for path in sorted(known):
                if (file := known.get(path)) is not None and self._has_settled(file, now):
                    await self._deal_with(path, file)
        await self._keep()

    def _has_settled(self, file: _File, now: float) -> bool:
        wait = self._settle_s * (OPEN_TIMES if file.is_open else 1)
        return file.look != file.dealt_with and now - file.since >= wait

    async def _look_at_moved(self, now: float) -> None:
        looks = await anyio.to_thread.run_sync(_looks, list(self._moved))
        changed = [path for path, seen in looks.items() if seen != self._moved[path].look]
        for path in changed:
            if self._moved[path].look == self._moved[path].dealt_with:
                self._tell(path, f"it was written to after it had moved to {path.parent.name}/, and is read again")
        _note(self._moved, looks, now)
        for path, file in list(self._moved.items()):
            if file.look == file.dealt_with and now - file.since > WATCHED_S:
                del self._moved[path]
        for path in sorted(self._moved, key=lambda path: self._moved[path].since)[:-WATCHED_FILES]:
            del self._moved[path]

    async def _deal_with(self, path: Path, file: _File) -> None:
        """Read a file that has settled, and move it to where it belongs."""
        intake = intake_for(self._line.config, BY_INBOX, folder=self._line.store.folder)
        if intake is None:
            return await self._deal_with_rows(path, file, None)
        async with self._documents.turn:
            return await self._deal_with_rows(path, file, intake)

    async def _deal_with_rows(self, path: Path, file: _File, intake: DocumentIntake | None) -> None:
        """The same; ``intake`` reads it where the first recipe takes documents."""
        try:
            found = await anyio.to_thread.run_sync(partial(_read, path, self._line.config, intake))
        except SeedFileError as error:
            found = SeedFile(seeds=(), problems=error.problems, repeated=0, not_read=())
        now = (await anyio.to_thread.run_sync(_looks, [path])).get(path)
        if now != file.look:
            return None if now is None else self._tell(path, "it changed while it was read")
        if found.ends_open and not file.is_open and self._settle_s > 0:
            file.is_open = True
            wait = f"{self._settle_s * OPEN_TIMES:g} s"
            return self._tell(path, f"its end seems to be missing; it waits until it has not changed for {wait}")
        file.dealt_with = file.look
        try:
            await self._settle(path, found, file)
        except OSError as error:
            message = f"cannot be moved out of {path.parent}: {error.strerror}"
            self._refuse(path, message, "remove it, or mend the rights there")
        return None

    async def _settle(self, path: Path, found: SeedFile, file: _File) -> None:
        """Take in what a file holds, or refuse it, and move it there if it is not there yet. Raises OSError."""
        problems: Sequence[Problem] = ()
        try:
            await take_in_file(self._line, found, printable_name(path))
        except SeedFileError as error:
            problems = error.problems
        target = self._move(path, REFUSED if problems else TAKEN)
        self._new.pop(path, None)
        self._moved.pop(path, None)
        self._moved[target] = file
        if told := problems or found.gave_nothing:
            _report_of(target).write_text("\n".join(map(str, told)) + "\n", encoding="utf-8")

    def _move(self, path: Path, to: str) -> Path:
        folder = self._folder / to
        if path.parent == folder:
            return path
        if path.parent.name == REFUSED:
            _report_of(path).unlink(missing_ok=True)
        return _move(path, folder)

    async def _refuse_strange(self, strange: dict[Path, int]) -> None:
        """Say once of a link, a folder or a device that it is not read; a link moves to ``rejected/``."""
        for path, mode in strange.items():
            if self._strange.get(path) == mode:
                continue
            what, fix = _STRANGE.get(stat.S_IFMT(mode), ("no file", "remove it"))
            problem = self._refuse(path, f"is {what}, and is not read", fix)
            if stat.S_ISLNK(mode):
                try:
                    target = _move(path, self._folder / REFUSED)
                    _report_of(target).write_text(f"{problem}\n", encoding="utf-8")
                except OSError as error:
                    self._refuse(path, f"cannot be moved out of the inbox: {error.strerror}", "remove it")
        self._strange = strange

    def _tell_unfinished(self, unfinished: dict[Path, str]) -> None:
        """Say once of a folder that it waits, since a name in it may have been forgotten."""
        for path in unfinished.keys() - self._unfinished:
            name = printable_name(Path(unfinished[path]))
            self._tell(path, f"{name} in it is still worked on, as its name says; it waits until that is renamed")
        self._unfinished = {*unfinished}

    def _refuse(self, path: Path, message: str, fix: str) -> Problem:
        problem = Problem(where=printable_name(path), field="", message=message, fix=fix)
        self._line.bus.publish(SeedsRejected(source=printable_name(path), problems=(problem,)))
        return problem

    def _tell(self, path: Path, reason: str) -> None:
        self._line.bus.publish(IntakeWaits(source=printable_name(path), reason=reason))

    async def _keep(self) -> None:
        """Let the store know which moved files are looked at, and how they looked when they were read."""
        looks = {os.path.relpath(path, self._folder): file.dealt_with for path, file in self._moved.items()}
        kept = json.dumps(looks)
        if kept != self._kept:
            await self._line.store.meta_set(_WATCHED, kept)
            self._kept = kept


_STRANGE = {
    stat.S_IFLNK: ("a symbolic link", "lay the file itself in, or a copy"),
    stat.S_IFDIR: ("a folder", "lay its files in, not the folder; folders are for recipes that take documents"),
}


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


def printable_name(path: Path) -> str:
    """A file's name as text that can be written, whatever bytes it is made of."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def _read(path: Path, config: Config, intake: DocumentIntake | None) -> SeedFile:
    if printable_name(path) != path.name:
        problem = Problem(where=printable_name(path), field="", message="the file's name is not UTF-8", fix="rename it")
        raise SeedFileError([problem])
    if intake is None:
        refuse_documents(config, path)
        return read_seeds(path, columns=config.seeds.names)
    intake.read(path)
    return intake.file()


def _entries(folder: Path, takes_folders: bool) -> tuple[dict[Path, Look], dict[Path, int], dict[Path, str]]:
    """The files that lie in the inbox, and the folders where these are taken, with their looks; the modes of what is
    neither; and the folders in which somebody is still working on a file, with its name. A folder without a file is
    not looked at: somebody is about to fill it."""
    files: dict[Path, Look] = {}
    strange: dict[Path, int] = {}
    unfinished: dict[Path, str] = {}
    with suppress(OSError):  # Closed to us for the moment; the next look may find it.
        for path in folder.iterdir():
            if path.name.startswith(".") or path.name.lower().endswith(UNFINISHED):
                continue
            with suppress(FileNotFoundError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    files[path] = _look(found)
                elif path.name in (TAKEN, REFUSED):
                    continue
                elif not (stat.S_ISDIR(found.st_mode) and takes_folders):
                    strange[path] = found.st_mode
                elif (whole := look_of_folder(path)) is not None:
                    if whole.unfinished:
                        unfinished[path] = whole.unfinished
                    else:
                        files[path] = whole.look
    return files, strange, unfinished


def _looks(paths: Iterable[Path]) -> dict[Path, Look]:
    """How these files look; those that are gone are left out."""
    found = {}
    for path in paths:
        try:
            seen = path.lstat()
        except OSError:
            continue
        if not stat.S_ISDIR(seen.st_mode):
            found[path] = _look(seen)
        elif (whole := look_of_folder(path)) is not None:
            found[path] = whole.look
    return found


def _look(found: os.stat_result) -> Look:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _note(known: dict[Path, _File], looks: dict[Path, Look], now: float) -> None:
    """Bring what is known up to what was seen: a file that looks different has changed now, one not seen is gone."""
    for path in known.keys() - looks.keys():
        del known[path]
    for path, seen in looks.items():
        file = known.get(path)
        if file is None:
            known[path] = _File(seen, now)
        elif file.look != seen:
            known[path] = _File(seen, now, dealt_with=file.dealt_with)


def _move(path: Path, folder: Path) -> Path:
    """Rename without ever replacing: a second file of the same name gets a number. A folder cleared away is made."""
    folder.mkdir(exist_ok=True)
    target, number = folder / path.name, 1
    while os.path.lexists(target):
        number += 1
        ending = f"-{number}{path.suffix}"
        target = folder / (_cut(path.stem, ending) + ending)
    os.rename(path, target)
    return target


def _report_of(path: Path) -> Path:
    return path.with_name(_cut(path.name, REPORT) + REPORT)


def _cut(name: str, ending: str) -> str:
    """So much of a name that the ending fits behind it (255 bytes, on every file system of note)."""
    return os.fsdecode(os.fsencode(name)[: 255 - len(os.fsencode(ending))])

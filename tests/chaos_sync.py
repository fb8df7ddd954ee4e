"""The order of syncing and saying so: whatever a verb says is durable lies on the disk before it says so.

kill -9 cannot show this, since the kernel keeps what a dead process has written; a power cut would. So SQLite works
here on a file system of its own (a *VFS*) that passes everything on to the usual one and notes which bytes of the log
are synced. Each time a verb returns, its commit must lie within them: a disk that held nothing else would hold it.
"""

from __future__ import annotations

import _sqlite3
import asyncio
import ctypes
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage_samples import commit, intent, make_dropped, make_memory, make_outcome, make_reply, make_seed

from star_agents.records import PAIRS
from star_agents.storage.store import STORE_FILE, Store

_METHODS = ("close", "read", "write", "truncate", "sync")
"""The first methods of a file, in SQLite's order (struct sqlite3_io_methods); the others are passed on unseen."""
_FURTHER_METHODS = 13
_OPEN_AT = 40
"""Where xOpen stands in struct sqlite3_vfs, of version 3 and on a machine of 64 bits."""
_VFS_BYTES = 168
"""Size of that struct."""
_WAL = 0x00080000
"""SQLITE_OPEN_WAL: the file to open is a write-ahead log."""


@dataclass
class SyncReport:
    """What was said before it was so. ``violations`` holds a sentence for each verb that spoke too early."""

    rounds: int
    seed: int
    synced_commits: int = 0
    """Times that the log was synced."""
    violations: list[str] = field(default_factory=list)


def check_sync_order(folder: Path, *, rounds: int, seed: int) -> SyncReport:
    """Call ``rounds`` verbs of a store, in a process whose SQLite tells what is synced."""
    tests = Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"}
    command = [sys.executable, __file__, str(folder), str(rounds), str(seed)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return SyncReport(**json.loads(done.stdout))


# In that process


class _Methods(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in _METHODS),
        ("further", ctypes.c_void_p * _FURTHER_METHODS),
    ]


class _File(ctypes.Structure):
    _fields_ = [("methods", ctypes.POINTER(_Methods))]


_Pointer = ctypes.c_void_p
_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, _Pointer, _Pointer, ctypes.POINTER(_File), ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)


class SyncWatch:
    """Knows whether the log holds bytes that are written and not synced. Made once, for the life of the process."""

    def __init__(self) -> None:
        self.is_dirty = False
        self.syncs = 0
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = _Pointer
        usual = library.sqlite3_vfs_find(None)
        self._vfs = ctypes.create_string_buffer(ctypes.string_at(usual, _VFS_BYTES), _VFS_BYTES)
        self._open = _Open(_pointer_at(usual, _OPEN_AT))
        self._kept: list[Any] = [library, _Open(self._opened)]
        opened = ctypes.cast(self._kept[1], _Pointer).value
        ctypes.memmove(ctypes.addressof(self._vfs) + _OPEN_AT, ctypes.byref(ctypes.c_void_p(opened)), 8)
        library.sqlite3_vfs_register(self._vfs, 1)

    def _opened(self, vfs: Any, name: Any, file: Any, flags: int, given: Any) -> int:
        code = int(self._open(vfs, name, file, flags, given))
        if code == sqlite3.SQLITE_OK and flags & _WAL:
            file.contents.methods = ctypes.pointer(self._watched(file.contents.methods.contents))
        return code

    def _watched(self, usual: _Methods) -> _Methods:
        write, sync = _Write(usual.write), _Sync(usual.sync)

        def writes(file: Any, data: Any, count: int, offset: int) -> int:
            self.is_dirty = True
            return int(write(file, data, count, offset))

        def syncs(file: Any, flags: int) -> int:
            code = int(sync(file, flags))
            self.is_dirty, self.syncs = code != sqlite3.SQLITE_OK, self.syncs + 1
            return code

        watched = _Methods.from_buffer_copy(usual)
        hooks = _Write(writes), _Sync(syncs)
        watched.write, watched.sync = (ctypes.cast(hook, _Pointer).value for hook in hooks)
        self._kept += [watched, *hooks, write, sync]  # SQLite holds addresses only.
        return watched


def _pointer_at(base: int, offset: int) -> int:
    return int.from_bytes(ctypes.string_at(base + offset, 8), sys.byteorder)


async def _call_verbs(folder: Path, rounds: int, seed: int) -> SyncReport:
    """One verb at a time, so that what is in the log when it returns is its own."""
    watch, report, chance = SyncWatch(), SyncReport(rounds=rounds, seed=seed), random.Random(seed)
    async with await Store.open(folder) as store:
        for number in range(rounds):
            verb = chance.choice(list(_VERBS))
            await _prepare(store, number)
            before = watch.syncs
            await _VERBS[verb](store, number)
            if watch.is_dirty or watch.syncs == before:
                report.violations.append(f"{verb} said that it was durable before the log was synced")
    report.synced_commits = watch.syncs
    with closing(sqlite3.connect(folder / STORE_FILE)) as connection:
        (word,) = connection.execute("PRAGMA integrity_check").fetchone()
    if word != "ok":
        report.violations.append(f"the file is damaged: {word}")
    return report


async def _prepare(store: Store, number: int) -> None:
    await store.add_seeds([make_seed(number)])
    await store.lease(1)
    await store.intend([intent(f"call {number}", seed_id=make_seed(number).id)])


_Verb = Callable[[Store, int], Awaitable[object]]
_VERBS: dict[str, _Verb] = {
    "add_seeds": lambda store, number: store.add_seeds([make_seed(-1 - number)]),
    "intend": lambda store, number: store.intend([intent(f"another {number}")]),
    "record_answers": lambda store, number: store.record_answers([(f"call {number}", make_reply())]),
    "record_step": lambda store, number: store.record_step(make_seed(number).id, "draw", {"n": number}),
    "commit_outcome": lambda store, number: commit(store, make_outcome(make_seed(number)), make_memory(1.0)),
    "commit_dropped": lambda store, number: commit(store, make_dropped(make_seed(number))),
    "save_pools": lambda store, number: store.save_pools({PAIRS: {"n": number}}, 1),
    "add_revision": lambda store, number: store.add_revision(str(number), "{}"),
}


def main() -> None:
    """Print what was found as JSON."""
    folder, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(vars(asyncio.run(_call_verbs(folder, rounds, seed)))))


if __name__ == "__main__":
    main()

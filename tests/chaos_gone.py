"""The files of a store are removed or replaced while it is open: nothing is said to be recorded from then on."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from storage_samples import make_seed

from star_agents.errors import StoreError, StoreGone
from star_agents.storage.lock import LOCK_FILE
from star_agents.storage.store import STORE_FILE, Store

FILES = (STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm", LOCK_FILE)
NOTICED_S = 60.0
"""An idle store looks every second; a machine may be busy."""


@dataclass
class GoneReport:
    """What was said of stores that were gone. ``violations`` holds a sentence for each that said too much."""

    rounds: int
    seed: int
    ways: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    """Verbs that said that nothing is recorded."""
    violations: list[str] = field(default_factory=list)


def remove_stores(folder: Path, *, rounds: int, seed: int) -> GoneReport:
    """Open a store, use it, take a file of it away, and ask it for more; ``rounds`` times."""
    report = GoneReport(rounds=rounds, seed=seed)
    draw = random.Random(seed)
    for number in range(rounds):
        asyncio.run(_one(folder / str(number), draw, report))
        shutil.rmtree(folder / str(number), ignore_errors=True)
    return report


async def _one(folder: Path, draw: random.Random, report: GoneReport) -> None:
    name, take_away = draw.choice(sorted(WAYS.items()))
    file = draw.choice(FILES)
    way = f"{name} {file}" if name != "folder moved" else name
    async with await Store.open(folder) as store:
        for number in range(draw.randrange(4)):
            await store.add_seeds([make_seed(number)])
        take_away(folder, folder / file)
        report.ways[way] += 1
        for verb in draw.sample(sorted(VERBS), k=3):
            await _ask(VERBS[verb](store), f"{way}: {verb}", report)
        if report.ways[way] == 1:  # once for each way: it waits for nothing where all is well
            await _watch(store, way, report)


async def _ask(verb: Awaitable[object], what: str, report: GoneReport) -> None:
    try:
        await verb
        report.violations.append(f"{what}: acknowledged although the file is gone")
    except StoreGone:
        report.refused += 1
    except StoreError as error:
        report.violations.append(f"{what}: failed with something else: {error}")


async def _watch(store: Store, way: str, report: GoneReport) -> None:
    try:
        async with asyncio.timeout(NOTICED_S):
            await store.watch_files()
    except StoreGone:
        return
    except TimeoutError:
        report.violations.append(f"{way}: not noticed by an idle store")


def _removed(folder: Path, path: Path) -> None:
    path.unlink()


def _replaced(folder: Path, path: Path) -> None:
    draft = path.with_name("draft")
    shutil.copy(path, draft)
    draft.replace(path)


def _moved(folder: Path, path: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}-moved"))


WAYS: dict[str, Callable[[Path, Path], None]] = {"removed": _removed, "replaced": _replaced, "folder moved": _moved}
VERBS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "add_seeds": lambda store: store.add_seeds([make_seed(99)]),
    "add_seeds with a key": lambda store: store.add_seeds([make_seed(98)], request=("key", "digest")),
    "lease": lambda store: store.lease(1),
    "meta_set": lambda store: store.meta_set("fact", "value"),
    "record_step": lambda store: store.record_step("seed", "step", {}),
    "open_work": lambda store: store.open_work(),
}

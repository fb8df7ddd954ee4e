"""`doctor`: what is wrong with this machine, a folder and agents.yaml, and what to do about it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import anyio
import click

from star_agents.agents.endpoints import secrets_of
from star_agents.cli.cluster_check import cluster_findings
from star_agents.cli.tables import print_json, print_table
from star_agents.config.models import Config
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError, StoreError
from star_agents.storage.examination import (
    Examination,
    check_writable,
    examine,
    folder_mount,
    sqlite_problem,
    sqlite_version,
)
from star_agents.storage.reader import StoreReader
from star_agents.storage.secrets_at_rest import find_secrets, strike_secrets
from star_agents.storage.store import Store
from star_agents.text.printing import say
from star_agents.text.redaction import redactor

INDEX_FILE = "memory.hnsw"
LIBRARIES = ("torch", "transformers", "litellm", "hnswlib", "aiohttp")
LOW_DISK, NO_DISK = 1 << 30, 1 << 26
"""Bytes free below which there is a warning, and a failure."""
LARGE_LOG = 64 << 20
"""Bytes of write-ahead log that a healthy store never has for long."""

State = Literal["ok", "warn", "FAILED"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A line of what `doctor` prints."""

    part: str
    state: State
    detail: str
    """What is so, and what to do where it is not well."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("-c", "--config", "config_path", type=click.Path(path_type=Path), help="Also look at this agents.yaml.")
@click.option("--deep", is_flag=True, help="Check every index of the store against its table; takes longer.")
@click.option("--repair", is_flag=True, help="First mend in the store what can be mended; nothing may work on it.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(folder: Path, config_path: Path | None, deep: bool, repair: bool, as_json: bool) -> None:
    """Look at Python, SQLite, the libraries, the disk, the store in FOLDER, agents.yaml and its cluster.

    Nothing is changed without --repair, and a daemon may work on FOLDER meanwhile. Exit code 1 if anything FAILED; a
    warning is none.
    """
    config, findings = _configuration(config_path)
    redactor.keep(secrets_of(os.environ, config.agents if config is not None else {}))
    if repair:
        _repair(folder)
    findings += [
        *_machine(),
        *_cluster(config),
        *_place(folder),
        *_store(folder, thorough=deep),
        _index(folder),
        _inbox(folder, config),
    ]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table("doctor", ["part", "", "detail"], [[one.part, one.state, one.detail] for one in findings])
    if any(one.state == "FAILED" for one in findings):
        sys.exit(1)


def _repair(folder: Path) -> None:
    """Mend the store, and say what was done."""
    StoreReader(folder).close()  # A folder without a store is a slip of the pen; opening it to work would make one.
    mended = anyio.run(_repair_counts, folder)
    say(f"repaired: the counts of {mended:,} calls are unknown now", err=True)
    found, copy = strike_secrets(folder, os.environ)
    if found.words:
        say(f"repaired: secrets are struck out of {found.words}, and the file is written anew", err=True)
    if copy is not None:
        say(
            f"note: {copy} is the store as it was and STILL HOLDS THE SECRETS: delete it once all is well. Backups, "
            "earlier exports and log files may hold them too; who may have read any of these has the secrets, so "
            "change them",
            err=True,
        )


async def _repair_counts(folder: Path) -> int:
    async with await Store.open(folder) as store:
        return await store.repair_counts()


def _ok(part: str, detail: str) -> Finding:
    return Finding(part=part, state="ok", detail=detail)


def _warn(part: str, detail: str) -> Finding:
    return Finding(part=part, state="warn", detail=detail)


def _failed(part: str, detail: str) -> Finding:
    return Finding(part=part, state="FAILED", detail=detail)


def _configuration(path: Path | None) -> tuple[Config | None, list[Finding]]:
    if path is None:
        return None, []
    try:
        notes: list[Finding] = []
        config = read_config(path, note=lambda note: notes.append(_warn("agents.yaml", str(note))))
    except ConfigError as error:
        return None, [_failed("agents.yaml", str(problem)) for problem in error.problems]
    kept = "for ever" if config.retention_days is None else f"for {config.retention_days:g} days"
    return config, [_ok("agents.yaml", f"{len(config.agents)} agents; texts of answers are kept {kept}"), *notes]


def _machine() -> Iterator[Finding]:
    yield _ok("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    problem, is_fatal = sqlite_problem()
    make = _failed if is_fatal else _warn if problem else _ok
    yield make("sqlite", f"{sqlite_version()} {problem}".rstrip())
    for library in LIBRARIES:
        try:
            yield _ok(library, metadata.version(library))
        except metadata.PackageNotFoundError:
            yield _failed(library, f"is not installed (pip install {library})")


def _cluster(config: Config | None) -> Iterator[Finding]:
    if config is not None and config.cluster is not None:
        for one in anyio.run(cluster_findings, config, lambda line: say(line, err=True)):
            yield (_ok if one.ok else _failed)(one.part, one.detail)


def _place(folder: Path) -> Iterator[Finding]:
    mount = folder_mount(folder)
    if mount.is_network:
        yield _failed(
            "file system", f"{mount.kind} at {mount.point}: SQLite loses data there; use a disk of this machine"
        )
    else:
        yield _ok("file system", f"{mount.kind} at {mount.point}")
    there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    free = shutil.disk_usage(there).free
    make = _failed if free < NO_DISK else _warn if free < LOW_DISK else _ok
    advice = "" if free >= LOW_DISK else "; free some before seeds are worked"
    yield make("disk", f"{free / 2**30:,.1f} GiB free{advice}")
    try:
        check_writable(there)
        yield _ok(
            "folder", f"{folder} can be written" if folder.exists() else f"{folder} is not there, and can be made"
        )
    except StoreError as error:
        yield _failed("folder", f"{folder} cannot be written: {error}")


def _store(folder: Path, *, thorough: bool) -> Iterator[Finding]:
    try:
        facts = examine(folder, thorough=thorough)
    except StoreError as error:
        yield _failed("store", str(error))
        return
    if facts is None:
        yield _ok("store", "none yet")
        return
    if facts.damage:
        yield _failed("store", f"damaged: {facts.damage}; put the folder aside and restore a backup")
    else:
        yield _ok("store", f"{facts.bytes / 2**20:,.1f} MiB, {'integrity' if thorough else 'quick'} check passed")
    yield _schema(facts)
    yield from _copies(folder)
    yield _log(facts)
    yield _ok("lock", "free" if facts.owner is None else f"held by process {facts.owner or 'unknown'}")
    yield from _work(facts)
    if not facts.damage and facts.schema <= facts.newest_schema:
        yield _secrets(folder, thorough=thorough)


def _secrets(folder: Path, *, thorough: bool) -> Finding:
    """Of the environment, of the agents.yaml that is looked at, and of every agents.yaml that was in force."""
    found = find_secrets(folder, os.environ, texts=thorough)
    if not found.words:
        where = "agents.yaml as it was kept, calls" + (" and texts" if thorough else "; --deep looks at texts too")
        return _ok("secrets", f"none that is known stands in {where}")
    advice = "`doctor FOLDER --repair` strikes them out (with `-c agents.yaml` also those that stand there)"
    return _warn("secrets", f"stand in {found.words}, as an older release wrote them: {advice}")


def _copies(folder: Path) -> Iterator[Finding]:
    """What was kept of the store before it was brought up to date, or repaired."""
    if copies := sorted(folder.glob("store.before-*.sqlite3")):
        size = sum(copy.stat().st_size for copy in copies) / 2**20
        names = ", ".join(copy.name for copy in copies)
        yield _ok("copies", f"{names}: the store as it was, {size:,.1f} MiB; delete them once all is well")


def _schema(facts: Examination) -> Finding:
    if facts.schema > facts.newest_schema:
        detail = f"version {facts.schema}, of a newer release than this one ({facts.newest_schema}): update star_agents"
        return _failed("schema", detail)
    if facts.schema < facts.newest_schema:
        return _warn(
            "schema",
            f"version {facts.schema}; any other command brings it to {facts.newest_schema}, and keeps a copy beside it",
        )
    return _ok("schema", f"version {facts.schema}")


def _log(facts: Examination) -> Finding:
    size = f"{facts.log_bytes / 2**20:,.1f} MiB"
    if facts.log_bytes > LARGE_LOG:
        return _warn("log", f"{size} wait to be folded in: end programs that read the store for long")
    return _ok("log", size)


def _work(facts: Examination) -> Iterator[Finding]:
    if facts.schema != facts.newest_schema or facts.damage:
        return
    if facts.quarantined:
        first = facts.quarantined[0]
        advice = "look at them, then `star_agents release`"
        yield _warn("quarantine", f"{len(facts.quarantined)} seeds, first {first.id} ({first.source}): {advice}")
    else:
        yield _ok("quarantine", "empty")
    is_idle = facts.owner is None
    pending = f"{facts.calls_pending} without an answer"
    if is_idle and facts.calls_pending:
        yield _warn("calls", f"{pending}, cut off when a process ended: they may be paid for once more")
    else:
        yield _ok("calls", pending)
    if facts.calls_impossible:
        yield _warn(
            "counts",
            f"{facts.calls_impossible} calls hold tokens or dollars that no reply can have, as a provider claimed; "
            "they count as unknown, and `doctor FOLDER --repair` makes them so for good",
        )
    else:
        yield _ok("counts", "every call holds counts that can be so")
    if is_idle and facts.seeds_in_hand:
        yield _warn(
            "seeds", f"{facts.seeds_in_hand} were in hand when a process died; the next start queues them again"
        )
    else:
        yield _ok("seeds", f"{facts.seeds_in_hand} in hand")


def _index(folder: Path) -> Finding:
    """The memory bank's index is a cache of rows in the store, so nothing about it is worse than a warning."""
    told = folder / f"{INDEX_FILE}.json"
    if not told.exists() and not (folder / INDEX_FILE).exists():
        return _ok("index", "none; it is built from the store")
    try:
        facts = json.loads(told.read_text(encoding="utf-8"))
        is_whole = all(_checksum(folder / Path(name).name) == found for name, found in facts["files"].items())
        detail = f"{facts['count']} instructions of embedder {facts['embedder']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        is_whole, detail = False, ""
    return _ok("index", detail) if is_whole else _warn("index", "torn; the next start builds it anew from the store")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inbox(folder: Path, config: Config | None) -> Finding:
    inbox = Path(config.server.watch) if config is not None and config.server.watch else folder / "inbox"
    try:
        waiting = sorted(path.name for path in inbox.iterdir() if path.is_file())
        rejected = [path for path in (inbox / "rejected").glob("*") if not path.name.endswith(".problems.txt")]
    except OSError:
        return _ok("inbox", f"{inbox} is not there; `serve` makes it")
    notes = []
    if waiting:
        notes.append(f"{len(waiting)} files wait (first {waiting[0]}): `serve` takes them in, but no .part or .tmp")
    if rejected:
        notes.append(f"{len(rejected)} in rejected/: the .problems.txt beside each says why")
    return _warn("inbox", "; ".join(notes)) if notes else _ok("inbox", "empty")

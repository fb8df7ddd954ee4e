"""`push`: rows, card and pictures of a folder to a repository of the hub, looked through before anything is sent."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from star_agents.engine.publishing.making import Made, make
from star_agents.engine.publishing.own_card import check_configs, licence_in, read_card
from star_agents.errors import StoreLocked, UsageError
from star_agents.export.card import PLOTS, README
from star_agents.export.hub import MAIN, Hub, Sent, Target, Upload, check_repo, token_of
from star_agents.export.licences import Licence
from star_agents.storage.lock import LOCK_FILE, FolderLock
from star_agents.storage.outgoing.shards import CONFIGS, SHARD_BYTES, SPLIT
from star_agents.text.redaction import keep_secrets_of

STAGE = ".push"
"""Folder in the store's own, where what goes out is made; gone afterwards."""
_OURS = re.compile(rf"({'|'.join(CONFIGS)})/{SPLIT}-\d{{5}}\.parquet|{PLOTS}/[a-z0-9-]+\.svg")


@dataclass(frozen=True, kw_only=True)
class PushRequest:
    """What a person asks for."""

    folder: Path
    target: Target
    licence: Licence | None = None
    name: str = ""
    """Of the dataset, in its card; empty: of the repository."""
    card: Path | None = None
    """A card of one's own."""
    message: str = ""
    """Of the commit."""
    shard_bytes: int = SHARD_BYTES
    allow_key_shapes: bool = False
    """Whether what is merely shaped like a key may go out."""
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What went out, or would have."""

    rows: Mapping[str, int]
    files: Mapping[str, int]
    """Name to bytes."""
    licence: Licence
    sent: Sent | None
    """``None`` of a dry run."""


def push(
    request: PushRequest,
    environ: Mapping[str, str],
    *,
    hear: Callable[[str, int], None] = lambda name, size: None,
) -> Pushed:
    """Make everything, look through it, and only then send it.

    Args:
        request: What is asked for.
        environ: Has the token, and whatever else must not go out.
        hear: Hears the name of each shard, and its bytes, once the hub has it.

    Raises:
        UsageError: no licence, no rows, a secret in what would go out, no token, a name that is none.
        StoreError: there is no store in the folder, or it cannot be read.
        StoreLocked: another push of this folder is at work.
        HubError: the hub refuses, fails, or cannot be reached.
    """
    _check(request)
    keep_secrets_of(environ)
    text, head = read_card(request.card) if request.card is not None else ("", {})
    licence = licence_in(request.card, head, request.licence) if request.card is not None else request.licence
    if licence is None:
        raise UsageError(
            "push needs --license ID (such as cc-by-4.0): without one nobody may use the rows. Which it can be hangs "
            "on the seeds and on the terms of the models that wrote them: `card` lists both"
        )
    token = "" if request.dry_run else token_of(environ)
    with _stage(request.folder) as stage:
        made = _made(request, licence, stage)
        if request.card is not None:
            made = replace(made, card=text)
            check_configs(request.card, head, [name for name in CONFIGS if made.gathered.rows[name]])
        made.look_for_secrets()
        made.gathered.secrets.look(request.message, "the message of the commit")
        made.gathered.secrets.refuse(allow_shaped=request.allow_key_shapes)
        made.write(stage / README)
        uploads = [Upload(name, stage / name) for name in _names(made)]
        sent = None if request.dry_run else _send(request, token, uploads, made, hear)
        sizes = {one.name: one.path.stat().st_size for one in uploads}
    return Pushed(rows=_filled(made), files=sizes, licence=licence, sent=sent)


def _check(request: PushRequest) -> None:
    check_repo(request.target.repo)
    if request.target.as_pr and request.target.branch != MAIN:
        raise UsageError("--pr proposes a change to the main branch; give it without --branch")


def _made(request: PushRequest, licence: Licence, stage: Path) -> Made:
    made = make(
        request.folder,
        name=request.name,
        repo=request.target.repo,
        licence=licence,
        into=stage,
        shard_bytes=request.shard_bytes,
    )
    if not made.gathered.rows.total():
        raise UsageError(f"{request.folder} holds no rows: nothing was pushed (see `status {request.folder}`)")
    return made


def _names(made: Made) -> Sequence[str]:
    """Rows first: the card tells of what is there."""
    return [*made.gathered.files, *(f"{PLOTS}/{one.file}" for one in made.plots), README]


def _filled(made: Made) -> dict[str, int]:
    return {name: made.gathered.rows[name] for name in CONFIGS if made.gathered.rows[name]}


def _send(
    request: PushRequest, token: str, uploads: Sequence[Upload], made: Made, hear: Callable[[str, int], None]
) -> Sent:
    rows = ", ".join(f"{n:,} {name}" for name, n in _filled(made).items())
    hub = Hub(request.target, token, hear=hear)
    return hub.push(uploads, message=request.message or f"Rows by star_agents: {rows}", is_ours=_is_ours)


def _is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None


@contextmanager
def _stage(folder: Path) -> Iterator[Path]:
    """An empty folder that no other push writes to; what a kill left there is removed."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder (name the -o of a `run`, or the --data-dir of `serve`)")
    stage = folder / STAGE
    try:
        stage.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{stage}: cannot be made: {error.strerror or error}") from error
    try:
        lock = FolderLock.acquire(stage)
    except StoreLocked:
        raise StoreLocked(f"{folder}: another push of this folder is at work; wait for its end") from None
    try:
        for one in stage.iterdir():
            if one.is_dir():
                shutil.rmtree(one)
            elif one.name != LOCK_FILE:
                one.unlink()
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        lock.release()

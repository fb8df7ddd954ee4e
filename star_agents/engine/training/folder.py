"""Where a training is kept: ``MODEL.part`` until it is whole, then ``MODEL``, by one rename.

MODEL.part/request.json      what is trained, from what; and whether it replaces a model that is there
MODEL.part/checkpoint-N/     as the libraries write them; one counts only with our mark in it, which is written last
MODEL.part/model/            the finished model on its way to its name
MODEL/training.json          what was trained, from what: another training never goes into this folder
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from star_agents.errors import UsageError
from star_agents.storage.formats.row_writing import atomic_file, sync_folder
from star_agents.storage.lock import LOCK_FILE, FolderLock
from star_agents.text.plain_data import json_text

REQUEST = "request.json"
FINISHED = "training.json"
MARK = "whole.json"
MODEL = "model"
HOLDS_ANOTHER = "holds another training"
"""What is said of a folder, before what differs."""
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_WEIGHTS_OF = {"model": "model_fingerprint", "reward_model": "reward_model_fingerprint"}
"""Of a request, a model's name to what tells its weights: a model that was moved is the same one."""
Identity = Mapping[str, Any]


class TrainingFolder:
    """The folders of one training.

    Args:
        out: Of the finished model.
        part: Of everything until then.
    """

    def __init__(self, out: Path, part: Path) -> None:
        self.out = out
        self.part = part
        self._lock: FolderLock | None = None

    def lock(self) -> None:
        """Keep other processes away. Raises StoreLocked, or UsageError where the folder cannot be made."""
        try:
            self.part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.part}: cannot be made: {error.strerror or error}") from error
        self._lock = FolderLock.acquire(self.part)

    def unlock(self) -> None:
        """Let others come."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def is_finished(self, asked: Callable[[], Identity]) -> bool:
        """Whether the model is there, trained as ``asked`` says; it is only called where a model is there.

        Raises:
            UsageError: something else is there.
        """
        if not self._is_taken():
            return False
        known = _read(self.out / FINISHED)
        if known is None:
            raise UsageError(f"{self.out}: is there already, and no model that was trained here; name another folder")
        identity, begun = asked(), _read(self.part / REQUEST) or {}
        if begun.get("replaces") and not _differences(begun.get("request", {}), identity):
            return False
        self._refuse_another(known.get("request", {}), identity, self.out, "--fresh trains anew and replaces it")
        return True

    def begin(self, identity: Identity, *, fresh: bool) -> None:
        """Make ``identity`` what is trained here, or go on with it; with ``fresh`` begin anew. Where something else was
        begun and nothing of it is saved, nothing is lost: its place is taken.

        Raises:
            UsageError: something else is being trained here, or stands where the model belongs.
        """
        if fresh:
            self._forget()
        known = _read(self.part / REQUEST) or {}
        begun = known.get("request", {})
        if known and self.newest() is not None:
            self._refuse_another(begun, identity, self.part, "--fresh begins anew and loses it")
        elif not known or _differences(begun, identity):
            if self._is_taken() and _read(self.out / FINISHED) is None:
                raise UsageError(
                    f"{self.out}: is no model that was trained here, and is not replaced; name another folder"
                )
            _write(self.part / REQUEST, {"request": identity, "replaces": fresh or bool(known.get("replaces"))})
        shutil.rmtree(self.part / MODEL, ignore_errors=True)  # a kill came before it had its name
        for checkpoint in self._checkpoints():
            if not is_whole(checkpoint):
                shutil.rmtree(checkpoint, ignore_errors=True)

    def _is_taken(self) -> bool:
        """Whether something stands where the model belongs."""
        return self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir()))

    def _forget(self) -> None:
        """Throw away what an earlier training has begun."""
        for one in self.part.iterdir():
            if one.is_dir():
                shutil.rmtree(one)
            elif one.name != LOCK_FILE:
                one.unlink()

    def newest(self) -> Path | None:
        """The newest whole checkpoint."""
        return next((one for one in self._checkpoints() if is_whole(one)), None)

    def finish(self, identity: Identity, facts: Mapping[str, Any]) -> None:
        """Give the model in ``part/model`` its name, once all of it is on disk. Raises UsageError."""
        model = self.part / MODEL
        _write(model / FINISHED, {"request": identity, **facts})
        _sync(model)
        if self.out.exists():
            self.out.rename(self.part / f"replaced-{secrets.token_hex(8)}")
        model.rename(self.out)
        sync_folder(self.out.parent)

    def facts(self) -> dict[str, Any]:
        """What ``finish`` kept beside the model; nothing where it is not finished. Raises UsageError."""
        return _read(self.out / FINISHED) or {}

    def clean(self) -> None:
        """Remove what is not needed once the model has its name."""
        self.unlock()
        shutil.rmtree(self.part, ignore_errors=True)

    def _checkpoints(self) -> list[Path]:
        """The newest first."""
        if not self.part.is_dir():
            return []
        found = [(int(name[1]), one) for one in self.part.iterdir() if (name := _CHECKPOINT.fullmatch(one.name))]
        return [one for _, one in sorted(found, reverse=True)]

    def _refuse_another(self, known: Identity, wanted: Identity, place: Path, fix: str) -> None:
        differs = _differences(known, wanted)
        if differs:
            raise UsageError(f"{place} {HOLDS_ANOTHER}: {'; '.join(differs)}. {fix}; or name another folder")


def _differences(known: Identity, wanted: Identity) -> list[str]:
    return [
        f"{name} was {known.get(name)!r} and is {wanted.get(name)!r}"
        for name in dict.fromkeys([*known, *wanted])
        if known.get(name) != wanted.get(name) and not _are_the_same_weights(name, known, wanted)
    ]


def _are_the_same_weights(name: str, known: Identity, wanted: Identity) -> bool:
    """Whether a key only says where a model lies, and both mean the same one."""
    told_by = _WEIGHTS_OF.get(name, "")
    return told_by in known and known[told_by] == wanted.get(told_by)


def seal(checkpoint: Path) -> None:
    """Have every file of a checkpoint on disk, and then mark it as whole."""
    _sync(checkpoint)
    sizes = {str(one.relative_to(checkpoint)): one.stat().st_size for one in checkpoint.rglob("*") if one.is_file()}
    _write(checkpoint / MARK, {"sizes": sizes})
    sync_folder(checkpoint.parent)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was marked, and every file is as long as it was then."""
    mark = _read(checkpoint / MARK)
    sizes = mark.get("sizes") if mark else None
    if not isinstance(sizes, dict) or not sizes:
        return False
    return all((checkpoint / name).is_file() and (checkpoint / name).stat().st_size == n for name, n in sizes.items())


def _sync(folder: Path) -> None:
    for one in folder.rglob("*"):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(folder)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}; remove the folder to begin anew") from error
    return found if isinstance(found, dict) else None


def _write(path: Path, data: Mapping[str, Any]) -> None:
    with atomic_file(path) as file:
        file.write(json_text(dict(data), indent=2).encode() + b"\n")

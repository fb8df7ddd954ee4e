"""Which files of a dataset repository hold the rows of a config and a split. Pure.

Where its card names files (``configs: [{config_name, data_files}]``, the hub's "Data Files Configuration"), they are
those. Without that they are told by their names: where all files lie in folders, each of these is a config; a split is
a word of the path, as `datasets` knows it (``data/train-00000-of-00002.parquet``, ``test.jsonl``); where no name holds
such a word, everything is ``train``.

A card is a stranger's: what in it has another form than this says nothing.
"""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from star_agents.errors import Problem, SeedFileError

ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
PACKED = ("", ".gz", ".zst", ".zstd")
TRAIN = "train"
_SAME = {
    "training": TRAIN,
    **dict.fromkeys(("dev", "val", "valid"), "validation"),
    **dict.fromkeys(("eval", "evaluation", "testing"), "test"),
}
_SPLITS = (TRAIN, "validation", "test", *_SAME)
_WORD = re.compile("[a-z]+")
_NO_ROWS = ("dataset_infos.json", "dataset_dict.json", "dataset_info.json", "state.json")
_SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Files of one split of one config."""

    config: str
    """Empty where the repository has none."""
    split: str
    files: tuple[str, ...]
    """Paths in the repository, by name."""


def layout_of(files: Sequence[str], card: Mapping[str, Any], *, config: str, split: str, where: str) -> Layout:
    """The files to read.

    Args:
        files: Paths of everything in the repository.
        card: What stands at the head of its card.
        config: As asked for; empty: the only one, or the default.
        split: As asked for; empty: ``train``, or the only one.
        where: What it is called in messages.

    Raises:
        SeedFileError: there is no such config or split, none is the usual one, or it holds no rows that are read.
    """
    rows = sorted(one for one in files if _holds_rows(one))
    if not rows:
        raise _refused(where, "holds no rows in JSON, JSONL, CSV or Parquet", _OWN_CODE)
    named = _named_in(card)
    if named:
        config = _chosen("config", config, _usual_config(card, named), list(named), where)
        by_split = {one: _matching(patterns, rows) for one, patterns in named[config].items()}
    else:
        folders = _folders(rows)
        if config:
            config = _chosen("config", config, "", list(folders), where)
        elif len(folders) > 1 and "" not in folders:
            config = _chosen("config", "", "default" if "default" in folders else "", list(folders), where)
        by_split = _by_split(folders[config] if config else rows)
    by_split = {one: found for one, found in by_split.items() if found}
    if not by_split:
        raise _refused(where, "the files that its card names are not there, or hold no rows that are read", _OWN_CODE)
    only = next(iter(by_split)) if len(by_split) == 1 else ""
    split = _chosen(
        "split",
        _SAME.get(split, split) if split not in by_split else split,
        TRAIN if TRAIN in by_split else only,
        list(by_split),
        where,
    )
    return Layout(config=config, split=split, files=tuple(by_split[split]))


_OWN_CODE = "a dataset that is made by a script has its rows under `@refs/convert/parquet`, where the hub made it"


def _holds_rows(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    is_hidden = any(part.startswith(".") for part in path.split("/"))
    return name.endswith(tuple(end + packed for end in ENDINGS for packed in PACKED)) and not (
        is_hidden or name in _NO_ROWS
    )


def _named_in(card: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Config to split to patterns, as a card has them; nothing where it has none, or another form."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in _configs(card):
        name, folder = one.get("config_name", "default"), one.get("data_dir")
        patterns = _patterns(one.get("data_files"))
        if patterns and isinstance(name, str):
            below = f"{folder.strip('/')}/" if isinstance(folder, str) and folder.strip("/") else ""
            found[name] = {split: [below + pattern for pattern in several] for split, several in patterns.items()}
    return found


def _configs(card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    configs = card.get("configs")
    return [one for one in configs if isinstance(one, Mapping)] if isinstance(configs, list) else []


def _patterns(data_files: Any) -> dict[str, list[str]]:
    if isinstance(data_files, Mapping):
        return {split: _texts(paths) for split, paths in data_files.items() if isinstance(split, str)}
    found: dict[str, list[str]] = {}
    for one in data_files if isinstance(data_files, list) else [data_files]:
        split, paths = (one.get("split", TRAIN), one.get("path")) if isinstance(one, Mapping) else (TRAIN, one)
        if isinstance(split, str) and (texts := _texts(paths)):
            found.setdefault(split, []).extend(texts)
    return found


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _usual_config(card: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    flagged = [
        name for name in named if any(one.get("config_name") == name and one.get("default") for one in _configs(card))
    ]
    usual = flagged or [name for name in ("default",) if name in named] or (list(named) if len(named) == 1 else [])
    return usual[0] if usual else ""


def _matching(patterns: Iterable[str], rows: Sequence[str]) -> list[str]:
    asked = {pattern.removeprefix("./") for pattern in patterns}
    forms = [pattern for pattern in asked if glob.has_magic(pattern)]
    return [one for one in rows if one in asked or any(matches(one, form) for form in forms)]


def matches(path: str, pattern: str) -> bool:
    """Whether a path is of a pattern, as the hub reads it: `*` stays within a folder, a `**` of its own does not.

    In time of their lengths' product, since both are a stranger's.
    """
    parts = pattern.split("/")
    ends = _over_folders(parts, {0})  # Places in the pattern up to which what was seen of the path may have come.
    for folder in path.split("/"):
        may = {at if parts[at] == "**" else at + 1 for at in ends if at < len(parts) and _fits(folder, parts[at])}
        ends = _over_folders(parts, may)
    return len(parts) in ends


def _fits(folder: str, part: str) -> bool:
    return part == "**" or fnmatch.fnmatchcase(folder, part)


def _over_folders(parts: Sequence[str], ends: set[int]) -> set[int]:
    """With those behind any `**` there, which stands for no folder, too."""
    found = set(ends)
    for at, part in enumerate(parts):
        if at in found and part == "**":
            found.add(at + 1)
    return found


def _folders(rows: Sequence[str]) -> dict[str, list[str]]:
    """Files by the folder that may be a config: not those that are named after a split, nor ``data``."""
    found: dict[str, list[str]] = {}
    for path in rows:
        top, _, below = path.partition("/")
        is_config = bool(below) and top != "data" and top.lower() not in _SPLITS
        found.setdefault(top if is_config else "", []).append(path)
    return found


def _by_split(rows: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in rows:
        words = [word for word in _WORD.findall(path.lower()) if word in _SPLITS]
        found.setdefault(_SAME.get(words[-1], words[-1]) if words else "", []).append(path)
    unnamed = found.pop("", [])
    return found or {TRAIN: unnamed}


def _chosen(what: str, asked: str, usual: str, known: Sequence[str], where: str) -> str:
    if asked in known and asked:
        return asked
    names = ", ".join(sorted(filter(None, known))[:_SHOWN]) or "none"
    if asked:
        raise _refused(where, f"has no {what} {asked!r}", f"it has {names}")
    if usual:
        return usual
    form = "hf:user/name:CONFIG" if what == "config" else "hf:user/name:CONFIG:SPLIT, or hf:user/name::SPLIT"
    raise _refused(where, f"has several of {what}, and none is the usual one", f"name one ({names}): {form}")


def _refused(where: str, message: str, fix: str) -> SeedFileError:
    return SeedFileError([Problem(where=where, field="", message=message, fix=fix)])

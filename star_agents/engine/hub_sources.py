"""Datasets of the hub as seeds of a run: the commit that the first call read is the one that later calls read.

A run goes on with what it began, so its folder keeps which commit and files a name of the hub meant. Somebody who wants
a newer one takes another folder, or names it: ``hf:user/name@revision``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from star_agents.errors import UsageError
from star_agents.export.hub_datasets import Fetched, fetch_dataset
from star_agents.export.hub_names import HubName, Pinned
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.text.plain_data import json_text

PINS = "hub_seeds.json"
"""In the folder of the run: name, as it was given, to commit, config, split and files."""


def fetch_for(
    given: str,
    out: Path | None,
    *,
    hear: Callable[[int, int], None] = lambda done, total: None,
    endpoint: str = "",
    cache: Path | None = None,
) -> Fetched:
    """Have the dataset here that ``given`` names.

    Args:
        given: ``hf:user/name...``.
        out: The folder of the run; ``None``: there is none, and the newest commit is read.
        hear: As for ``fetch_dataset``; so are ``endpoint`` and ``cache``.
        endpoint: See there.
        cache: See there.

    Raises:
        SeedFileError: it names none, or holds no rows that are read.
        HubError: the hub does not give it.
        UsageError: what the folder keeps cannot be read, or written.
    """
    name, pins = HubName.of(given), {} if out is None else pins_of(out)
    begun = next((one.commit for other, one in pins.items() if HubName.of(other)[:2] == name[:2]), "")
    if begun:  # Another split of what this run reads already is of the same commit.
        name = name._replace(revision=begun)
    fetched = fetch_dataset(name, pins.get(given), hear=hear, endpoint=endpoint, cache=cache)
    if out is not None and given not in pins:
        kept = {key: one._asdict() for key, one in {**pins, given: fetched.pinned}.items()}
        with atomic_file(out / PINS) as file:
            file.write(json_text(kept, indent=2).encode() + b"\n")
    return fetched


def pins_of(out: Path) -> dict[str, Pinned]:
    """By name as it was given, what a folder's seeds were read from at the hub. Raises UsageError."""
    path = out / PINS
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): Pinned(
                str(one["commit"]), str(one["config"]), str(one["split"]), tuple(str(file) for file in one["files"])
            )
            for name, one in told.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} says which commits of the hub this run reads, and cannot be read: {error}") from None

"""What a program gives in the place of agents.yaml: read as the plain data that the file would hold, and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from star_agents.config.models import Config
from star_agents.config.old_places import Location
from star_agents.config.places import dotted
from star_agents.config.reading import DERIVED, Note, checked, ignore_note
from star_agents.config.recipes import FindRecipes, only_star
from star_agents.config.yaml_core import MAX_DEPTH, MAX_NODES, Plain
from star_agents.errors import ConfigError, Problem


class NotPlain(Exception):
    """Values that no file could hold.

    Args:
        found: Where each stands, and what is wrong with it.
    """

    def __init__(self, found: list[tuple[Location, str]]) -> None:
        super().__init__(f"{len(found)} values are not plain")
        self.found = found


def check_config(
    data: Mapping[str, Any] | Config,
    *,
    where: str = "config",
    environ: Mapping[str, str] | None = None,
    find: FindRecipes = only_star,
    note: Note = ignore_note,
) -> Config:
    """Check what would stand in a config file, given as plain data or as models that nobody has checked yet.

    Args:
        data: The same keys and values as in agents.yaml.
        where: Its name in messages, which have no lines.
        environ: As for ``read_config``.
        find: As for ``read_config``.
        note: As for ``read_config``.

    Raises:
        ConfigError: with one problem per mistake.
    """
    found = data.model_dump(mode="json", exclude=set(DERIVED)) if isinstance(data, Config) else data
    if not isinstance(found, Mapping):
        message = f"must be a dict with the keys of agents.yaml, not {type(found).__name__}"
        raise ConfigError([Problem(where=where, field="", message=message, fix="give a path, a dict or a Config")])
    try:
        given = as_plain(found)
    except NotPlain as wrong:
        raise ConfigError(
            [Problem(where=where, field=dotted(field), message=message) for field, message in wrong.found]
        ) from None
    return checked(given, None, where, environ, find, note, Path.cwd())


def as_plain(value: Mapping[Any, Any]) -> Plain:
    """The same in JSON's types: tuples become lists, paths text. As deep and as large as a file may be.

    Raises:
        NotPlain: with every value that has no place there.
    """
    reading = _Reading()
    plain = reading.read(value, ())
    if reading.found:
        raise NotPlain(reading.found)
    return plain


class _Reading:
    def __init__(self) -> None:
        self.found: list[tuple[Location, str]] = []
        self._nodes = 0

    def read(self, value: Any, location: Location) -> Plain:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise NotPlain([((), f"holds more than {MAX_NODES:,} keys and values")])
        if len(location) > MAX_DEPTH:
            raise NotPlain([(location[:3], "is nested too deeply")])
        if isinstance(value, Mapping):
            return {str(key): self.read(item, (*location, str(key))) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.read(item, (*location, index)) for index, item in enumerate(value)]
        if isinstance(value, PurePath):
            return str(value)
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        kind = f"the number {value}" if isinstance(value, float) else f"a {type(value).__name__}"
        self.found.append((location, f"must be text, a number, true, false, null, a list or a dict; found {kind}"))
        return None

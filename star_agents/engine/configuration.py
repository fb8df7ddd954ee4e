"""agents.yaml read with every recipe that it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from star_agents.config import plain_values, reading
from star_agents.config.models import Config
from star_agents.config.recipes import Declared, FindRecipes
from star_agents.recipes.registry import absolute, find_chain


def read_config(path: Path, environ: Mapping[str, str] | None = None, *, note: reading.Note = reading.unsaid) -> Config:
    """As ``config.reading.read_config``; the files of recipes are looked for beside the config file."""

    return reading.read_config(path, environ, find=_finder(path.parent), note=note)


def check_config(
    data: Mapping[str, Any] | Config,
    environ: Mapping[str, str] | None = None,
    *,
    where: str = "config",
    note: reading.Note = reading.unsaid,
) -> Config:
    """As ``config.plain_values.check_config``; the files of recipes are looked for in the working folder."""
    return plain_values.check_config(data, where=where, environ=environ, find=_finder(Path.cwd()), note=note)


def _finder(folder: Path) -> FindRecipes:
    """Finds recipes by their names; files beside ``folder``."""

    def find(names: Sequence[str]) -> Sequence[Declared]:
        kept = [absolute(name, folder) for name in names]
        return [
            Declared(
                name=one.name,
                kept=name,
                section=None if name == "star" else one.settings,
                digest=one.digest,
                needs=frozenset() if name == "star" else one.needs,
                prompts=one.prompts,
            )
            for name, one in zip(kept, find_chain(kept), strict=True)
        ]

    return find

"""agents.yaml read with every recipe that it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from star_agents.config import reading
from star_agents.config.models import Config
from star_agents.config.recipes import Declared
from star_agents.recipes.registry import absolute, find_chain


def read_config(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """As ``config.reading.read_config``; the files of recipes are looked for beside the config file."""

    def find(names: Sequence[str]) -> Sequence[Declared]:
        kept = [absolute(name, path.parent) for name in names]
        return [
            Declared(
                name=one.name,
                kept=name,
                section=None if one.name == "star" else one.settings,
                digest=one.digest,
                needs=frozenset() if one.name == "star" else one.needs,
            )
            for name, one in zip(kept, find_chain(kept), strict=True)
        ]

    return reading.read_config(path, environ, find=find)

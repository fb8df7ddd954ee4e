"""The settings that a dataset was made under, as its card shows them.

Secrets are struck out where a revision is kept. Where a server stands, and where files lie, is not told either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml

from star_agents.config.kept import config_in_sections, kept_config
from star_agents.config.models import Config
from star_agents.config.secrets import without_secrets
from star_agents.errors import RecipeError
from star_agents.recipes.registry import find_recipe
from star_agents.text.redaction import redactor

_OF_AN_ADDRESS = re.compile(r"(.*_)?(api_base|url|uri|proxy|proxies|endpoint|host|address)", re.IGNORECASE)
"""Names of what says where a server stands, such as ``api_base`` or ``aws_bedrock_runtime_endpoint``."""
_ADDRESS = re.compile(r"\w[\w+.-]*://")
LEFT_OUT = "(left out)"


def shown_settings(revision: str) -> str:
    """YAML of what a revision of agents.yaml says otherwise than the defaults."""
    said = kept_config(revision).model_dump(mode="json", exclude_defaults=True, warnings=False)
    sections = {
        name: _said_by_recipe(name, section)
        for name, section in config_in_sections(revision).items()
        if name not in Config.model_fields and isinstance(section, Mapping)
    }
    told = {**said, **{name: section for name, section in sections.items() if section}}
    shown = redactor.known_in(_shown(without_secrets(told, {})))
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100)


def _said_by_recipe(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Without what its recipe takes where nothing is said; whole where the recipe is not at hand."""
    try:
        usual = find_recipe(name).settings.model_construct().model_dump(mode="json", warnings=False, fallback=str)
    except RecipeError:
        usual = {}
    return {key: value for key, value in section.items() if value is not None and value != usual.get(key)}


def _shown(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _shown(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner, name) for inner in value]
    if isinstance(value, str):
        is_address = _ADDRESS.match(value) or (value and _OF_AN_ADDRESS.fullmatch(name))
        return LEFT_OUT if is_address else shown_name(value)
    return value


def shown_name(value: str) -> str:
    """A name as it stands; of a path on this machine, its last part alone."""
    path = PurePath(value)
    return f"…/{path.name}" if path.is_absolute() or value.startswith("~") else value

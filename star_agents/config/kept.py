"""The config of a revision, as a store keeps it and whichever version wrote it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from star_agents.config.models import Config
from star_agents.config.old_places import in_sections
from star_agents.errors import StoreError

_LEFT_OUT_AT_MOST = 100


def kept_config(revision: str) -> Config:
    """Read a revision; what was in force once and is no longer taken, such as a bound that is new, counts as left out.

    It is for telling what was done under it, not for calling anybody.

    Raises:
        StoreError: it is no config even so.
    """
    data = config_in_sections(revision)
    for _ in range(_LEFT_OUT_AT_MOST):
        try:
            return Config.model_validate_json(json.dumps(data))
        except ValidationError as error:
            location = error.errors(include_url=False)[0]["loc"]
            if not _leave_out(data, location):
                break
    raise StoreError("its last agents.yaml cannot be read by this version (start `run` or `serve` on the folder once)")


def config_in_sections(revision: str) -> dict[str, Any]:
    """A revision as plain data, whichever version wrote it: every key in its section."""
    found = in_sections(json.loads(revision))
    return found if isinstance(found, dict) else {}


def _leave_out(data: Any, location: tuple[str | int, ...]) -> bool:
    """Take out the deepest part of a location that stands there. Pydantic adds words of its own at the end."""
    holder, key = None, None
    for part in location:
        is_there = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if not is_there:
            break
        holder, key, data = data, part, data[part]
    if holder is None:
        return False
    del holder[key]
    return True

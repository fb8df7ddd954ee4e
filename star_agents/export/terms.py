"""Where the terms for what a model writes are to be looked up. What they say is nowhere guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from star_agents.text.model_names import names_a_folder

OURS = "offline/"
_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_NAME = re.compile(r"[\w.-]{1,96}(?=(?::[\w.-]*)?$)")


class Terms(NamedTuple):
    """Whose terms they are, and where they stand."""

    of: str
    at: str = ""
    """Empty where no address is known."""


def terms_for(model: str) -> Terms:
    """Of a model by its name in agents.yaml: ``provider/model``."""
    if model.startswith(OURS):
        return Terms("a small program of star_agents, no language model")
    provider, _, rest = model.partition("/")
    known = _by_provider().get(provider)
    if known is None:
        return Terms("whoever serves it, and the model's maker")
    repo, name = None if names_a_folder(rest) else _REPO.fullmatch(rest), _NAME.match(rest)
    if ("{repo}" in known.at and repo is None) or ("{name}" in known.at and name is None):
        return Terms(known.of)
    return Terms(known.of, known.at.format(repo=rest, name=name[0] if name else ""))


@cache
def _by_provider() -> Mapping[str, Terms]:
    text = Path(__file__).with_name("terms.yaml").read_text(encoding="utf-8")
    return {provider: Terms(**told) for provider, told in yaml.safe_load(text).items()}

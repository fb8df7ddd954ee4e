"""A command of the user's as agents.yaml has it, told apart into program and arguments; no shell reads them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

_NAME = re.compile(r"\{([a-z_]+)\}")


def command_words(template: str, values: Mapping[str, str]) -> list[str]:
    """Program and arguments, each ``{name}`` replaced, once, after the words are told apart.

    Raises:
        ValueError: it cannot be read, or names no program.
    """
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise ValueError(f"the command {template!r} cannot be read: {error}") from None
    if not words:
        raise ValueError(f"the command {template!r} names no program")
    return [_NAME.sub(lambda found: values.get(found[1], found[0]), word) for word in words]

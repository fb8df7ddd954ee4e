"""Secrets in what is about to go out: nothing is pushed with one in it.

A secret that is known (of a variable that is named like a key) is one wherever it stands; those that agents.yaml holds
itself are struck out before anything is kept. What is only shaped like a key may be an example in good data: it counts
where it looks drawn by chance, and a person may overrule it. Of 28,476 real texts (instructions, answers, reviews,
documents) none looked so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from star_agents.errors import UsageError
from star_agents.text.redaction import keys_in, redactor

TOLD = 5
ALLOW = "--allow-key-shapes"
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*[A-Za-z0-9+/=]{32}")
_SHORTEST_KEY = 16
_PLACEHOLDER = re.compile(r"(.)\1{3}|example|your|sample|test|dummy|fake|placeholder|\*", re.IGNORECASE)


@dataclass
class SecretsFound:
    """What was found so far.

    Attributes:
        known: Texts with a known secret.
        shaped: Texts with something that is shaped like a key.
    """

    known: int = 0
    shaped: int = 0
    where: list[str] = field(default_factory=list[str])
    """The first places, in words that do not tell the secret."""

    def look(self, value: Any, where: str) -> None:
        """Look through plain data that goes out."""
        for text in _texts(value):
            is_known = redactor.holds(text)
            if is_known or looks_like_a_key(text):
                self.known += is_known
                self.shaped += not is_known
                if len(self.where) < TOLD:
                    self.where.append(f"{where}: {'a known secret' if is_known else _hint(text)}")

    def refuse(self, *, allow_shaped: bool) -> None:
        """Raises UsageError where something was found that may not go out."""
        found = self.known + (0 if allow_shaped else self.shaped)
        if not found:
            return
        more = self.known + self.shaped - len(self.where)
        places = "\n  ".join([*self.where, *([f"and {more:,} more"] if more > 0 else [])])
        fix = "strike secrets out of the folder with `doctor --repair`"
        if not self.known:
            fix = f"if they are examples and open nothing, {ALLOW} lets them go out; else take these rows out"
        raise UsageError(f"nothing was pushed: {found:,} texts hold what may be a secret ({fix}):\n  {places}")


def looks_like_a_key(text: str) -> bool:
    """Whether something in a text is shaped like a key and looks as if chance had made it."""
    return bool(_PRIVATE_KEY.search(text)) or any(map(_is_drawn, keys_in(text)))


def _is_drawn(key: str) -> bool:
    has_both = any(map(str.isdigit, key)) and any(map(str.isalpha, key))
    return len(key) >= _SHORTEST_KEY and has_both and not _PLACEHOLDER.search(key)


def _hint(text: str) -> str:
    key = next(filter(_is_drawn, keys_in(text)), "")
    return f"shaped like a key, {key[:4]}… ({len(key)} characters)" if key else "a private key"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(name)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)

"""Licences by the identifiers that the hub knows. Which one a dataset has is its maker's to say, and never guessed."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from star_agents.errors import UsageError

OTHER = "other"


class Licence(NamedTuple):
    """What a person said."""

    id: str
    name: str = ""
    """Of one that has no identifier."""
    link: str = ""
    """Where its text stands."""

    @property
    def head(self) -> dict[str, str]:
        """As a card's head has it."""
        said = {"license": self.id, "license_name": self.name, "license_link": self.link}
        return {key: value for key, value in said.items() if value}


def read_licence(id_: str | None, name: str | None = None, link: str | None = None) -> Licence | None:
    """The licence that a person names; ``None`` where nobody does.

    Raises:
        UsageError: the hub knows no such identifier, or one without an identifier lacks name and link.
    """
    if id_ is None:
        if name or link:
            raise UsageError("--license-name and --license-link go with `--license other`")
        return None
    said = id_.strip().lower()
    if said not in known_licences():
        near = difflib.get_close_matches(said, known_licences(), n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"--license {id_}: the hub knows no such identifier ({meant}for one of its own: --license other "
            "--license-name NAME --license-link URL)"
        )
    if said == OTHER and not (name and link):
        raise UsageError("--license other needs --license-name NAME and --license-link URL: what it is, and its text")
    if said != OTHER and (name or link):
        raise UsageError(f"--license {said} has its name; --license-name and --license-link go with `--license other`")
    return Licence(said, name or "", link or "")


@cache
def known_licences() -> tuple[str, ...]:
    """Every identifier."""
    text = Path(__file__).with_name("licences.yaml").read_text(encoding="utf-8")
    return tuple(line.removeprefix("- ") for line in text.splitlines() if line.startswith("- "))

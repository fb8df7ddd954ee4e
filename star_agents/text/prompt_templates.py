"""Prompts as template files: plain text in, messages out, with a version for the provenance.

A template is cut into messages at its lines ``[system]`` and ``[user]``. They are replaced by unguessable marks before
rendering, so a line ``[user]`` inside a seed or an answer stays what it is: text. A template may extend another one of
its folder.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from jinja2 import DictLoader, StrictUndefined, meta
from jinja2.sandbox import SandboxedEnvironment

from star_agents.records.samples import Message

SUFFIX = ".jinja"
_SECTION = re.compile(r"^\[(system|user)\]$", re.MULTILINE)
_VERSION = re.compile(r"\{#\s*version (\d+)")


class PromptTemplates:
    """Templates of one folder, read once, in Jinja's sandbox; a missing variable is an error.

    Args:
        folder: Where ``NAME.jinja`` lie.
        names: Those that are rendered.
        shared: Those that others extend.
        prefix: Of the names in versions.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, shared: Sequence[str] = (), prefix: str = "") -> None:
        sources = {name: (folder / f"{name}{SUFFIX}").read_text(encoding="utf-8") for name in (*names, *shared)}
        mark = secrets.token_hex(16)
        self._cut = re.compile(rf"\[{mark}:(system|user)\]")
        marked = {f"{name}{SUFFIX}": _SECTION.sub(rf"[{mark}:\1]", source) for name, source in sources.items()}
        environment = SandboxedEnvironment(
            loader=DictLoader(marked), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates = {name: environment.get_template(f"{name}{SUFFIX}") for name in names}
        self._versions = {
            name: f"{prefix}{_version(name, [sources[one] for one in _with_extended(name, sources, environment)])}"
            for name in names
        }

    def version(self, name: str) -> str:
        """``respond@1:5f2c9a10``: the version that the file declares and the beginning of the SHA-256 of it, and of
        what it extends."""
        return self._versions[name]

    def render(self, name: str, **variables: object) -> list[Message]:
        """The messages of a template."""
        # Before the first section stand comments only, so the first piece is blank.
        _, *pieces = self._cut.split(self._templates[name].render(**variables))
        return [
            Message(role=cast(Literal["system", "user"], role), content=text.strip("\n"))
            for role, text in zip(pieces[::2], pieces[1::2], strict=True)
        ]


def _with_extended(name: str, sources: Mapping[str, str], environment: SandboxedEnvironment) -> list[str]:
    """The template itself, and those that it extends."""
    found = [name]
    for one in found:  # Grows while it is walked.
        named = meta.find_referenced_templates(environment.parse(sources[one]))
        found += [other.removesuffix(SUFFIX) for other in named if other is not None]
    return found


def _version(name: str, sources: Sequence[str]) -> str:
    declared = _VERSION.search(sources[0])
    return f"{name}@{declared[1] if declared else 0}:{hashlib.sha256(''.join(sources).encode()).hexdigest()[:8]}"

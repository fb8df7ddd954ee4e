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

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment

from star_agents.errors import PromptError
from star_agents.records.messages import Message
from star_agents.text.prompt import Prompt

SUFFIX = ".jinja"
MAX_BYTES = 1 << 16
"""Of one template: what an agent is told before it hears of the seed is some pages at the most."""
MAX_TEMPLATES = 200
"""Of one folder."""
_SECTION = re.compile(r"^\[(system|user)\]$", re.MULTILINE)
_VERSION = re.compile(r"\{#\s*version (\d+)")
_FAULTS = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What code in a template can raise: Jinja's own errors, and those of the expressions in it."""


class PromptTemplates:
    """The templates of one folder, read once, in Jinja's sandbox; a missing variable is an error.

    Args:
        folder: Where ``NAME.jinja`` lie.
        prefix: Of the names in versions.
        overrides: Name to a text that takes the place of the file's.

    Raises:
        PromptError: a file cannot be read, or is no template: which, where, why.
    """

    def __init__(self, folder: Path, *, prefix: str = "", overrides: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix
        self._sources = {**_files_in(folder), **(overrides or {})}
        mark = secrets.token_hex(16)
        self._cut = re.compile(rf"\[{mark}:(system|user)\]")
        marked = {f"{name}{SUFFIX}": _SECTION.sub(rf"[{mark}:\1]", source) for name, source in self._sources.items()}
        self._environment = SandboxedEnvironment(
            loader=DictLoader(marked), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        try:
            self._templates = {name: self._loaded(name) for name in self._sources}
            self._versions = {name: self._version(name) for name in self._sources}
        except TemplateSyntaxError as error:
            raise PromptError(f"prompt {prefix}{error.name or ''}, line {error.lineno}: {error.message}") from None

    @property
    def names(self) -> list[str]:
        """Of all templates, in order of the alphabet."""
        return sorted(self._sources)

    def version(self, name: str) -> str:
        """``respond@1:5f2c9a10``: the version that the file declares and the beginning of the SHA-256 of it, and of
        what it extends."""
        return self._versions[self._known(name)]

    def prompt(self, name: str, **variables: object) -> Prompt:
        """A template with its version. Raises ``PromptError`` as ``render`` does."""
        return Prompt(tuple(self.render(name, **variables)), self.version(name))

    def render(self, name: str, **variables: object) -> list[Message]:
        """The messages of a template.

        Raises:
            PromptError: there is none of that name, or it cannot be rendered with these variables.
        """
        try:
            rendered = self._templates[self._known(name)].render(**variables)
        except _FAULTS as error:
            raise PromptError(f"prompt {self._prefix}{name}: {str(error) or type(error).__name__}") from None
        # Before the first section stand comments only, so the first piece is blank.
        _, *pieces = self._cut.split(rendered)
        return [
            Message(role=cast(Literal["system", "user"], role), content=text.strip("\n"))
            for role, text in zip(pieces[::2], pieces[1::2], strict=True)
        ]

    def variables(self, name: str) -> set[str]:
        """What a template, with those that it extends, is given a value for."""
        found = (meta.find_undeclared_variables(self._environment.parse(one)) for one in self._with_extended(name))
        return set().union(*found)

    def has_messages(self, name: str) -> bool:
        """Whether a template has a line ``[system]`` or ``[user]``, itself or in what it extends."""
        return any(_SECTION.search(source) for source in self._with_extended(name))

    def _loaded(self, name: str) -> Template:
        template = self._environment.get_template(f"{name}{SUFFIX}")
        template.globals = dict(template.globals)  # A chain of maps, which each rendering would walk in Python.
        return template

    def _known(self, name: str) -> str:
        if name not in self._sources:
            has = f"there are {', '.join(self.names)}" if self._sources else "there is none at all"
            raise PromptError(f"there is no prompt {self._prefix}{name}; {has}")
        return name

    def _with_extended(self, name: str) -> list[str]:
        """The source of a template, and of those that it extends."""
        found = [name]
        for one in found:  # Grows while it is walked.
            named = meta.find_referenced_templates(self._environment.parse(self._sources[self._known(one)]))
            others = [other.removesuffix(SUFFIX) for other in named if other is not None]
            found += [other for other in others if other not in found]
        return [self._sources[one] for one in found]

    def _version(self, name: str) -> str:
        sources: Sequence[str] = self._with_extended(name)
        declared = _VERSION.search(sources[0])
        digest = hashlib.sha256("".join(sources).encode()).hexdigest()[:8]
        return f"{self._prefix}{name}@{declared[1] if declared else 0}:{digest}"


def read_template(path: Path) -> str:
    """The text of one file. Raises ``PromptError``."""
    if path.exists() and not path.is_file():  # A pipe would be waited for without end.
        raise PromptError(f"{path}: cannot be read: it is no file")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PromptError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > MAX_BYTES:
        raise PromptError(f"{path}: is larger than {MAX_BYTES:,} bytes, which no prompt is")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise PromptError(f"{path}: is not UTF-8 text") from None


def template_files(folder: Path) -> list[Path]:
    """The templates of a folder, in order; none where there is no folder. Raises ``PromptError``: they are too many."""
    try:
        found = sorted(folder.glob(f"*{SUFFIX}"))
    except OSError as error:
        raise PromptError(f"{folder}: cannot be read: {error.strerror or error}") from None
    if len(found) > MAX_TEMPLATES:
        raise PromptError(f"{folder}: holds more than {MAX_TEMPLATES} templates")
    return found


def _files_in(folder: Path) -> dict[str, str]:
    return {path.name.removesuffix(SUFFIX): read_template(path) for path in template_files(folder)}

"""From the text of a YAML file that people write to plain data, and from what a model says of it to problems that name
line, field and fix.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from star_agents.config.annotations import without_none
from star_agents.config.old_places import Location
from star_agents.config.places import Places
from star_agents.config.suggestions import did_you_mean
from star_agents.config.yaml_core import Plain, YamlError, compose, is_plain, plain_data, repeated_keys
from star_agents.errors import ConfigError, Problem
from star_agents.text.redaction import redactor

MAX_BYTES = 1 << 18
"""A larger file is a mistake, and takes seconds to read."""
SECRET_FIELDS = ("api_key", "token", "api_base")
"""Fields whose wrong value is never repeated in a message: it may be a key, or hold a password."""
_SHOWN = 120
"""Characters of a wrong value that are repeated."""
_WORDS_OF_YAML_1_1 = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def read_text(path: Path, *, if_missing: str = "") -> str:
    """The text of a file.

    Args:
        path: Where it lies.
        if_missing: What to do where there is none.

    Raises:
        ConfigError: it cannot be read, is no text or too large.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([Problem(where=str(path), field="", message="no such file", fix=if_missing)]) from None
    except OSError as error:
        raise ConfigError([Problem(where=str(path), field="", message=error.strerror or str(error))]) from None
    if len(raw) > MAX_BYTES:
        fix = "it holds settings only; seeds and texts belong into files of their own"
        message = f"is larger than {MAX_BYTES:,} bytes"
        raise ConfigError([Problem(where=path.name, field="", message=message, fix=fix)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(where=f"{path}:{line}", field="", message="is not UTF-8 text")]) from None


def parse_yaml(text: str, where: str, *, start_from: str) -> tuple[yaml.Node, Plain]:
    """The node tree, and the plain data in it.

    Args:
        text: Of the file.
        where: Its name in messages.
        start_from: What to do about a file that holds nothing.

    Raises:
        ConfigError: what is no YAML, or stands twice, with its line.
    """
    try:
        root = compose(text)
        if root is None:
            raise ConfigError([Problem(where=where, field="", message="the file is empty", fix=start_from)])
        if repeated := list(repeated_keys(root)):
            raise ConfigError(
                [
                    Problem(
                        where=f"{where}:{one.line}",
                        field=one.path,
                        message=f"is given twice, first on line {one.first_line}",
                        fix="keep one of the two",
                    )
                    for one in repeated
                ]
            )
        return root, plain_data(root)
    except YamlError as error:
        place = f"{where}:{error.line}" if error.line else where
        raise ConfigError([Problem(where=place, field="", message=str(error), fix=error.fix)]) from None


def problem_of(
    detail: Any, places: Places, model: type[BaseModel], elsewhere: Mapping[str, str] | None = None
) -> Problem:
    """What a model says of one value, as it is told to whoever wrote it.

    Args:
        detail: One of ``ValidationError.errors()``.
        places: Of the file.
        model: Whose verdict it is.
        elsewhere: Keys that are none at the top, and where they belong.
    """
    location: Location = tuple(part for part in detail["loc"] if not _is_pydantics_own(part))
    message = detail["msg"].removeprefix("Value error, ")
    fix = ""
    if detail["type"] == "extra_forbidden":
        message = "is not a key that exists here"
        known_elsewhere = elsewhere if elsewhere is not None and len(location) == 1 else {}
        fix = did_you_mean(str(location[-1]), _known_keys(model, location[:-1]), known_elsewhere)
    elif detail["type"] == "missing":
        message = "is missing"
    elif detail["type"] == "too_long":
        message, fix = f"holds more than {detail['ctx']['max_length']:,} entries", "leave some out"
    elif location and location[-1] not in SECRET_FIELDS and isinstance(detail.get("input"), (str, int, float, bool)):
        # What is wrong in this file is known to nobody yet, and may hold a password.
        message = redactor.text(f"{message}, not {_shown(detail['input'])}")
        fix = _as_yaml_reads_it(detail["type"], places.find(location)[1])
    return places.problem(location, message, fix)


def _shown(value: object) -> str:
    # Struck before it is cut: half a secret is none that the redactor knows.
    text = redactor.text(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _as_yaml_reads_it(kind: str, node: yaml.Node | None) -> str:
    """The fix where somebody meant another type than a bare word has in YAML 1.2."""
    if node is None or not is_plain(node):
        return ""
    if kind == "string_type":
        return f'in quotes it is text: "{node.value}"'
    if kind.startswith("bool") and (meant := _WORDS_OF_YAML_1_1.get(str(node.value).lower())):
        return f"write `{meant}`: only true and false are truth values in YAML 1.2"
    return ""


def _is_pydantics_own(part: str | int) -> bool:
    """Pydantic puts words of its own into the location (``float``, ``literal[...]``, ``[key]``); people wrote none."""
    return isinstance(part, str) and (
        part in ("float", "int", "str", "[key]") or part.startswith(("literal[", "function-"))
    )


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """Names of the fields that exist at ``location``, by walking the models' annotations."""
    annotation: Any = model
    for part in location:
        annotation = without_none(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return []
            annotation = field.annotation
        else:
            arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis]
            annotation = arguments[-1] if arguments else None
    annotation = without_none(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []

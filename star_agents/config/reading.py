"""From the text of agents.yaml to a `Config`, or to problems that name line, field and fix.

The text is read once, by YAML 1.2's rules (``yaml_core.py``): its node tree gives lines and repeated keys, its plain
data goes to the strict models.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Union

import yaml
from pydantic import BaseModel, ValidationError

from star_agents.config.models import Config
from star_agents.config.old_places import MOVES, Location, Move, in_both_places, in_sections, moved, standing
from star_agents.config.places import Places
from star_agents.config.prompt_files import read_prompts
from star_agents.config.recipes import FindRecipes, config_model, only_star
from star_agents.config.references import mistakes_in
from star_agents.config.suggestions import did_you_mean
from star_agents.config.validator_faults import FIX, Told, fault_of, unkept
from star_agents.config.yaml_core import Plain, YamlError, compose, is_plain, plain_data, repeated_keys
from star_agents.errors import MAX_PROBLEMS, ConfigError, Problem, RecipeError
from star_agents.text.content_hash import digest
from star_agents.text.redaction import redactor

MAX_BYTES = 1 << 18
"""A larger agents.yaml is a mistake, and takes seconds to read."""
SECRET_FIELDS = ("api_key", "token", "api_base")
"""Fields whose wrong value is never repeated in a message: it may be a key, or hold a password."""
_SHOWN = 120
"""Characters of a wrong value that are repeated."""
DERIVED = ("recipe_files", "recipe_needs", "prompt_texts")
"""Keys that reading fills in from what the recipes declare."""
_ELSEWHERE = {move.old[-1]: ".".join(move.new) for move in MOVES}
"""Keys that stood at the top, and where they belong."""
_WORDS_OF_YAML_1_1 = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}

Note = Callable[[Problem], None]
"""Hears of what is taken, and should be written otherwise."""


def unsaid(note: Problem) -> None:
    """Hears, and tells nobody."""


def read_config(
    path: Path,
    environ: Mapping[str, str] | None = None,
    *,
    find: FindRecipes = only_star,
    note: Note = unsaid,
) -> Config:
    """Read and check a config file.

    Args:
        path: The file.
        environ: Where the variables behind `os.environ/NAME` have to be set; ``None`` does not look.
        find: Says what the recipes declare that the file names.
        note: Hears of each key that stands at an old place of it, once the file is found good.

    Raises:
        ConfigError: with one problem per mistake, each naming line, field and fix.
    """
    text = read_text(path)
    return parse_config(text, where=path.name, environ=environ, find=find, note=note, beside=path.parent)


def read_text(path: Path) -> str:
    """The text of a config file. Raises ``ConfigError`` where there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        fix = "write one with: python -m star_agents init"
        raise ConfigError([Problem(where=str(path), field="", message="no such file", fix=fix)]) from None
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


def parse_config(
    text: str,
    *,
    where: str = "agents.yaml",
    environ: Mapping[str, str] | None = None,
    find: FindRecipes = only_star,
    note: Note = unsaid,
    beside: Path | None = None,
) -> Config:
    """Check the text of a config file; ``where`` is its name in messages, the others as for ``read_config``.

    Raises:
        ConfigError: with one problem per mistake.
    """
    root, data = _parse(text, where)
    return checked(data, root, where, environ, find, note, beside)


def checked(
    data: Plain,
    root: yaml.Node | None,
    where: str,
    environ: Mapping[str, str] | None,
    find: FindRecipes,
    note: Note = unsaid,
    beside: Path | None = None,
) -> Config:
    """The config in plain data.

    Args:
        data: As ``json`` would give it.
        root: The tree of nodes that lines are read from, where there is a file.
        where: As for ``parse_config``.
        environ: As for ``read_config``.
        find: As for ``read_config``.
        note: As for ``read_config``.
        beside: The folder from which the paths of prompts go.

    Raises:
        ConfigError: with one problem per mistake.
    """
    places = Places(where, root, standing(data))
    if twice := list(in_both_places(data)):
        raise ConfigError([_stands_twice(places, move) for move in twice])
    model, sections = _with_recipes(places, in_sections(data), find, beside)
    config = _validated(model, sections, places)
    if problems := mistakes_in(config, places, environ):
        raise ConfigError(problems)
    for move in moved(data):
        note(_old_place(places, move))
    return config


def _validated(model: type[Config], sections: Plain, places: Places) -> Config:
    """The config, by whatever the validators of recipes' settings say. Raises ConfigError, also for faults in these."""
    try:
        config = model.model_validate_json(json.dumps(sections))
    except ValidationError as error:
        found = error.errors(include_url=False)
        told = [_problem(detail, places, model) for detail in found[:MAX_PROBLEMS]]
        raise ConfigError(told, untold=len(found) - len(told)) from None
    except (Exception, SystemExit) as error:
        if (fault := fault_of(error, model, sections)) is None:
            raise
        raise ConfigError([_of_validator(fault, places)]) from None
    if (fault := unkept(config)) is not None:
        raise ConfigError([_of_validator(fault, places)])
    return config


def _of_validator(fault: Told, places: Places) -> Problem:
    location, message = fault
    return places.problem(location, redactor.text(message), FIX)


def _stands_twice(places: Places, move: Move) -> Problem:
    old, new = ".".join(move.old), ".".join(move.new)
    line = places.line_in_file(move.new)
    message = f"stands {f'on line {line}' if line else 'there'} as well, as `{new}`"
    return places.problem(move.new, message, f"keep one of the two, `{new}`: `{old}` is its place no longer")


def _old_place(places: Places, move: Move) -> Problem:
    message = f"has a new place, `{'.'.join(move.new)}`; the next release will no longer take it here"
    command = f"`star-agents migrate-config {places.where}` prints the file rewritten"
    return places.problem(move.new, message, command if places.root is not None else "move it there")


def _with_recipes(
    places: Places, data: Plain, find_recipes: FindRecipes, beside: Path | None
) -> tuple[type[Config], Plain]:
    """The model for the recipes that the file names, and its data with what they declare. Raises ConfigError."""
    if not isinstance(data, dict):
        return Config, data
    if given := [name for name in DERIVED if name in data]:
        raise ConfigError([places.problem((given[0],), "is not for anybody to write", "leave it out")])
    named = data.get("recipe", "star")
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return Config, data  # The model says what is wrong.
    try:
        declared = find_recipes([str(name) for name in names])
        model = config_model(declared)
    except RecipeError as error:
        raise ConfigError([places.problem(("recipe",), str(error))]) from None
    kept: dict[str, Plain] = {**data, "recipe": [one.kept for one in declared]}
    if files := {one.kept: one.digest for one in declared if one.digest}:
        kept["recipe_files"] = dict(files)
    if needs := sorted({need for one in declared for need in one.needs}):
        kept["recipe_needs"] = list(needs)
    paths = data.get("prompts")
    if isinstance(paths, dict):
        named_files = {name: path for name, path in paths.items() if isinstance(path, str)}
        texts, wrong = read_prompts(named_files, declared, beside)
        if wrong:
            raise ConfigError([places.problem(("prompts", name), message, fix) for name, message, fix in wrong])
        kept["prompt_texts"] = dict(texts)
    return model, kept


def config_digest(config: Config) -> str:
    """Hash that changes when anything in the config does."""
    return digest(config.model_dump(mode="json"))


def _parse(text: str, where: str) -> tuple[yaml.Node, Plain]:
    """The node tree, and the plain data in it. Raises ConfigError."""
    try:
        root = compose(text)
        if root is None:
            fix = "start from: python -m star_agents init"
            raise ConfigError([Problem(where=where, field="", message="the file is empty", fix=fix)])
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


def _problem(detail: Any, places: Places, model: type[Config]) -> Problem:
    location: Location = tuple(part for part in detail["loc"] if not _is_pydantics_own(part))
    message = detail["msg"].removeprefix("Value error, ")
    fix = ""
    if detail["type"] == "extra_forbidden":
        message = "is not a key that exists here"
        elsewhere = _ELSEWHERE if len(location) == 1 else {}
        fix = did_you_mean(str(location[-1]), _known_keys(model, location[:-1]), elsewhere)
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


def _known_keys(model: type[Config], location: Location) -> list[str]:
    """Names of the fields that exist at ``location``, by walking the models' annotations."""
    annotation: Any = model
    for part in location:
        annotation = _unwrap(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return []
            annotation = field.annotation
        else:
            arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis]
            annotation = arguments[-1] if arguments else None
    annotation = _unwrap(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []


def _unwrap(annotation: Any) -> Any:
    """``X | None`` to ``X``."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return next(item for item in typing.get_args(annotation) if item is not type(None))
    return annotation

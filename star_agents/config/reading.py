"""From the text of agents.yaml to a `Config`, or to problems that name line, field and fix.

The text is read once, by YAML 1.2's rules (``yaml_core.py``): its node tree gives lines and repeated keys, its plain
data goes to the strict models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from star_agents.config.models import Config
from star_agents.config.old_places import MOVES, Move, in_both_places, in_sections, moved, place_in_file
from star_agents.config.places import Places
from star_agents.config.prompt_files import read_prompts
from star_agents.config.recipes import Declared, FindRecipes, Misnamed, RecipeSection, config_model, only_star
from star_agents.config.references import mistakes_in
from star_agents.config.validator_faults import FIX, Told, fault_of, unkept
from star_agents.config.yaml_core import Plain
from star_agents.config.yaml_files import parse_yaml, problem_of, read_text
from star_agents.errors import MAX_PROBLEMS, ConfigError, Problem, RecipeError
from star_agents.text.content_hash import digest
from star_agents.text.redaction import redactor

DERIVED = ("tool_files", "filter_files", "recipe_files", "recipe_needs", "prompt_texts")
"""Keys that reading fills in from what the recipes declare."""
_ELSEWHERE = {move.old[-1]: ".".join(move.new) for move in MOVES}
"""Keys that stood at the top, and where they belong."""

Note = Callable[[Problem], None]
"""Hears of what is taken, and should be written otherwise."""


def ignore_note(note: Problem) -> None:
    """Hears, and tells nobody."""


def read_config(
    path: Path,
    environ: Mapping[str, str] | None = None,
    *,
    find: FindRecipes = only_star,
    note: Note = ignore_note,
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
    text = read_text(path, if_missing="write one with: python -m star_agents init")
    return parse_config(text, where=path.name, environ=environ, find=find, note=note, beside=path.parent)


def parse_config(
    text: str,
    *,
    where: str = "agents.yaml",
    environ: Mapping[str, str] | None = None,
    find: FindRecipes = only_star,
    note: Note = ignore_note,
    beside: Path | None = None,
) -> Config:
    """Check the text of a config file; ``where`` is its name in messages, the others as for ``read_config``.

    Raises:
        ConfigError: with one problem per mistake.
    """
    root, data = parse_yaml(text, where, start_from="start from: python -m star_agents init")
    return checked(data, root, where, environ, find, note, beside)


def checked(
    data: Plain,
    root: yaml.Node | None,
    where: str,
    environ: Mapping[str, str] | None,
    find: FindRecipes,
    note: Note = ignore_note,
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
    places = Places(where, root, place_in_file(data))
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
        told = [problem_of(detail, places, model, _ELSEWHERE) for detail in found[:MAX_PROBLEMS]]
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
    return model, {**kept, **_with_files(places, kept, declared, beside)}


def _with_files(
    places: Places, data: Mapping[str, Plain], declared: Sequence[Declared], beside: Path | None
) -> dict[str, Plain]:
    """The sections of recipes with what stands in the files that they name. Raises ConfigError."""
    found: dict[str, Plain] = {}
    for one in declared:
        section = data.get(one.name)
        if one.section is None or not issubclass(one.section, RecipeSection) or not isinstance(section, dict):
            continue
        given = [key for key in one.section.derived if key in section]
        if given and places.root is not None:
            raise ConfigError([places.problem((one.name, given[0]), "is not for anybody to write", "leave it out")])
        written = {key: value for key, value in section.items() if key not in given}
        try:
            found[one.name] = dict(one.section.with_files(written, beside))
        except Misnamed as wrong:
            raise ConfigError([places.problem((one.name, *wrong.location), str(wrong), wrong.fix)]) from None
    return found


def config_digest(config: Config) -> str:
    """Hash that changes when anything in the config does."""
    return digest(config.model_dump(mode="json"))

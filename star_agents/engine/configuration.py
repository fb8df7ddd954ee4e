"""agents.yaml read with every recipe that it may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from star_agents.admission.language import languages_known
from star_agents.admission.own import kept_own
from star_agents.config import plain_values, reading
from star_agents.config.lines import lines_from
from star_agents.config.models import Config
from star_agents.config.recipes import Declared, FindRecipes
from star_agents.engine.benchmarks import with_benchmarks
from star_agents.errors import ConfigError, FilterError, Problem, RecipeError, ToolError
from star_agents.recipes.registry import OF_COMMANDS, absolute, find_chain, spelled_out
from star_agents.tools.names import kept_tool


def read_config(
    path: Path, environ: Mapping[str, str] | None = None, *, note: reading.Note = reading.ignore_note
) -> Config:
    """As ``config.reading.read_config``; the files of recipes are looked for beside the config file."""

    config = reading.read_config(path, environ, find=_finder(path.parent), note=note)
    with lines_from(path):
        config = _with_files(config, path.parent, path.name, note)
        _check_arms(config, path.name)
        _check_target(config, path.name)
        _check_languages(config, path.name)
    return config


def check_config(
    data: Mapping[str, Any] | Config,
    environ: Mapping[str, str] | None = None,
    *,
    where: str = "config",
    note: reading.Note = reading.ignore_note,
) -> Config:
    """As ``config.plain_values.check_config``; the files of recipes are looked for in the working folder."""
    config = plain_values.check_config(data, where=where, environ=environ, find=_finder(Path.cwd()), note=note)
    config = _with_files(config, Path.cwd(), where, note)
    _check_arms(config, where)
    _check_target(config, where)
    _check_languages(config, where)
    return config


def _with_files(config: Config, folder: Path, where: str, note: reading.Note) -> Config:
    """The config with the files that it names, as they are kept. Raises ConfigError where one cannot be used."""
    config = _with_filters(_with_tools(config, folder, where), folder, where)
    return with_benchmarks(config, folder, where, note)


def _with_tools(config: Config, folder: Path, where: str) -> Config:
    """The config with its tools as they are kept. Raises ConfigError where one of them cannot be used."""
    kept: list[str] = []
    files: dict[str, str] = {}
    for place, name in enumerate(config.tools):
        try:
            one, digest = kept_tool(name, folder, kept)
        except ToolError as error:
            raise ConfigError([Problem(where=where, field=f"tools.{place}", message=str(error))]) from None
        kept.append(one)
        files |= {one: digest} if digest else {}
    return config.model_copy(update={"tools": tuple(kept), "tool_files": files}) if kept else config


def _with_filters(config: Config, folder: Path, where: str) -> Config:
    """The config with the user's own filters as they are kept. Raises ConfigError where one cannot be loaded."""
    kept: list[str] = []
    files: dict[str, str] = {}
    for place, name in enumerate(config.admission.own):
        try:
            one, digest = kept_own(name, folder)
        except FilterError as error:
            raise ConfigError([Problem(where=where, field=f"admission.own.{place}", message=str(error))]) from None
        kept.append(one)
        files |= {one: digest} if digest else {}
    if not kept:
        return config
    admission = config.admission.model_copy(update={"own": tuple(kept)})
    return config.model_copy(update={"admission": admission, "filter_files": files})


def _check_arms(config: Config, where: str) -> None:
    """Raise ConfigError where the arms of a pool cannot be made under these settings: it is the recipe's own code."""
    for one in find_chain(config.recipe):
        try:
            one.arms(one.settings_from(config), tuple(config.agents))
        except RecipeError as error:
            raise ConfigError([Problem(where=where, field="recipe", message=str(error))]) from None


def _check_target(config: Config, where: str) -> None:
    """Raise ConfigError where rows are wanted of a shape that nobody gives: every seed would be paid for in vain."""
    given = [one.rows for one in find_chain(config.recipe)]
    wanted = config.target_rows
    if wanted is None or not all(given) or any(wanted.shape in shapes for shapes in given):
        return
    shapes = ", ".join(sorted(frozenset().union(*given)))
    message = f"{' and '.join(config.recipe)} gives no row of shape {wanted.shape}"
    fix = f"it gives {shapes}; pairs that are made of them when they are exported are no rows"
    raise ConfigError([Problem(where=where, field="target_rows.shape", message=message, fix=fix)])


def _check_languages(config: Config, where: str) -> None:
    """Raise ConfigError where a language is named that nobody here can tell."""
    named = {"documents.languages": config.documents.languages, "admission.languages": config.admission.languages}
    for field, wanted in named.items():
        if wanted and (unknown := sorted({*wanted} - languages_known())):
            message, fix = (
                f"{', '.join(unknown)}: no language that can be told",
                "write codes of ISO 639, such as en, de, zh",
            )
            raise ConfigError([Problem(where=where, field=field, message=message, fix=fix)])


def _finder(folder: Path) -> FindRecipes:
    """Finds recipes by their names; files beside ``folder``."""

    def find(names: Sequence[str]) -> Sequence[Declared]:
        if of_command := next((name for name in names if name in OF_COMMANDS), ""):
            raise RecipeError(f"recipe {of_command} is worked by a command of its own, and stands in no agents.yaml")
        kept = [absolute(name, folder) for name in spelled_out(names)]
        return [
            Declared(
                name=one.name,
                kept=name,
                section=None if name == "star" else one.settings,
                digest=one.digest,
                needs=frozenset() if name == "star" else one.needs,
                prompts=one.prompts,
            )
            for name, one in zip(kept, find_chain(kept), strict=True)
        ]

    return find

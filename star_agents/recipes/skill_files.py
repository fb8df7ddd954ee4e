"""Skills as files: those of this package by their names, and a user's own by their paths."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from star_agents.config.data_files import read_data_file
from star_agents.config.suggestions import did_you_mean
from star_agents.errors import ConfigError, Problem, RecipeError
from star_agents.recipes.parts.skills import Skill

FOLDER = Path(__file__).parent / "skills"
SUFFIX = ".yaml"
_START = "star_agents/recipes/skills holds some to start from"


def built_in_skills() -> list[str]:
    """The names of those that ship, in order of the alphabet."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def is_path(name: str) -> bool:
    """Whether a skill is named by the path of its file."""
    return name.endswith((SUFFIX, ".yml"))


@cache
def built_in_skill(name: str) -> Skill:
    """One that ships; read once in the life of a process. Raises RecipeError where there is none of that name."""
    if name not in built_in_skills():
        fix = did_you_mean(name, built_in_skills()) or f"there are: {', '.join(built_in_skills())}"
        raise RecipeError(f"no skill is called {name!r} ({fix}; one of your own is written as ./mine.yaml)")
    return _read(FOLDER / f"{name}{SUFFIX}", f"skills/{name}{SUFFIX}")


def read_skill(path: Path) -> Skill:
    """One of a user's own.

    Raises:
        ConfigError: one problem for each mistake in it, with line, field and fix.
    """
    return _read(path, path.name)


def _read(path: Path, where: str) -> Skill:
    skill = read_data_file(path, Skill, where=where, start_from=_START)
    if skill.name != path.name.partition(".")[0] and path.parent == FOLDER:
        raise ConfigError([Problem(where=where, field="name", message="is another name than that of its file")])
    return skill

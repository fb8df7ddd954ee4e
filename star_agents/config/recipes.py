"""The sections of recipes in agents.yaml; which there are is known once the file has said which recipes it uses."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, create_model, model_validator

from star_agents.config.annotations import without_none
from star_agents.config.base import MAX_TOKENS, Section
from star_agents.config.models import Config
from star_agents.config.yaml_core import Plain
from star_agents.errors import RecipeError
from star_agents.records import REWARD_MODEL, is_reward_model

Location = tuple[str | int, ...]
T = TypeVar("T")


Some = Annotated[tuple[T, ...], Field(min_length=1)]
"""A setting of this type, as in ``Some[str]``, is a list that is not empty."""


class AgentReference:
    """Marks a setting of a recipe that names an agent."""


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class JudgeReference(AgentReference):
    """Marks a setting that names an agent or, as ``reward:MODEL``, a reward model."""


Agent = Annotated[str, AgentReference()]
"""A setting of this type names an agent; that there is one is checked where agents.yaml is read."""
Agents = Annotated[Some[Agent], BeforeValidator(_one_or_several)]
"""A setting of this type names one agent, or a list of them that is drawn from."""
Judge = Annotated[str, JudgeReference()]
"""A setting of this type names an agent, or a reward model as ``reward:NAME_OR_FOLDER``, which is loaded for it."""
Rounds = Annotated[int, Field(ge=1, le=100)]
"""A setting of this type says how often something is done to one seed."""
Repeats = Annotated[int, Field(ge=0, le=20)]
"""A setting of this type says how often something is done again, 0 for never."""
Count = Annotated[int, Field(ge=1)]
"""A setting of this type is a number of things, at least one."""
Calibration = Annotated[int, Field(ge=10, le=1000)]
"""A setting of this type says of how many measurements a scale is made."""
Added = Annotated[int, Field(ge=0, le=100)]
"""A setting of this type says how many things may be added, 0 for none."""
Characters = Annotated[int, Field(ge=0)]
"""A setting of this type says how much of a text is shown."""
Temperature = Annotated[float, Field(ge=0, le=5)]
"""A setting of this type is a sampling temperature."""
ReplyTokens = Annotated[int, Field(ge=16, le=MAX_TOKENS)]
"""A setting of this type is the longest reply that is asked for."""
Points = Annotated[float, Field(ge=0, le=10)]
"""A setting of this type is a number of points, or the distance of two."""


class Misnamed(Exception):
    """A setting names what is not there.

    Args:
        location: Where in the section.
        message: What is wrong.
        fix: What to do.
    """

    def __init__(self, location: Location, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.location, self.fix = location, fix


class RecipeSection(Section):
    """The settings of a recipe, which may say what in them cannot work together, and read files that they name."""

    derived: ClassVar[tuple[str, ...]] = ()
    """Keys that nobody writes: ``with_files`` fills them in."""

    def mistake(self) -> str:
        """What cannot work, in a sentence that says which settings; empty where all is well."""
        return ""

    def beside(self, config: Config) -> Iterator[tuple[Location, str, str]]:
        """What cannot work beside the rest of agents.yaml: where in the section, what is wrong, and what to do."""
        yield from ()

    @classmethod
    def with_files(cls, section: Mapping[str, Plain], beside: Path | None) -> Mapping[str, Plain]:
        """The section with what stands in the files that it names, so that an edit of these is one of agents.yaml, too.

        Args:
            section: As it is written, before anybody has checked it.
            beside: The folder from which a path goes; ``None`` where there is none.

        Raises:
            ConfigError: what is wrong in a file, with its name, line and field.
            Misnamed: a file cannot be read.
        """
        return section

    @model_validator(mode="after")
    def _works(self) -> Self:
        if mistake := self.mistake():
            raise ValueError(mistake)
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What reading has to know of a recipe."""

    name: str
    """Of its section."""
    kept: str
    """How the config names it: a file by its absolute path."""
    section: type[Section] | None = None
    """What its settings are; ``None`` for `star`, whose section stands in every config."""
    digest: str = ""
    """Of its file, where it has one."""
    needs: frozenset[str] = frozenset()
    prompts: Path | None = None
    """Where its templates lie, if it has any."""


FindRecipes = Callable[[Sequence[str]], Sequence[Declared]]
"""What the recipes of these names declare. Raises RecipeError."""


def not_kept(nothing: Any) -> Any:
    """A setting that nobody writes and nothing keeps: it is made anew in each process."""
    return Field(default=nothing, exclude=True)


def only_star(names: Sequence[str]) -> Sequence[Declared]:
    """Knows the one recipe whose section stands in every agents.yaml."""
    if unknown := [name for name in names if name != "star"]:
        raise RecipeError(f"recipe {unknown[0]!r} cannot be looked for here")
    return [Declared(name="star", kept="star") for _ in names]


def config_model(declared: Sequence[Declared]) -> type[Config]:
    """The model of an agents.yaml with these recipes.

    Raises:
        RecipeError: a recipe has the name of a key that there is already.
    """
    sections = tuple((one.name, one.section) for one in declared if one.section is not None)
    if taken := [name for name, _ in sections if name in Config.model_fields]:
        raise RecipeError(f"a recipe cannot be called {taken[0]!r}: agents.yaml has a key of that name; rename it")
    return _with_sections(sections) if sections else Config


@lru_cache(maxsize=64)
def _with_sections(sections: tuple[tuple[str, type[Section]], ...]) -> type[Config]:
    fields: dict[str, Any] = {}
    for name, section in sections:
        is_required = any(one.is_required() for one in section.model_fields.values())
        default = ... if is_required else section()
        fields[name] = (section, Field(default=default, description=f"The settings of recipe `{name}`."))
    model: type[Config] = create_model("Config", __base__=Config, **fields)
    return model


def agents_named(settings: BaseModel, location: Location) -> Iterator[tuple[Location, str]]:
    """Where the settings of a recipe name agents, and whom."""
    for place, name, mark in _named(settings, location):
        if not (isinstance(mark, JudgeReference) and is_reward_model(name)):
            yield place, name


def reward_models_named(settings: BaseModel, location: Location) -> Iterator[tuple[Location, str]]:
    """Where the settings of a recipe name reward models as judges, and which, as ``reward:MODEL``."""
    for place, name, mark in _named(settings, location):
        if isinstance(mark, JudgeReference) and is_reward_model(name):
            yield place, name


def sections_of(config: Config) -> list[str]:
    """The sections that recipes have brought to a config."""
    return [name for name in type(config).model_fields if name not in Config.model_fields]


def scorers_of(config: Config) -> dict[str, str]:
    """Every scorer beside IFD by its name, with its model: those of `scoring.scorers`, and reward models that judge."""
    judges = (reward_models_named(getattr(config, name), (name,)) for name in sections_of(config))
    named = dict.fromkeys(judge for found in judges for _, judge in found)
    return {**config.scoring.scorers, **{judge: judge.removeprefix(REWARD_MODEL) for judge in named}}


def _named(settings: BaseModel, location: Location) -> Iterator[tuple[Location, str, AgentReference]]:
    for name, field in type(settings).model_fields.items():
        yield from _in(getattr(settings, name), field.annotation, _mark(field.metadata), (*location, name))


def _mark(marks: Sequence[object]) -> AgentReference | None:
    return next((one for one in marks if isinstance(one, AgentReference)), None)


def _in(
    value: object, annotation: Any, mark: AgentReference | None, location: Location
) -> Iterator[tuple[Location, str, AgentReference]]:
    annotation = without_none(annotation)
    if typing.get_origin(annotation) is Annotated:
        annotation, *marks = typing.get_args(annotation)
        mark = mark or _mark(marks)
    if isinstance(value, BaseModel):
        yield from _named(value, location)
    elif isinstance(value, str) and mark is not None:
        yield location, value, mark
    elif isinstance(value, (list, tuple)):
        inner = [one for one in typing.get_args(without_none(annotation)) if one is not Ellipsis]
        for number, one in enumerate(value):
            yield from _in(one, inner[0] if inner else None, mark, (*location, number))

"""Faults in the code of a recipe's settings: a validator that raises what pydantic does not take for a verdict.

Pydantic hears ValueError and AssertionError; whatever else a validator raises passes through it, without a word of
the field. It is told here as any other mistake is: by section and field, with the line of the file that has the fault.
"""

from __future__ import annotations

import inspect
import traceback
import typing
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import CodeType
from typing import Any

from pydantic import BaseModel

from star_agents.config.models import Config
from star_agents.config.old_places import Location
from star_agents.config.yaml_core import Plain
from star_agents.records.failures import one_line

FIX = "mend the recipe's file, or write a value that its code can bear"
Told = tuple[Location, str]
"""Where in agents.yaml, and what is wrong."""


def fault_of(error: BaseException, model: type[Config], data: Plain) -> Told | None:
    """What a validator of a recipe's settings raised over this data; ``None`` where the fault is not in one of them."""
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    found = [(location, code) for location, code in _validators(model) if code in codes]
    if not found:
        return None
    # One function may look at several fields: it is about one that is written, or about what they have in common.
    written = [location for location, _ in found if _stands(location, data)] or [found[0][0][:1]]
    common = takewhile(lambda parts: len(set(parts)) == 1, zip(*written, strict=False))
    code = found[0][1]
    return tuple(parts[0] for parts in common), f"cannot be checked: {_place(error, code)}: {_in_words(error)}"


def _stands(location: Location, data: Plain) -> bool:
    if not location:
        return True
    if isinstance(data, list):
        return any(_stands(location, one) for one in data)
    return isinstance(data, dict) and location[0] in data and _stands(location[1:], data[str(location[0])])


def unkept(config: Config) -> Told | None:
    """The first section of a recipe that cannot be written down as it was read, so that nobody could keep it."""
    for name in _sections(type(config)):
        try:
            getattr(config, name).model_dump(mode="json")
        except Exception as error:  # whatever its serializers raise
            return (name,), f"cannot be written as JSON: {_in_words(error)}"
    return None


def _sections(model: type[Config]) -> list[str]:
    """Those of recipes: the others stand in every config."""
    return [name for name in model.model_fields if name not in Config.model_fields]


def _validators(model: type[Config]) -> Iterator[tuple[Location, CodeType]]:
    for name in _sections(model):
        for section in _models_in(model.model_fields[name].annotation):
            yield from _validators_of(section, (name,), frozenset())


def _validators_of(
    model: type[BaseModel], location: Location, above: frozenset[type]
) -> Iterator[tuple[Location, CodeType]]:
    """Every function that has a say in what a model takes, with the place of the field that it is about."""
    if model in above:
        return
    decorators = model.__pydantic_decorators__
    for one in decorators.field_validators.values():
        fields = [name for name in one.info.fields if name != "*"]
        yield from _code_of(one.func, (*location, fields[0]) if len(fields) == 1 else location)
    for either in (decorators.model_validators, decorators.validators, decorators.root_validators):
        for other in either.values():
            yield from _code_of(other.func, location)
    yield from _code_of(model.__init__, location)
    for name, field in model.model_fields.items():
        for mark in (*field.metadata, *_marks_in(field.annotation)):
            yield from _code_of(getattr(mark, "func", None), (*location, name))
        for inner in _models_in(field.annotation):
            yield from _validators_of(inner, (*location, name), above | {model})


def _code_of(function: Any, location: Location) -> Iterator[tuple[Location, CodeType]]:
    function = inspect.unwrap(getattr(function, "__func__", function)) if callable(function) else None
    code = getattr(function, "__code__", None)
    if code is not None and getattr(function, "__module__", "").partition(".")[0] not in ("pydantic", "star_agents"):
        yield location, code


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _marks_in(annotation: Any) -> Iterator[Any]:
    """What stands beside the types of an annotation in ``Annotated``, however deep."""
    if typing.get_origin(annotation) is typing.Annotated:
        yield from typing.get_args(annotation)[1:]
    for inner in typing.get_args(annotation):
        yield from _marks_in(inner)


def _place(error: BaseException, code: CodeType) -> str:
    """The innermost line of the file in which the validator stands."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next(frame.lineno for frame in reversed(frames) if frame.filename == code.co_filename)
    return f"{Path(code.co_filename).name}:{line}"


def _in_words(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

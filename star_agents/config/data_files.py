"""YAML files of data that a setting names by their path: each is held to a strict model, with line and field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from star_agents.config.old_places import Location
from star_agents.config.places import Places
from star_agents.config.yaml_files import parse_yaml, problem_of, read_text
from star_agents.errors import MAX_PROBLEMS, ConfigError

LONGEST_PASSAGE = 20_000
"""Characters of one text of such a file."""
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}\z")]
"""A name in such a file."""
Passage = Annotated[str, Field(min_length=1, max_length=LONGEST_PASSAGE)]
"""A text that is not empty."""


class DataEntry(BaseModel):
    """Base of what stands in such a file: strict, frozen, unknown keys refused; texts may hold line breaks."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        str_max_length=LONGEST_PASSAGE,
    )

    def mistakes(self) -> Iterator[tuple[Location, str]]:
        """Where in it something cannot be, though each value for itself could, and what."""
        yield from ()


def as_text(entry: DataEntry) -> str:
    """An entry as the text of its file, what is as it would be when left out aside."""
    plain = entry.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


EntryT = TypeVar("EntryT", bound=DataEntry)


def read_data_file(path: Path, model: type[EntryT], *, where: str = "", start_from: str = "") -> EntryT:
    """What a file holds.

    Args:
        path: Where it lies.
        model: What has to stand in it.
        where: Its name in messages; left out: that of the file.
        start_from: What to do where there is none.

    Raises:
        ConfigError: one problem for each mistake, with line, field and fix.
    """
    name = where or path.name
    root, data = parse_yaml(read_text(path, if_missing=start_from), name, start_from=start_from)
    places = Places(name, root, lambda location: location)
    try:
        read = model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        details = error.errors(include_url=False)
        told = [problem_of(detail, places, model) for detail in details[:MAX_PROBLEMS]]
        raise ConfigError(told, untold=len(details) - len(told)) from None
    if found := [places.problem(location, message) for location, message in read.mistakes()]:
        raise ConfigError(found)
    return read

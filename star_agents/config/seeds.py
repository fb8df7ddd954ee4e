"""Section `seeds` of agents.yaml: how rows become seeds, where their columns are called otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from star_agents.config.base import Section

SeedColumn = Literal["instruction", "input", "response", "system", "history", "messages"]
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]


class SeedsConfig(Section):
    """What is read of rows."""

    columns: dict[SeedColumn, ColumnName] = Field(default_factory=dict[SeedColumn, ColumnName])
    """What columns of your rows are called: `{instruction: prompt, response: answer_text}`. Of `instruction`, `input`,
    `response`, `system` and `history` each is the name of the column that holds it; or `messages`, alone, that of the
    column with the turns. Left out: they are told by their names, as the README lists them."""

    @property
    def names(self) -> Mapping[str, str]:
        """Our names of columns to yours."""
        return dict(self.columns.items())

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        if "messages" in self.columns and self.columns.keys() & {"instruction", "input", "response", "history"}:
            raise ValueError("columns: `messages` holds the whole conversation, so it stands without the others")
        if self.columns and not self.columns.keys() & {"instruction", "messages"}:
            raise ValueError("columns: name the column of `instruction`, or that of `messages`")
        twice = [theirs for theirs, times in Counter(self.columns.values()).items() if times > 1]
        if twice:
            raise ValueError(f"columns: `{twice[0]}` is named for two things; each needs a column of its own")
        return self

"""What a dataset is held against, so that it holds nothing of what a model is tested on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from star_agents.config.base import Section

Column = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Column, ...], Field(max_length=20)]


class BenchmarkColumns(Section):
    """Where the parts of an item stand in a row; what they hold beside texts, such as lists of choices, is joined."""

    question: Columns = Field(min_length=1)
    """One column, or several that are read one after another: `[context, question]`."""
    answer: Columns = ()
    """Likewise; left out: the file has no answers, or they are not to be looked for."""
    id: Column | None = None
    """Left out: `question_id`, `task_id`, `id` or `idx`, where the row has one, else the line."""

    @field_validator("question", "answer", mode="before")
    @classmethod
    def _one_is_some(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class BenchmarkFile(Section):
    """A file of a benchmark. Its path begins beside agents.yaml."""

    file: str = Field(min_length=1)
    """.jsonl, .json, .csv, .tsv or .parquet, text also packed (.gz, .zst)."""
    columns: BenchmarkColumns | None = None
    """Left out: the form is told by the row, FastChat's (questions or answers), WizardLM's, or any of a seed file."""


class ContaminationConfig(Section):
    """Rows and seeds that hold items of benchmarks."""

    against: tuple[BenchmarkFile, ...] = Field(min_length=1, max_length=1000)
    """Files of the benchmarks, each a path or `{file: PATH, columns: {question: NAME, answer: NAME}}`."""
    mode: Literal["report", "refuse"] = "report"
    """`report`: they go on, and are told; `refuse`: seeds are not worked, so nothing is paid for them, and rows are not
    in the dataset."""
    coverage: float = Field(default=0.5, ge=0.2, le=1)
    """Share of the words of an item that one row has to hold. Of short items nearly all are needed in any case."""
    ngram: int = Field(default=8, ge=4, le=50)
    """Words in a row by which they are found; more in scripts without spaces, whose characters are words."""

    @field_validator("against", mode="before")
    @classmethod
    def _in_short(cls, value: object) -> object:
        named = [value] if isinstance(value, (str, dict)) else value
        if not isinstance(named, (list, tuple)):
            return value
        return tuple({"file": one} if isinstance(one, str) else one for one in named)

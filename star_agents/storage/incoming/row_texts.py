"""Everything that a row of a dataset says, whatever its form: what a model that is trained on it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from star_agents.records import Document
from star_agents.storage.formats.row_fields import Row, RowError
from star_agents.storage.incoming.seed_rows import read_row

BESIDE = ("chosen", "rejected")
"""Columns of preferences, which are read beside those of ``seed_rows``."""


class RowTexts(NamedTuple):
    """The turns of a row, one after another, or its texts."""

    texts: tuple[str, ...]
    asked: tuple[str, ...]
    """Of these, what the last turn of the user says; a document, or a form that is not known: the first text."""
    is_known: bool
    """Whether its form was; else these are all texts of the row, whatever they are for."""


def texts_of_row(row: Row, columns: Sequence[str] = ()) -> RowTexts:
    """What a row says.

    Args:
        row: In any form of ``seed_rows``, with or without columns of ``BESIDE``; or in none.
        columns: Those to read instead, with all that they hold.

    Raises:
        RowError: it has no such column.
    """
    if columns:
        if missing := [name for name in columns if name not in row]:
            told = f"is no column of the row; it has {', '.join(map(str, row)) or 'none'}"
            raise RowError(missing[0], told, "name others by --columns")
        texts = tuple(text for name in columns for text in _texts(row[name]))
        return RowTexts(texts, texts[:1], is_known=True)
    reading = read_row(row, "")
    if reading.problems:
        texts = tuple(_texts(row))
        return RowTexts(texts, texts[:1], is_known=False)
    beside = (text for name in BESIDE for text in _texts(row.get(name)))
    contents = [seed.content for seed in reading.seeds]
    asked = tuple(one.text if isinstance(one, Document) else one.question for one in contents)
    return RowTexts((*(text for one in contents for text in _of(one)), *beside), asked, is_known=True)


def _of(content: Any) -> Iterator[str]:
    if isinstance(content, Document):
        yield content.text
    else:
        yield from (text for turn in content.turns for text in turn.texts)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, but for the roles of turns."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for name, one in value.items() if name not in ("role", "from") for text in _texts(one))
    elif isinstance(value, (list, tuple)):
        yield from (text for one in value for text in _texts(one))

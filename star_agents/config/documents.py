"""Section `documents` of agents.yaml: how documents become seeds, where the first recipe takes them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from star_agents.config.base import LONGEST_S, Section

LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class DocumentsConfig(Section):
    """What is read of documents, and what is left out."""

    chunk_tokens: int = Field(default=1000, ge=32, le=32_768)
    """Longest chunk; each is a seed. A token counts as four bytes of UTF-8, which is about right for English and for
    code, and a third too few for German or Chinese."""
    overlap_tokens: int = Field(default=0, ge=0, le=8192)
    """Sentences before a chunk of the same section, up to so many tokens, that are repeated at its beginning."""
    column: str | None = Field(default=None, min_length=1)
    """Column of rows that holds the text; left out: the first of `document`, `text` and `content` that a row has."""
    languages: tuple[LanguageCode, ...] = Field(default=(), max_length=200)
    """Only documents in these languages (`[en, de]`, ISO 639) are taken; left out: all. Where nobody can tell the
    language, as of source code, a document is taken."""
    duplicates: float | None = Field(default=0.7, gt=0, le=1)
    """Share of common word 5-grams (Jaccard, estimated by MinHash) from which a chunk counts as a repetition of an
    earlier one and is left out; `off` takes them all."""
    max_mib: int = Field(default=64, ge=1, le=4096)
    """Largest file of a document; a larger one is refused. Files of rows may have any size."""
    timeout_s: float = Field(default=60.0, gt=0, le=LONGEST_S)
    """Seconds that reading one PDF, HTML or Word file may take."""

    @field_validator("duplicates", mode="before")
    @classmethod
    def _all_are_taken(cls, value: object) -> object:
        return None if value == "off" else value

    @model_validator(mode="after")
    def _overlap_is_a_part(self) -> Self:
        if self.overlap_tokens * 2 > self.chunk_tokens:
            raise ValueError("overlap_tokens must be half of chunk_tokens at the most")
        return self

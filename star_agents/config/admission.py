"""Section `admission` of agents.yaml: what of the instructions that are made of documents is refused."""

from __future__ import annotations

from pydantic import Field, field_validator

from star_agents.config.base import Section
from star_agents.config.documents import LanguageCode


class AdmissionConfig(Section):
    """Which instructions are refused, each with its reason, and told by type."""

    duplicates: float | None = Field(default=0.7, gt=0, le=1)
    """Share of common n-grams of words (Jaccard, estimated by MinHash) from which an instruction counts as a repetition
    of one that was made before, of whatever document and in whatever run into the folder; `off` takes them all. The
    earlier one stays."""
    languages: tuple[LanguageCode, ...] | None = Field(default=None, max_length=200)
    """Only instructions in these languages (`[en, de]`, ISO 639); `[]`: in all; left out: in those of
    `documents.languages`. Where nobody can tell the language it is taken."""

    @field_validator("duplicates", mode="before")
    @classmethod
    def _all_are_taken(cls, value: object) -> object:
        return None if value == "off" else value

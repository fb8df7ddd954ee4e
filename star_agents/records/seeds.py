"""What waits in the queue: a sample, an instruction or a document, and the recipe that takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from star_agents.records.samples import Document, Sample
from star_agents.text.content_hash import digest

SeedKind = Literal["sample", "instruction", "document"]
"""``sample``: a row; ``instruction``: one whose response is yet to be written; ``document``: a raw text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """One thing that waits to become an outcome."""

    id: str
    """Content hash: equal contents are one seed. A child's goes by the recipe that takes it, too."""
    content: Sample | Document
    kind: SeedKind = "sample"
    recipe: str = ""
    """Name of the recipe that takes it; empty until it is queued, and then that of the first stage."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pool to arm: what was drawn for it on the way, so that its outcome can reward the pools that its parents drew
    from; what else recipes have noted of it, under ``recipe:name``; and its part. Carried on to its own children."""
    parent: str = ""
    """Id of the seed whose child it is; empty for one that came from outside."""
    round: int = 0
    """How many stages or rounds lie behind it."""
    source: str = ""
    """Where it came from, for people: ``seeds.jsonl:12``."""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The row's other columns, carried along untouched."""

    @classmethod
    def of(cls, content: Sample | Document, *, source: str = "", meta: Mapping[str, Any] | None = None) -> Self:
        """Make a seed from outside; its id is the first 128 bits of the SHA-256 of its content."""
        named = content.to_dict() if isinstance(content, Sample) else {"document": content.to_dict()}
        kind: SeedKind = "sample" if isinstance(content, Sample) else "document"
        return cls(id=digest(named)[:32], content=content, kind=kind, source=source, meta=meta or {})

    def child(
        self, content: Sample | Document, *, recipe: str, kind: SeedKind, labels: Mapping[str, str] | None = None
    ) -> Seed:
        """A seed for the next recipe, made of this one; equal children of one recipe are one seed."""
        return Seed(
            id=digest([recipe, kind, content.to_dict()])[:32],
            content=content,
            kind=kind,
            recipe=recipe,
            labels={**self.labels, **(labels or {})},
            parent=self.id,
            round=self.round + 1,
            source=self.source,
            meta=self.meta,
        )

    @property
    def part(self) -> str:
        """The part of the seeds that it belongs to, which its children share; empty where they have no parts."""
        return self.labels.get(PART, "")

    @property
    def drawn_labels(self) -> dict[str, str]:
        """Its labels that are of pools."""
        return drawn_in(self.labels)

    @property
    def sample(self) -> Sample:
        """The content of a sample or an instruction. Raises TypeError for a document."""
        if isinstance(self.content, Sample):
            return self.content
        raise TypeError(f"seed {self.id} holds a document; ask for `document`")

    @property
    def document(self) -> Document:
        """The content of a document. Raises TypeError for a sample or an instruction."""
        if isinstance(self.content, Document):
            return self.content
        raise TypeError(f"seed {self.id} holds a sample; ask for `sample`")


PART = ":part"
"""The label that names the part of a seed; no pool and no note of a recipe is called so."""
_NOTE = re.compile(r"[\w-]*:")


def note_name(recipe: str, name: str) -> str:
    """The label under which a recipe notes something of a child; no pool is called so."""
    return f"{recipe}:{name}"


def kind_of(content: Sample | Document) -> SeedKind:
    """What a recipe's child with this content is."""
    if isinstance(content, Document):
        return "document"
    return "sample" if content.is_answered else "instruction"


def without_part(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels without the part, where that is told by itself."""
    return {name: value for name, value in labels.items() if name != PART}


def drawn_in(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels without what is noted beside."""
    return {pool: arm for pool, arm in labels.items() if _NOTE.match(pool) is None}

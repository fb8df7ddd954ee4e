"""Chunks of documents as seeds: with their language and where they come from, without repetitions.

A seed of a chunk is labelled with its origin, under ``document:...``. Labels are carried on to whatever is made of it,
so every row says from which characters of which document it came:

    document:path           the file, below the folder that was given; of a row its place, ``rows.jsonl:12``
    document:title          what the document calls itself
    document:headings       the path of headings, as ``Use > Installation``
    document:span           characters of its text, ``120-980``, or several such with commas between
    document:page           on which it begins
    document:language       ISO 639, where it can be told
    document:code_language  of source code, ``python``

Whether a chunk nearly repeats another one of the same intake is told here; whether it does so with one that was taken
in before, be it by another run, the store knows (``storage.near_texts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from star_agents.admission.language import UNKNOWN, language_of
from star_agents.admission.near_duplicates import NearDuplicates, signature
from star_agents.config.documents import DocumentsConfig
from star_agents.documents.chunks import Chunk, chunks_of
from star_agents.documents.extracted import DocumentError, Extracted
from star_agents.engine.earlier_documents import EarlierDocuments
from star_agents.records import Document, Seed
from star_agents.records.failures import REPEATS_A_DOCUMENT, CountedFailure, one_line
from star_agents.text.minhash import Signature

ORIGIN = "document"
"""Before the colon of each label."""
ORIGIN_COLUMNS = ("path", "headings", "span", "page", "code_language")
"""What is told of a chunk that goes through a row; title and text are columns anyway, its language is told again."""
BETWEEN_HEADINGS = " > "
_LONGEST_LABEL = 300
_LANGUAGE_BY = 1200
"""Characters of a chunk by which its language is told; 2,000 chunks a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a document comes from."""

    where: str
    """For people: ``docs/guide.md``, ``rows.jsonl:12``."""
    path: str
    """For the label."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Origins that came with it, since it was a chunk before."""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The other columns of a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A chunk that is no seed, with the reason."""

    reason: str
    detail: str

    def counted(self, where: str) -> CountedFailure:
        """As it is counted; ``where`` is its document."""
        return CountedFailure(reason=self.reason, example=one_line(f"{where}: {self.reason} ({self.detail})"))


def repeated_as(source: str) -> LeftOut:
    """A chunk that repeats the one of this source."""
    return LeftOut(reason=REPEATS_A_DOCUMENT, detail=f"it is kept as {source}")


class ChunkSeeds:
    """Makes seeds of documents, one after the other.

    Args:
        settings: How they are cut, and what is left out.
        earlier: Knows what earlier intakes have taken.
    """

    def __init__(self, settings: DocumentsConfig, earlier: EarlierDocuments) -> None:
        self._settings = settings
        self._earlier, self._new = earlier, NearDuplicates[tuple[str, str]]()
        self.signatures: dict[str, Signature] = {}
        """Of the seeds that were made, by their ids; without those whose signature the store has."""

    def seeds_of(self, document: Extracted, origin: Origin) -> Iterator[Seed | LeftOut]:
        """The chunks of a document, each a seed or left out."""
        settings = self._settings
        for chunk in chunks_of(document, chunk_tokens=settings.chunk_tokens, overlap_tokens=settings.overlap_tokens):
            language = UNKNOWN if document.code_language else language_of(chunk.text[:_LANGUAGE_BY]).code
            if settings.languages and language not in (*settings.languages, UNKNOWN):
                yield LeftOut(
                    reason=f"is in a language that was not asked for ({language})", detail="documents.languages"
                )
                continue
            seed = _seed(document, chunk, origin, language)
            other = self._repeated(seed, chunk.text)
            yield seed if other is None else repeated_as(other)

    def _repeated(self, seed: Seed, text: str) -> str | None:
        """Where a chunk stands that this one nearly repeats; ``None`` too where that is the same seed."""
        least = self._settings.duplicates
        if least is None:
            return None
        made = signature(text)
        earlier = self._earlier.find(made, least)
        found = earlier or self._new.find(made, least)
        if found is not None and found[0] != seed.id:
            return found[1]
        if earlier is None and seed.id not in self.signatures:
            self.signatures[seed.id] = made
            self._new.add((seed.id, seed.source), made)
        return None


def _seed(document: Extracted, chunk: Chunk, origin: Origin, language: str) -> Seed:
    spans = ",".join(f"{start}-{end}" for start, end in chunk.spans)
    labels = {
        "path": origin.path,
        "title": document.title,
        "headings": BETWEEN_HEADINGS.join(chunk.headings),
        "span": spans,
        "page": str(chunk.page or ""),
        "language": "" if language == UNKNOWN else language,
        "code_language": document.code_language,
        **origin.labels,
    }
    source = one_line(f"{origin.where}{_place(document, chunk)}", _LONGEST_LABEL)
    seed = Seed.of(Document(text=chunk.text, title=document.title), source=source, meta=origin.meta)
    told = {f"{ORIGIN}:{name}": one_line(value, _LONGEST_LABEL) for name, value in labels.items() if value}
    return replace(seed, labels=told)


def _place(document: Extracted, chunk: Chunk) -> str:
    """Where a chunk stands in its document, for people: ``#p3/Use:120-980``; nothing where it is all of it."""
    page = f"p{chunk.page}/" if chunk.page else ""
    section = f"{one_line(chunk.headings[-1], 80)}:" if chunk.headings else ""
    is_whole = chunk.spans == ((0, len(document.text)),)
    return "" if is_whole and not page + section else f"#{page}{section}{chunk.spans[0][0]}-{chunk.spans[-1][1]}"


def origin_columns(seed: Seed) -> dict[str, str]:
    """The origin of a chunk as columns beside it, from which ``DocumentIntake`` knows it again."""
    labels = {name: seed.labels.get(f"{ORIGIN}:{name}") for name in ORIGIN_COLUMNS}
    return {name: value for name, value in labels.items() if value is not None}


def nothing_of(left_out: LeftOut | None) -> DocumentError:
    """Why a document gives nothing, whose last chunk was left out so."""
    if left_out is None:
        return DocumentError("holds no text")
    return DocumentError(left_out.reason, left_out.detail, is_fault=False)

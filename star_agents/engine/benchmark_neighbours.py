"""The rows of a dataset that are nearest to each item of a benchmark by an embedder, for a person to look at.

N-grams tell words and no meaning. Vectors tell of a row in other words, too, and of many that are only about the same:
so that this names suspects, and refuses nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from star_agents.admission.nearest_rows import NearestRows, Vectors
from star_agents.config.contamination import BenchmarkFile
from star_agents.config.sections import ScoringConfig
from star_agents.errors import Problem, UsageError
from star_agents.records.failures import one_line
from star_agents.scheduling.hashing_embedder import embed_by_hashing
from star_agents.scoring import Scorer
from star_agents.storage.formats.row_fields import RowError
from star_agents.storage.formats.row_reading import scan_rows
from star_agents.storage.formats.row_writing import atomic_file, json_line
from star_agents.storage.incoming.benchmark_files import read_benchmarks
from star_agents.storage.incoming.row_texts import texts_of_row

AT_ONCE = 256
"""Texts of one request to the embedder."""
HASHING, SENTENCES = "hashing", "sentence-transformers:"
LONGEST_SHOWN = 300
Embed = Callable[[Sequence[str]], Awaitable[Vectors]]
T = TypeVar("T")


class _Asked(NamedTuple):
    """A question, of an item or of a row."""

    where: str
    text: str


class Suspect(NamedTuple):
    """A row that is near to an item."""

    benchmark: str
    item: str
    question: str
    row: str
    """Its place."""
    text: str
    """What it asks."""
    similarity: float
    """Cosine of their vectors."""


async def write_neighbours(
    source: Path, against: Sequence[BenchmarkFile], columns: Sequence[str], embedder: str, out: Path
) -> list[Suspect]:
    """Write for each item, the likest first, which rows are nearest to it; return each item's nearest, in that order.

    Args:
        source: The dataset; what cannot be read of it is left out.
        against: The benchmarks; of an item without a question its answer is compared.
        columns: Of the dataset, the first of which is what a row asks; empty: its form is told by the row.
        embedder: ``hashing`` or ``sentence-transformers:NAME``.
        out: JSON lines.

    Raises:
        ScorerError: the embedder cannot be loaded.
        SeedFileError: a benchmark cannot be read.
        UsageError: there is no such embedder, or the file cannot be written.
    """
    items = list(read_benchmarks(against, Path()))
    async with _embedding(embedder) as embed:
        texts = [item.parts[0][1] for item in items]
        nearest = NearestRows[_Asked](np.concatenate([await embed(some) for some in _batches(texts)]))
        for rows in _batches(_asked(source, columns)):
            shown = [_Asked(row.where, one_line(row.text, LONGEST_SHOWN)) for row in rows]
            nearest.add(await embed([row.text for row in rows]), shown)
    found = [
        [
            Suspect(item.benchmark, item.id, one_line(text, LONGEST_SHOWN), row.where, row.text, round(similarity, 4))
            for row, similarity in nearest.of(place)
        ]
        for place, (item, text) in enumerate(zip(items, texts, strict=True))
    ]
    found.sort(key=lambda suspects: -max((one.similarity for one in suspects), default=0.0))
    with atomic_file(out) as file:
        for suspects in found:
            for one in suspects:
                file.write(json_line(one._asdict()))
    return [suspects[0] for suspects in found if suspects]


@asynccontextmanager
async def _embedding(embedder: str) -> AsyncIterator[Embed]:
    if embedder == HASHING:

        async def hashed(texts: Sequence[str]) -> Vectors:
            return np.stack([embed_by_hashing(text) for text in texts])

        yield hashed
    elif embedder.startswith(SENTENCES) and embedder != SENTENCES:
        async with Scorer(ScoringConfig(), small=False, large=False, embedder=embedder) as scorer:
            yield scorer.embed
    else:
        raise UsageError(f"--embedder {embedder}: write {HASHING}, or {SENTENCES}NAME")


def _asked(source: Path, columns: Sequence[str]) -> Iterator[_Asked]:
    for one in scan_rows(source):
        if isinstance(one, Problem):
            continue
        where, row = one
        try:
            texts = texts_of_row(row, columns)
        except RowError:
            continue
        for text in texts.asked:
            yield _Asked(where, text)


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(things)
    while some := list(islice(waiting, AT_ONCE)):
        yield some

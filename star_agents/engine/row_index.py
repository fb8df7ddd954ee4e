"""The index by which an instruction is found that says the same in other words, made of what the store keeps.

It is asked and added to by whoever has the line's turn, and by nobody else: between look-up and commit no other outcome
comes. What is committed is added after that; a start makes the index anew, from its files where they fit, and waits
until it is whole. It holds all there are: one that it forgot could come twice.
"""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync

from star_agents.engine.memory_rows import kept_rows
from star_agents.errors import StoreError
from star_agents.scheduling.memory import MemoryBank, Remembered, Vector, vector_from_bytes
from star_agents.storage.row_vectors import VectorRow
from star_agents.storage.store import Store

INDEX_FILE = "rows.hnsw"
_ASKED = 16
"""Nearest ones that are looked at: those of the same seed do not count."""


class RowIndex:
    """Of one embedder and store.

    Raises:
        StoreError: by ``opened`` and ``add``: it can take no more in, so not all that says the same would be found.
    """

    def __init__(self, embedder: str, store: Store) -> None:
        self.embedder = embedder
        self._bank, self._path = MemoryBank(embedder, finds_all=True), store.folder / INDEX_FILE

    @classmethod
    async def opened(cls, embedder: str, store: Store) -> RowIndex:
        """With all that a store holds."""
        index = cls(embedder, store)
        rows = kept_rows(await store.row_vectors(embedder), store.folder, "vectors_of_rows")
        await run_sync(index._bank.load, rows, index._path)
        await run_sync(partial(index._bank.wait, for_renewals=False))
        index._check()
        return index

    def nearest(self, vector: Vector, *, but_of: str) -> tuple[str, float] | None:
        """Where the nearest instruction of another seed stands, and its cosine similarity."""
        for where, similarity in self._bank.nearest(vector, _ASKED):
            if where.partition(":")[0] != but_of:
                return where, similarity
        return None

    def add(self, one: VectorRow) -> None:
        """Let one that was committed be found."""
        self._check()
        self._bank.add(Remembered(seq=one.id, pair=one.where, pi=0.0, embedding=vector_from_bytes(one.vector)))

    def _check(self) -> None:
        if trouble := self._bank.state().trouble:
            raise StoreError(f"{self._path}: the index of instructions takes no more in ({trouble}); start again")

    def save(self) -> None:
        """Write it beside the store; ``not_written`` says why that could not be."""
        self._bank.save(self._path)

    @property
    def not_written(self) -> str:
        """Why its files could not be written; empty: they were."""
        return self._bank.not_written

    def renewals(self) -> list[str]:
        """What is to be told of its graphs that were made anew since it was last asked."""
        return self._bank.renewals()

    def save_soon(self) -> None:
        """The same beside the work, but for what is small."""
        self._bank.save_soon(self._path)

    def close(self) -> None:
        """End its thread."""
        self._bank.close()

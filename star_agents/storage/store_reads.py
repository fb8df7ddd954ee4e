"""What is asked of an open store: its questions go through the writer's thread, in the order of its other verbs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from star_agents.records import Document, Earner, GrownArm, Standing
from star_agents.records.failures import FailureCount
from star_agents.storage import grown_arms, reads, reopened
from star_agents.storage.failure_tallies import failure_counts
from star_agents.storage.near_texts import OF_SEED, Earlier, NearTexts
from star_agents.storage.recollections import Recollection, recollections
from star_agents.storage.row_vectors import KnownVectors, VectorRow
from star_agents.storage.rows import (
    AgentUsage,
    Counts,
    MemoryRow,
    OpenWork,
    OutcomeRow,
    PairCost,
    PoolRow,
    Taken,
    VectorKeys,
)
from star_agents.storage.writer import Writer
from star_agents.text.minhash import Signature


class StoreReads:
    """The questions to a store; ``Store`` adds what changes it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def outcomes(self, after_seq: int = 0, limit: int = 256) -> list[OutcomeRow]:
        """A page of outcomes in the order in which they took effect, superseded ones included."""
        return await self._writer.run(partial(reads.outcomes, after_seq=after_seq, limit=limit))

    async def load_pools(self) -> dict[str, PoolRow]:
        """The states of the pools as last saved, by name."""
        return await self._writer.run(reads.pools)

    async def memory_rows(self, after_seq: int = 0, embedder: str | None = None) -> list[MemoryRow]:
        """Rows of the memory bank after an outcome, of one embedder or of all."""
        return await self._writer.run(partial(reads.memory_rows, after_seq=after_seq, embedder=embedder))

    async def memory_keys(self, embedder: str) -> VectorKeys:
        """The memory bank's instructions of an embedder, without their vectors."""
        return await self._writer.run(partial(reads.memory_keys, embedder=embedder))

    async def recollections(self, embedder: str, after: int = 0, limit: int = 1000) -> list[Recollection]:
        """What arms earned near vectors of an embedder: so many after a number, oldest first."""
        return await self._writer.run(partial(recollections, embedder=embedder, after=after, limit=limit))

    async def documents(self, *, after: int, limit: int) -> tuple[int, list[Document]]:
        """Up to so many documents that came from outside, in the order in which they came, and the place of the last.

        Args:
            after: The place after which to look; 0 for all.
            limit: Most documents.
        """
        return await self._writer.run(partial(reads.documents, after=after, limit=limit))

    async def counts(self) -> Counts:
        """The store in numbers."""
        return await self._writer.run(reads.counts)

    async def agent_usage(self) -> list[AgentUsage]:
        """Calls, tokens and dollars by agent, with what sends of unknown cost may have cost."""
        return await self._writer.run(reads.agent_usage)

    async def taken(self, since: float | None = None) -> dict[str, Taken]:
        """The most that each agent's calls took, in all or since a moment (seconds since 1970)."""
        return await self._writer.run(partial(reads.taken, since=since))

    async def sent_since(self, since: float) -> list[tuple[str, float, int]]:
        """Agent, time (seconds since 1970) and tokens of each call sent since a moment."""
        return await self._writer.run(partial(reads.sent_since, since=since))

    async def pair_costs(self) -> list[PairCost]:
        """What each pair did for the finished seeds, and for how much."""
        return await self._writer.run(reads.pair_costs)

    async def failures(self) -> tuple[FailureCount, ...]:
        """What was tolerated so far, by part and reason."""
        return await self._writer.run(failure_counts)

    async def open_work(self) -> OpenWork:
        """What is in hand; costs next to nothing however large the store is."""
        return await self._writer.run(reads.open_work)

    async def near_texts(
        self, texts: Sequence[Sequence[Signature]], least: float, *, but_of: str
    ) -> list[Earlier | None]:
        """Of each text, by its signatures, the earlier one that it nearly repeats (``near_texts.NearTexts.find``)."""
        return await self._writer.run(
            lambda connection: [NearTexts(connection).find(one, least, but_of=but_of) for one in texts]
        )

    async def claim_text(
        self, kept: Signature, sought: Sequence[Signature], seed_id: str, least: float
    ) -> Earlier | None:
        """What the text of a seed nearly repeats, or nothing, and then it is found from now on (``near_texts``)."""
        return await self._writer.run(lambda connection: NearTexts(connection).claim(kept, sought, seed_id, least))

    async def row_vectors(self, embedder: str) -> VectorKeys:
        """Where the instructions stand that were admitted and have vectors of an embedder."""
        return await self._writer.run(lambda connection: KnownVectors(connection).keys(embedder))

    async def keep_vector(self, seed_id: str, embedder: str, vector: bytes) -> VectorRow:
        """Keep that of a seed's own text, unless it is kept already."""

        def keep(connection: sqlite3.Connection) -> VectorRow:
            known = KnownVectors(connection)
            return known.of_seed(seed_id, embedder) or known.add(seed_id, OF_SEED, embedder, vector)

        return await self._writer.run(keep)

    async def so_far(self, seed_id: str) -> OutcomeRow | None:
        """What a seed has already that is worked once more to add to it."""
        return await self._writer.run(partial(reopened.so_far, seed_id=seed_id))

    async def grown_arms(self) -> tuple[GrownArm, ...]:
        """Every arm that a recipe added to a pool, in order, retired ones included."""
        return await self._writer.run(grown_arms.grown_arms)

    async def standings(self, pool: str) -> dict[str, Standing]:
        """What each arm of a pool did so far, of those that were drawn or earned."""
        return await self._writer.run(partial(grown_arms.standings, pool=pool))

    async def earners(self, pool: str, arms: Sequence[str], *, count: int, longest: int) -> list[Earner]:
        """The newest seeds that were worth something to arms which were drawn on their way; see ``grown_arms``."""
        return await self._writer.run(partial(grown_arms.earners, pool=pool, arms=arms, count=count, longest=longest))

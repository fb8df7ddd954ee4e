"""What the routes ask of the daemon, and what they are told: the models that they answer with, ready for JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from star_agents.observe.status import State, Status, Turns
from star_agents.observe.stories import OutcomeSummary, QuarantinedSeed, SeedStory
from star_agents.web.model_results import EvaluatedQuestion, Evaluation, Rounds
from star_agents.web.replies import Curve, Leaderboard, Taken

Plain = Mapping[str, Any]


class NotNow(NamedTuple):
    """Why no seeds are taken at the moment."""

    status: int
    """503 while the daemon drains, 429 where the queue is full."""
    detail: str
    retry_after_s: float


class LogLine(Protocol):
    """One line of the log."""

    @property
    def n(self) -> int:
        """Its number in this process."""
        ...

    @property
    def json(self) -> bytes:
        """The line as a JSON object."""
        ...


class LogReader(Protocol):
    """Follows the log; lines it is too slow for are left out."""

    @property
    def dropped(self) -> int:
        """How many lines were left out so far."""
        ...

    async def batch(self) -> Sequence[LogLine]:
        """Wait for lines; none at the end of the log."""
        ...


class Backend(Protocol):
    """The daemon as its HTTP door sees it."""

    # Seeds

    async def not_now(self) -> NotNow | None:
        """Why no seeds are taken at the moment, if so."""
        ...

    async def add_rows(self, rows: Sequence[Plain], source: str, request: tuple[str, str] | None) -> Taken:
        """Take rows in durably, all or none.

        ``request`` is the key and digest of a request that may come again; it is recorded with what is returned, in
        the same transaction.

        Raises:
            SeedFileError: with every bad row.
        """
        ...

    async def add_document(self, body: bytes, name: str, source: str, request: tuple[str, str] | None) -> Taken:
        """Take in a document, whose kind is told by the end of its file's name; else as ``add_rows``."""
        ...

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        """Digest and answer, as JSON, of the request that was taken in under this key."""
        ...

    async def story(self, seed_id: str) -> SeedStory | None:
        """Everything about one seed."""
        ...

    async def quarantine(self, limit: int) -> Sequence[QuarantinedSeed]:
        """The seeds that were set aside."""
        ...

    async def release_quarantined(self, seed_ids: Sequence[str] | None) -> int:
        """Queue these (``None``: all) again; returns how many.

        Raises:
            UsageError: when one of them is not set aside.
        """
        ...

    # Outcomes

    def latest_seq(self) -> int:
        """Number of the newest outcome; 0 before the first."""
        ...

    async def outcomes(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
        kind: str | None = None,
        pair: str | None = None,
        agent: str | None = None,
    ) -> Sequence[OutcomeSummary]:
        """A page of outcomes: oldest first where ``after`` is given, else newest first."""
        ...

    async def outcome(self, seq: int) -> SeedStory | None:
        """The story of the seed that has this outcome."""
        ...

    async def curve(self, pool: str) -> Curve | None:
        """The probability of every arm of a pool over time; ``None`` where there never was such a pool."""
        ...

    async def turns(self, name: str) -> Turns | None:
        """What a pool turned to, or how seeds ended by a column, with all rows; ``None`` where there is none such."""
        ...

    async def leaderboard(self) -> Leaderboard:
        """Who is how strong in an arena, as of some seconds ago."""
        ...

    async def rounds(self) -> Rounds:
        """The rounds that the store is part of."""
        ...

    async def evaluation(self) -> Evaluation:
        """The evaluation that the folder holds."""
        ...

    async def evaluated_question(self, question: str) -> EvaluatedQuestion | None:
        """All answers to a question of it; ``None`` where there is none of that id."""
        ...

    def dataset(self, *, format: str, file: str, which: str, provenance: bool) -> AsyncGenerator[bytes, None]:
        """The dataset as one file, in pieces."""
        ...

    # State

    async def status(self) -> Status:
        """Everything that is going on."""
        ...

    async def pause(self) -> State:
        """Take no further seed from the queue; returns the state.

        Raises:
            UsageError: while draining.
        """
        ...

    async def resume(self) -> State:
        """Take seeds from the queue again; returns the state. Raises as ``pause`` does."""
        ...

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition of being ready, by name."""
        ...

    def held_because(self) -> str:
        """Why failures or judges keep seeds from being taken; empty where none do."""
        ...

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The metrics for a scraper that accepts these types, and their type."""
        ...

    # What happens

    def logs(
        self, *, event: str | None, without: str | None, agent: str | None, seed: str | None, level: str, limit: int
    ) -> Sequence[Plain]:
        """The newest lines of the log that match, oldest of them first."""
        ...

    def follow_logs(self, level: str) -> AbstractAsyncContextManager[LogReader]:
        """The log from now on."""
        ...


BACKEND: web.AppKey[Backend] = web.AppKey("backend", Backend)

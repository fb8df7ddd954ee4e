"""What the HTTP door asks of a line at work: the ``Backend`` of the web room, put together from what the daemon has."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from star_agents import __version__
from star_agents.config.changes import config_marks
from star_agents.engine.accounts import Accounts
from star_agents.engine.downloads import pieces
from star_agents.engine.engine import Engine
from star_agents.engine.insights import Insights
from star_agents.engine.intake import DocumentsTaken, take_in_document, take_in_rows
from star_agents.engine.live_status import status_of
from star_agents.engine.model_results import ModelResults
from star_agents.engine.standings import Standings
from star_agents.errors import Problem, StoreError, UsageError
from star_agents.events import StateChanged
from star_agents.observe.logs.feed import LogFeed, LogReader
from star_agents.observe.status import State, Status, Turns
from star_agents.observe.stories import OutcomeSummary, QuarantinedSeed, SeedStory
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.storage.recipe_facts import pool_facts
from star_agents.storage.turning import turns
from star_agents.web.backend import NotNow
from star_agents.web.metrics import Metrics
from star_agents.web.model_results import EvaluatedQuestion, Evaluation, Rounds
from star_agents.web.replies import Curve, Leaderboard, Taken

QUEUE_RETRY_S = 60.0
"""When to look again whether a full queue has room; a line works off some seeds in a minute."""


@dataclass(slots=True)
class Standing:
    """How the daemon stands. It alone writes this."""

    state: State = "starting"
    """A line that is ready may be paused, which is no state of this."""
    config_problems: tuple[Problem, ...] = ()
    """Why agents.yaml as it lies there is not in force."""
    drains_until: float = math.inf
    """On anyio's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Answers for the daemon. Questions about the store go to readers of their own: the writer is not waited for."""

    line: Engine
    standing: Standing
    accounts: Accounts
    insights: Insights
    readers: Readers
    counters: Metrics
    log: LogFeed
    results: ModelResults
    standings: Standings = field(default_factory=Standings)
    documents: DocumentsTaken = field(default_factory=DocumentsTaken)

    # Seeds

    async def not_now(self) -> NotNow | None:
        """Why no seeds are taken at the moment, if so."""
        if self.standing.state == "draining":
            left = self.standing.drains_until - anyio.current_time()
            return NotNow(503, "the daemon drains and takes no seeds; send them again", left)
        limit = self.line.config.server.queue_limit
        counts = self.accounts.counts(await self.readers.ask(lambda reader: reader.open_work()))
        waiting = counts.waiting + counts.stranded
        if waiting >= limit:
            detail = f"{waiting:,} seeds wait, and server.queue_limit in agents.yaml is {limit:,}; send them later"
            return NotNow(429, detail, QUEUE_RETRY_S)
        return None

    async def add_rows(self, rows: Sequence[Mapping[str, Any]], source: str, request: tuple[str, str] | None) -> Taken:
        """Take in seeds that came by HTTP."""
        added = await take_in_rows(self.line, rows, source, request, documents=self.documents)
        return Taken(new=added.new, duplicates=added.duplicates, repeated=added.repeated, not_read=added.not_read)

    async def add_document(self, body: bytes, name: str, source: str, request: tuple[str, str] | None) -> Taken:
        """Take in a document that came by HTTP."""
        added = await take_in_document(self.line, body, name, source, request, documents=self.documents)
        return Taken(new=added.new, duplicates=added.duplicates, repeated=added.repeated, not_read=added.not_read)

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        """Digest and answer of a request that was taken in under this key."""
        return await self.line.store.recall_request(key)

    async def story(self, seed_id: str) -> SeedStory | None:
        """Everything about one seed."""
        return await self.readers.ask(lambda reader: reader.seed_story(seed_id))

    async def quarantine(self, limit: int) -> Sequence[QuarantinedSeed]:
        """Seeds that were in hand too often when a process died."""
        return await self.readers.ask(lambda reader: reader.quarantined(limit))

    async def release_quarantined(self, seed_ids: Sequence[str] | None) -> int:
        """Queue these (``None``: all) again; UsageError where one is not in quarantine."""
        released = await self.line.store.release_quarantined(seed_ids)
        self.line.queue.wake()
        return released

    # Outcomes

    def latest_seq(self) -> int:
        """Number of the newest outcome; 0 before the first."""
        return self.insights.latest_seq

    async def outcomes(self, **wanted: Any) -> Sequence[OutcomeSummary]:
        """A page of outcomes; parameters as ``StoreReader.outcome_page`` has them."""
        return await self.readers.ask(lambda reader: reader.outcome_page(**wanted))

    async def outcome(self, seq: int) -> SeedStory | None:
        """The story of the seed that has this outcome."""
        return await self.readers.ask(lambda reader: reader.story_of_outcome(seq))

    async def curve(self, pool: str) -> Curve | None:
        """The probability of every arm of a pool over time, and the edits of agents.yaml on the way."""
        return await self.readers.ask(partial(_curve, pool=pool))

    async def turns(self, name: str) -> Turns | None:
        """What a pool turned to, or how seeds ended by a column, with all rows."""
        probabilities = self.line.settling.pools.probabilities()
        return await self.readers.ask(partial(_turns, name=name, probabilities=probabilities))

    async def leaderboard(self) -> Leaderboard:
        """Who is how strong in an arena, as of some seconds ago."""
        return await self.standings.of(self.readers, self.insights.latest_seq)

    async def rounds(self) -> Rounds:
        """The rounds that the store is part of."""
        return await self.results.rounds()

    async def evaluation(self) -> Evaluation:
        """The evaluation that the folder holds."""
        return await self.results.evaluation()

    async def evaluated_question(self, question: str) -> EvaluatedQuestion | None:
        """All answers to a question of it."""
        return await self.results.question(question)

    async def dataset(self, **wanted: Any) -> AsyncGenerator[bytes, None]:
        """The dataset as one file, in pieces; parameters as ``downloads.pieces`` has them."""
        async with aclosing(self.readers.stream(partial(pieces, **wanted), batch=1)) as made:
            async for some in made:
                yield b"".join(some)

    # State

    async def status(self) -> Status:
        """What the daemon is doing, for `GET /v1/status`."""
        of_the_line: dict[str, Any] = vars(await status_of(self.line, self.accounts, self.insights, self.readers))
        return Status(
            **of_the_line,
            version=__version__,
            state=self._state(),
            pid=os.getpid(),
            config_problems=[str(problem) for problem in self.standing.config_problems],
        )

    async def pause(self) -> State:
        """Take no seed from the queue until somebody resumes it."""
        self._refuse_while_draining()
        if not self.line.is_paused:
            await self.line.pause()
            self.line.bus.publish(StateChanged(state="paused", detail="seeds in hand are finished, none is taken"))
        return self._state()

    async def resume(self) -> State:
        """Take seeds from the queue again."""
        self._refuse_while_draining()
        was_paused = self.line.is_paused
        await self.line.resume()
        if was_paused:
            self.line.bus.publish(StateChanged(state="ready", detail="resumed"))
        return self._state()

    async def readiness(self) -> Mapping[str, bool]:
        """Each condition of being ready, by name."""
        line = self.line
        return {
            "store": await self._can_write(),
            "config": not self.standing.config_problems,
            "taking_seeds": self.standing.state == "ready",
            "agents": bool(line.config.agents.keys() - line.client.down()),
            "scorer": line.scorer is None or line.scorer.stats().workers > 0,
            "failures_within_limits": not line.held_because,
            "judges": line.judges.stands,
        }

    def held_because(self) -> str:
        """Why failures or judges keep the line from taking seeds; empty where none do."""
        judges = self.line.judges.waiting_for
        return self.line.held_because or (judges.reason if judges is not None else "")

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """For Prometheus."""
        return await self.counters.render(await self.status(), accept)

    # The log

    def logs(
        self, *, event: str | None, without: str | None, agent: str | None, seed: str | None, level: str, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """The newest lines that match."""
        return self.log.recent(
            event=event, without=without or "", agent=agent or "", seed=seed or "", level=level, limit=limit
        )

    def follow_logs(self, level: str) -> LogReader:
        """The log from now on."""
        return self.log.follow(level=level)

    def _state(self) -> State:
        return "paused" if self.standing.state == "ready" and self.line.is_paused else self.standing.state

    def _refuse_while_draining(self) -> None:
        if self.standing.state != "ready":
            raise UsageError(f"the daemon is {self.standing.state}")

    async def _can_write(self) -> bool:
        """Whether the store's writer answers."""
        try:
            await self.line.store.open_work()
        except StoreError:
            return False
        return True


def _turns(reader: StoreReader, name: str, probabilities: Mapping[str, Mapping[str, float]]) -> Turns | None:
    tallies = reader.tallies()
    return turns(pool_facts(probabilities, tallies.pools, tallies.arm_notes, tallies.grown), tallies).get(name)


def _curve(reader: StoreReader, pool: str) -> Curve | None:
    if pool not in reader.pools():
        return None
    revisions = [(one.id, one.after_seq, one.at, one.config) for one in reader.revisions()]
    return Curve(points=reader.curve(pool), marks=config_marks(revisions))

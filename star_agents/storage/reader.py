"""A store seen from outside: read-only, from any process, while a daemon writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from star_agents.errors import StoreError
from star_agents.observe.status import Exams
from star_agents.observe.stories import CurvePoint, OutcomeSummary, QuarantinedSeed, SeedStory
from star_agents.records import OutcomeKind
from star_agents.records.reviews import Review
from star_agents.storage import curve, exams, pages, quarantine, reads, reviews, stories, tallies
from star_agents.storage.connection import connect_reading, store_errors
from star_agents.storage.exams import ExamsInForce
from star_agents.storage.games import StoredGames, add_games
from star_agents.storage.migrations import check_not_newer, scripts, version_of
from star_agents.storage.near_texts import NearTexts
from star_agents.storage.results import Result, RowSource
from star_agents.storage.rows import (
    AgentUsage,
    Counts,
    ModelUse,
    OpenWork,
    PairCost,
    PoolRow,
    RevisionRow,
    SeedUsage,
    Spend,
    Taken,
)
from star_agents.storage.spans import WHOLE, Span, spans
from star_agents.storage.store import STORE_FILE
from star_agents.storage.tallies import Tallies
from star_agents.storage.upgrading import upgrade

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

PAGE = 64
"""Results per transaction: a short one never holds up the daemon's checkpoints."""
_PAGE_OF_SOURCES = 256
"""Of what rows are made of, which is read in a few milliseconds."""


class _ReadPage(Protocol[T_co]):
    def __call__(self, connection: sqlite3.Connection, *, span: Span, limit: int) -> tuple[Sequence[T_co], Span]: ...


class StoreReader:
    """Reads the store in ``folder``; use as a context manager, by one thread at a time.

    One of an older release is brought up to date first (``upgrading``).

    Raises:
        StoreError: when there is no store, one of a newer release, or one that cannot be brought up to date.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / STORE_FILE
        if not _is_file(self.path):
            raise StoreError(f"{folder}: there is no store here (name the folder of a `run` or `serve`)")
        self._connection = self._connect()
        try:
            if self._is_older():
                self.close()
                upgrade(folder)
                self._connection = self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        with store_errors(self.path):
            return connect_reading(self.path)

    def _is_older(self) -> bool:
        newest = len(scripts())
        with store_errors(self.path):
            check_not_newer(self._connection, self.path, newest)
            version = version_of(self._connection)
        if not version:
            raise StoreError(f"{self.path}: holds no store yet (start with `run` or `serve`)")
        return version < newest

    @property
    def near_texts(self) -> NearTexts:
        """What was taken in so far, to look up in."""
        return NearTexts(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def counts(self) -> Counts:
        """The store in numbers."""
        return self._read(reads.counts)

    def spend(self) -> dict[str, Spend]:
        """What each agent's answered calls cost."""
        return self._read(reads.spend)

    def agent_usage(self) -> list[AgentUsage]:
        """Calls, tokens and dollars by agent."""
        return self._read(reads.agent_usage)

    def models(self) -> list[ModelUse]:
        """Which models were asked and which answered, by agent."""
        return self._read(reads.models)

    def usage_of_seeds(self, ids: Sequence[str]) -> list[SeedUsage]:
        """What each of these seeds took that is done, in no order."""
        return self._read(partial(reads.usage_of_seeds, ids=ids))

    def taken(self, since: float | None = None) -> dict[str, Taken]:
        """The most that each agent's calls took, in all or since a moment (seconds since 1970)."""
        return self._read(partial(reads.taken, since=since))

    def pair_costs(self) -> list[PairCost]:
        """What each pair did for the finished seeds, and for how much."""
        return self._read(reads.pair_costs)

    def vectors(self, of: reads.VectorTable, numbers: Sequence[int]) -> dict[int, bytes]:
        """Some vectors of a table, by the numbers under which they are kept: float32, little endian."""
        return self._read(partial(reads.vectors, of=of, numbers=numbers))

    def open_work(self) -> OpenWork:
        """What is in hand."""
        return self._read(reads.open_work)

    def pools(self) -> dict[str, PoolRow]:
        """The states of the pools as last saved, by name."""
        return self._read(reads.pools)

    def quarantined(self, limit: int = 100) -> list[QuarantinedSeed]:
        """Seeds that are not worked any more, because the process died with them in hand three times."""
        return self._read(partial(quarantine.quarantined, limit=limit))

    def revisions(self) -> list[RevisionRow]:
        """Every config that was in force, oldest first."""
        return self._read(reads.revisions)

    def latest_seq(self) -> int:
        """The newest outcome; 0: none."""
        return self._read(pages.latest_seq)

    def outcome_page(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
        kind: OutcomeKind | None = None,
        pair: str | None = None,
        agent: str | None = None,
    ) -> list[OutcomeSummary]:
        """A page of outcomes in a line each: newest first, or oldest first where ``after`` is given (``pages``)."""
        ask = partial(pages.outcome_page, before=before, after=after, limit=limit, kind=kind, pair=pair, agent=agent)
        return self._read(ask)

    def seed_story(self, seed_id: str) -> SeedStory | None:
        """Everything that is known of one seed; ``None`` where the store does not know it."""
        return self._read(partial(stories.seed_story, seed_id=seed_id))

    def story_of_outcome(self, seq: int) -> SeedStory | None:
        """The story of the seed of an outcome; ``None`` where there is no such outcome."""
        return self._read(partial(stories.story_of_outcome, seq=seq))

    def curve(self, pool: str) -> list[CurvePoint]:
        """The probabilities of every arm of a pool from the start to now, oldest point first."""
        return self._read(partial(curve.curve, pool=pool))

    def tallies(self) -> Tallies:
        """Gaps, verdicts, draws, and what each pair won, in numbers."""
        return self._read(tallies.tallies)

    def games(self, known: StoredGames | None = None) -> StoredGames:
        """What judges said of players' answers, game by game; to what is ``known``, what came since is added."""
        return self._read(partial(add_games, known=known or StoredGames()))

    def exams(self) -> dict[int, ExamsInForce]:
        """What the exams of the judges said, by revision of the config."""
        return self._read(exams.exams)

    def point_exams(self) -> dict[str, Exams]:
        """Likewise of judges that give points, by recipe, as of the newest config with an exam."""
        return self._read(exams.point_exams)

    def reviews(self, newest: int = reviews.ANY) -> dict[str, dict[bytes, Review]]:
        """What people said of rows and counts, or counted when one was the newest (``newest_review``): by seed, and by
        the digest of what a row says."""
        return self._read(partial(reviews.reviews, newest=newest))

    def newest_review(self) -> int:
        """The number of the newest review; 0: there is none."""
        return self._read(reviews.newest_review)

    def count_reviews(self) -> Mapping[str, int]:
        """Rows by the review that counts."""
        return self._read(reviews.count_reviews)

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask what a function of a connection answers, such as those of ``browsed_rows``."""
        return self._read(question)

    def results_at(self, places: Mapping[int, Collection[int]]) -> list[Result]:
        """The seeds of some outcomes, each with those of its rows alone that stand at these places."""
        found = self._read(partial(reads.results_of, seqs=list(places)))
        return [one.with_rows_at(places[one.header.seq]) for one in found]

    def results(self, span: Span = WHOLE) -> Iterator[Result]:
        """Every finished seed with its newest outcome and all candidates, in the order in which seeds were queued."""
        return self._pages(reads.results, span, PAGE)

    def row_sources(self, span: Span = WHOLE) -> Iterator[RowSource]:
        """Likewise what rows of samples are made of, several times as fast as everything."""
        return self._pages(reads.row_sources, span, _PAGE_OF_SOURCES)

    def spans(self, most: int, seeds: int) -> list[Span]:
        """The queue in spans of as many finished seeds each: so many at most, with so many seeds at least."""
        return self._read(partial(spans, most=most, seeds=seeds))

    def _pages(self, read: _ReadPage[T], span: Span, limit: int) -> Iterator[T]:
        while True:
            page, span = self._read(partial(read, span=span, limit=limit))
            if not page:
                return
            yield from page

    def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask in one transaction, so that all parts of the answer are of one moment."""
        with store_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                return question(self._connection)
            finally:
                self._connection.execute("COMMIT")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False

"""Whose outcome is committed with whose: what is ready while others are being committed goes together after them.

A commit is synced to disk, and only one is under way at a time, since each learns from those before it. So those that
come meanwhile wait, and the first of them takes all along in one transaction. Where outcomes come one by one, each goes
alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from star_agents.bench.bench import Bench
from star_agents.engine.row_checks import AdmissionRules, CheckedOutcome
from star_agents.errors import StoreError
from star_agents.events import OutcomeCommitted
from star_agents.records import Outcome
from star_agents.scheduling.memory import Vector

MOST = 64
"""Outcomes in one transaction: bounds for how long what else is asked of the store waits for it."""
PORTION = 16
"""Of those who waited, as many go on in one turn of the event loop."""


@dataclass(kw_only=True, eq=False, slots=True)
class Settled:
    """An outcome that is ready to be committed, and then what came of that."""

    outcome: Outcome
    bench: Bench
    """At which it was worked."""
    checked: CheckedOutcome
    rules: AdmissionRules
    """By which it was looked at."""
    embedding: Vector | None
    in_force: Callable[[], tuple[int, str]]
    """Says the revision of the config, and the memory bank's embedder."""
    committed: OutcomeCommitted | None = None
    """What to tell; ``None`` once it is done where nothing was written."""
    error: BaseException | None = None
    is_done: bool = False
    news: anyio.Event = field(default_factory=anyio.Event)
    """It is done, or is to take others along."""


class Groups:
    """Brings outcomes together, in the order in which they come.

    Args:
        commit: Commits some and says in each what came of it.
        goes_alone: Whether what it is decided by is known only once those before it are learned from.
    """

    def __init__(
        self, commit: Callable[[Sequence[Settled]], Awaitable[None]], goes_alone: Callable[[Settled], bool]
    ) -> None:
        self._commit, self._goes_alone = commit, goes_alone
        self._waiting: list[Settled] = []
        self._is_led = False

    async def settle(self, one: Settled) -> None:
        """Commit an outcome, perhaps with others; raises what its own commit raised, or that of all of them."""
        self._waiting.append(one)
        if self._is_led:
            await one.news.wait()
        if not one.is_done:
            self._is_led = True
            await self._lead()
        if one.error is not None:
            raise one.error

    async def _lead(self) -> None:
        """Commit what waits, the caller's own first, and let the next one of those that came meanwhile do the same."""
        group = self._taken()
        try:
            await self._commit(group)
        except BaseException as error:
            hear(group, error)
            raise
        finally:
            for one in group:
                one.is_done = True
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].news.set()
            await _tell(group)

    def _taken(self) -> list[Settled]:
        count = len(next(split_at_singles(self._waiting[:MOST], self._goes_alone)))
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group


def split_at_singles(group: Sequence[Settled], goes_alone: Callable[[Settled], bool]) -> Iterator[list[Settled]]:
    """The same in their order, each that goes alone by itself; whether one does is asked when its turn has come."""
    part: list[Settled] = []
    for one in group:
        if goes_alone(one):
            if part:
                yield part
            yield [one]
            part = []
        else:
            part.append(one)
    if part:
        yield part


@contextmanager
def heard_by(concerned: Sequence[Settled]) -> Iterator[None]:
    """Whoever it concerns hears an error from in here, and the others in its group go on."""
    try:
        yield
    except Exception as error:
        hear(concerned, error)


def hear(concerned: Sequence[Settled], error: BaseException) -> None:
    """Tell an error to all of those of whom nothing is known yet."""
    for one in concerned:
        if one.error is None and one.committed is None:
            one.error = _own(error)


def _own(error: BaseException) -> BaseException:
    """Each their own: an error that is raised twice gathers the tracebacks of both."""
    return type(error)(str(error)) if isinstance(error, StoreError) else error


async def _tell(group: Sequence[Settled]) -> None:
    for number, one in enumerate(group, start=1):
        one.news.set()
        if number % PORTION == 0 and number < len(group):
            await anyio.lowlevel.checkpoint()

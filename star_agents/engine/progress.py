"""What a batch shows while it runs: seeds done, calls, cost so far and projected, time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.console import Console

from star_agents.engine.progress_bar import ProgressBar
from star_agents.engine.target_rows import TargetRows
from star_agents.events import (
    AgentThrottled,
    AgentUnthrottled,
    BudgetCleared,
    BudgetReached,
    CallAnswered,
    CallFailed,
    ConnectionNoted,
    DeploymentChanged,
    EgressLost,
    Event,
    FailureFirstSeen,
    IndexNotWritten,
    IndexRenewed,
    JudgeExamined,
    JudgeScaled,
    JudgingNoted,
    OutcomeCommitted,
    PriceNoted,
    ScorerTrouble,
    ServerChanged,
)
from star_agents.records import STAR, Outcome
from star_agents.records.failures import first_of_its_kind
from star_agents.storage.rows import Counts, usd_or_none
from star_agents.text.figures import usd, usd_each, usd_sum


class BatchProgress:
    """Hears the bus and shows how far it is.

    Args:
        total: Seeds that this batch is about.
        done: Of those, how many an earlier run settled.
        before: What the store had done and spent before this run.
        console: Where to draw.
        clock: Monotonic seconds.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        total: int,
        *,
        done: int,
        before: Counts,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bar = ProgressBar("seeds", total, done=done, console=console, clock=clock, shortest_s=1.0)
        self.target: TargetRows | None = None
        """The rows that are wanted, where a number is: no more seeds are shown as to come than they need."""
        self._total = total
        self._before = before
        self._improved = before.kept
        self._kept = before.kept + before.base
        self._is_stars = True
        """Whether no other recipe has given an outcome: then what counts is an improved seed."""
        self._spent = 0.0
        self._settled_usd = 0.0
        """Of the seeds that ended in this run; what those in hand cost so far would mislead a projection."""
        self._unpriced = 0
        self._calls = 0
        self._reused = 0
        self._failed = 0
        self._now = now
        self._down = set[str]()
        """Deployments of whose outage was told."""
        self._throttled: dict[tuple[str, str], str] = {}
        """Agent and cause, with the time of day since when."""
        self._bar.show(self._facts())

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def paused(self) -> AbstractContextManager[None]:
        """Draw nothing, so that a person can be asked something."""
        return self._bar.paused()

    @property
    def calls(self) -> int:
        """Calls that were sent and answered in this run."""
        return self._calls

    def hear(self, event: Event) -> None:
        """Take in one event; subscribe this to the bus."""
        match event:
            case CallAnswered(from_journal=True):
                self._reused += 1
            case CallAnswered():
                self._calls += 1
                self._unpriced += event.cost_usd is None
                self._spent += event.cost_usd or 0.0
            case CallFailed():
                self._failed += 1
            case OutcomeCommitted():
                self._bar.done += 1
                self._total += event.new_children
                self._bar.total = self._bar.done + self._to_come(self._total - self._bar.done)
                self._add_outcome(event.outcome)
            case DeploymentChanged():
                self._tell_of(event)
            case (
                BudgetReached()
                | BudgetCleared()
                | PriceNoted()
                | ConnectionNoted()
                | IndexNotWritten()
                | IndexRenewed()
                | EgressLost()
                | JudgeExamined()
                | JudgingNoted()
            ):
                self._bar.say(event.message)
            case ScorerTrouble() | JudgeScaled() | ServerChanged():
                self._bar.say(event.message)
            case AgentThrottled():
                self._throttled[event.agent, event.cause] = time.strftime("%H:%M:%S", time.localtime(self._now()))
                self._bar.say(event.message)
            case AgentUnthrottled():
                self._throttled.pop((event.agent, event.cause), None)
                self._bar.say(event.message)
            case FailureFirstSeen():
                first = first_of_its_kind(event.part, event.agent, event.reason)
                self._bar.say(f"{first}; all of it is summed up at the end")
            case _:
                return
        if self._bar.is_due:  # asked before: a run in a pipe would put together what nobody sees, on every call
            self._bar.show(self._facts())

    def _to_come(self, seeds: int) -> int:
        return seeds if self.target is None else self.target.seeds_needed(seeds)

    def _add_outcome(self, outcome: Outcome) -> None:
        self._is_stars &= outcome.recipe == STAR
        self._improved += outcome.kind == "kept"
        self._kept += outcome.kind != "dropped"
        self._settled_usd += outcome.cost_usd or 0.0

    def _tell_of(self, event: DeploymentChanged) -> None:
        """An outage when it begins and when it is over; not each try in between."""
        is_known = event.deployment in self._down
        if event.what == "opened" and not is_known:
            self._down.add(event.deployment)
            self._bar.say(event.message)
        elif event.what == "closed" and is_known:
            self._down.discard(event.deployment)
            self._bar.say(event.message)

    def _facts(self) -> str:
        parts = [f"{self._calls:,} call{'' if self._calls == 1 else 's'}"]
        if self._reused:
            parts.append(f"{self._reused:,} from the journal")
        if self._failed:
            parts.append(f"{self._failed:,} failed")
        return ", ".join([*self._rows(), *parts, *self._money(), *self._throttles()])

    def _rows(self) -> Iterator[str]:
        if self.target is not None:
            yield f"{self.target.counts.rows:,} of {self.target.wanted.rows:,} rows"

    def _throttles(self) -> Iterator[str]:
        """Who is slowed down, by what and since when."""
        for (agent, cause), since in sorted(self._throttled.items()):
            yield f"{agent} throttled ({cause}) since {since}"

    def _money(self) -> Iterator[str]:
        """What it has cost, what it will, how fast it goes, and what one improved seed costs."""
        unknown = self._before.calls_of_unknown_price + self._unpriced
        spent = usd_or_none((self._before.cost_usd or 0.0) + self._spent, unknown)
        yield usd_sum(spent, unknown)
        if not spent:
            return
        settled, left = self._bar.done_here, self._bar.left
        many, each = (self._improved, "improved seed") if self._is_stars else (self._kept, "seed kept")
        if many:
            yield f"{usd_each(spent / many)} per {each}"
        if settled and left:
            yield f"{usd_each(3600 * self._spent / self._bar.seconds)} an hour"
            whole = (self._before.cost_usd or 0.0) + self._settled_usd / settled * (settled + left)
            yield f"{'at least ' if unknown else ''}{usd(max(spent, whole))} projected"

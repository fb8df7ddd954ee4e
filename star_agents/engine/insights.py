"""What no store keeps about a line at work: its pace, and how its agents answer. Heard from the bus, kept in bounds."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from star_agents.events import CallAnswered, CallEnded, Event, OutcomeCommitted
from star_agents.observe.status import AgentAnswers, Latency
from star_agents.storage.readers import Readers
from star_agents.storage.rows import usd_or_none

WINDOW_S = 300.0
"""The pace of now is that of the last five minutes."""
CALLS_KEPT = 512
"""Of each agent: the newest answers say how fast it is."""
_BUCKET_S = 5.0
_FAILURES = ("rate_limited", "unavailable", "refused")


class Heard(NamedTuple):
    """What was heard until a moment; figures as ``observe.status`` has them."""

    started_at: float
    now: float
    latest_seq: int
    seeds_per_minute: float
    seeds_per_minute_overall: float
    usd_per_hour: float | None
    agents: Mapping[str, AgentAnswers]
    """By name, of those that were called."""


class Insights:
    """Subscribe ``hear`` before the line takes its first seed.

    Args:
        latest_seq: The newest outcome of the store so far.
        now: Seconds since 1970.

    Attributes:
        latest_seq: The newest outcome that was committed; 0: none.
    """

    def __init__(self, latest_seq: int = 0, *, now: Callable[[], float] = time.time) -> None:
        self.latest_seq = latest_seq
        self._now = now
        self._started_at = now()
        self._pace = Pace()
        self._spending = Spending()
        self._agents: dict[str, _Agent] = {}

    @classmethod
    async def of(cls, readers: Readers, *, now: Callable[[], float] = time.time) -> Self:
        """Begin where a store stands."""
        return cls(await readers.ask(lambda reader: reader.latest_seq()), now=now)

    def hear(self, event: Event) -> None:
        """Take in one event; subscribe this to the bus."""
        match event:
            case OutcomeCommitted():
                self.latest_seq = event.seq
                now = self._now()
                self._pace.add(now, began=max(self._started_at, now - event.seconds))
            case CallAnswered(from_journal=False):
                self._spending.add(self._now(), event.cost_usd, seconds=event.seconds)
            case CallEnded():
                self._agents.setdefault(event.agent, _Agent()).add(event)

    def snapshot(self) -> Heard:
        """All of it at this moment."""
        now = self._now()
        return Heard(
            started_at=self._started_at,
            now=now,
            latest_seq=self.latest_seq,
            seeds_per_minute=self._pace.per_minute(now),
            seeds_per_minute_overall=60 * self._pace.total / max(1.0, now - self._started_at),
            usd_per_hour=self._spending.per_hour(now),
            agents={name: agent.told() for name, agent in self._agents.items()},
        )


class Pace:
    """How many seeds end in a minute, over the time within the last ``WINDOW_S`` in which seeds were worked on."""

    def __init__(self) -> None:
        self.total = 0
        self._buckets: deque[_Bucket] = deque()

    def add(self, at: float, *, began: float) -> None:
        """One seed ended ``at`` that was taken when it ``began``."""
        self.total += 1
        if self._buckets and at < self._buckets[-1].at + _BUCKET_S:
            last = self._buckets.pop()
            self._buckets.append(last._replace(seeds=last.seeds + 1, began=min(last.began, began)))
        else:
            self._buckets.append(_Bucket(at, 1, began))
            self._forget(at)

    def per_minute(self, now: float) -> float:
        """0 where none ended of late. Time in which nothing was worked on, before the first of them, does not count."""
        self._forget(now)
        if not self._buckets:
            return 0.0
        elapsed = now - max(self._buckets[0].began, now - WINDOW_S)
        return 60 * sum(one.seeds for one in self._buckets) / max(1.0, elapsed)

    def _forget(self, now: float) -> None:
        while self._buckets and self._buckets[0].at < now - WINDOW_S:
            self._buckets.popleft()


class _Bucket(NamedTuple):
    """Seeds that ended within a few seconds: a line at full speed must not fill the memory."""

    at: float
    seeds: int
    began: float
    """When the first of them was taken."""


class Spending:
    """How many dollars an hour answers cost, over the last ``WINDOW_S``."""

    def __init__(self) -> None:
        self._buckets: deque[_Spent] = deque()

    def add(self, at: float, usd: float | None, *, seconds: float) -> None:
        """One call was answered ``at`` after so many seconds; ``None``: nobody knows what it cost."""
        if not self._buckets or at >= self._buckets[-1].at + _BUCKET_S:
            self._buckets.append(_Spent(at, at, 0.0, 0))
            self._forget(at)
        last = self._buckets.pop()
        began, unknown = min(last.began, at - seconds), last.unknown + (usd is None)
        self._buckets.append(_Spent(last.at, began, last.usd + (usd or 0.0), unknown))

    def per_hour(self, now: float) -> float | None:
        """0 where nothing was called of late; ``None`` where nothing is known of what was."""
        self._forget(now)
        if not self._buckets:
            return 0.0
        elapsed = now - max(self._buckets[0].began, now - WINDOW_S)
        usd = usd_or_none(sum(one.usd for one in self._buckets), sum(one.unknown for one in self._buckets))
        return None if usd is None else 3600 * usd / max(1.0, elapsed)

    def _forget(self, now: float) -> None:
        while self._buckets and self._buckets[0].at < now - WINDOW_S:
            self._buckets.popleft()


class _Spent(NamedTuple):
    """What the answers of a few seconds cost."""

    at: float
    began: float
    """When the first of their calls was made."""
    usd: float
    unknown: int


class _Answered(NamedTuple):
    seconds: float
    completion_tokens: int


class _Agent:
    """How the calls to one agent ended in this process."""

    def __init__(self) -> None:
        self._answered: deque[_Answered] = deque(maxlen=CALLS_KEPT)
        self._errors: Counter[str] = Counter()
        self._retries = 0

    def add(self, call: CallEnded) -> None:
        self._retries += call.retries
        if call.outcome == "ok":
            self._answered.append(_Answered(call.seconds, call.completion_tokens))
        else:
            self._errors[call.outcome] += 1

    def told(self) -> AgentAnswers:
        seconds = sorted(one.seconds for one in self._answered)
        written = [one for one in self._answered if one.completion_tokens and one.seconds > 0]
        tokens, busy = sum(one.completion_tokens for one in written), sum(one.seconds for one in written)
        return AgentAnswers(
            failed=sum(self._errors[name] for name in _FAILURES),
            errors=dict(self._errors),
            retries=self._retries,
            latency_s=Latency(p50=_share(seconds, 0.5), p95=_share(seconds, 0.95)) if seconds else None,
            tokens_per_second=tokens / busy if written else None,
        )


NEVER_CALLED = _Agent().told()
"""What is told of an agent that was not called yet."""


def _share(ordered: list[float], share: float) -> float:
    """The value below which about this share of the others lies (nearest rank)."""
    return ordered[round(share * (len(ordered) - 1))]

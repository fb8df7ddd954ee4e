"""What a report tells of a run, read in one pass over its finished seeds; memory is bounded, whatever their number."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

from star_agents.config.changes import config_marks
from star_agents.config.kept import kept_config
from star_agents.config.models import Config
from star_agents.engine.status import describe, settings_of
from star_agents.errors import StoreError
from star_agents.observe.status import plain
from star_agents.records import PAIRS, STAR
from star_agents.report.curves import Moment
from star_agents.report.facts import GAPS, RunFacts
from star_agents.scheduling.policies import probabilities_of
from star_agents.storage.outgoing.summary import PairTally, summarise, tally
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

T = TypeVar("T")

TO_READ = 5
"""Seeds of each sort that can be read."""
KEPT_KNOWN = 1_000
"""Improved seeds among which the typical ones are looked for."""
REASONS = 200
OTHER_REASONS = "other reasons"


class Reservoir(Generic[T]):
    """So many of all items, each with the same chance (algorithm R, Vitter 1985); the same items give the same."""

    def __init__(self, most: int) -> None:
        self.items: list[T] = []
        self.seen = 0
        self._most = most
        self._chance = random.Random(0)

    def add(self, item: T) -> None:
        """Take in the next item."""
        self.seen += 1
        if len(self.items) < self._most:
            self.items.append(item)
        elif (place := self._chance.randrange(self.seen)) < self._most:
            self.items[place] = item


@dataclass(slots=True)
class _Pass:
    """What one pass over the finished seeds leaves."""

    pairs: dict[str, PairTally] = field(default_factory=dict[str, PairTally])
    chosen: Reservoir[float] = field(default_factory=lambda: Reservoir(GAPS))
    others: Reservoir[float] = field(default_factory=lambda: Reservoir(GAPS))
    best: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    """Heap of π, gap and seed."""
    kept: Reservoir[tuple[float, str]] = field(default_factory=lambda: Reservoir(KEPT_KNOWN))
    base: Reservoir[str] = field(default_factory=lambda: Reservoir(TO_READ))
    dropped: Reservoir[str] = field(default_factory=lambda: Reservoir(TO_READ))
    reasons: Counter[str] = field(default_factory=Counter[str])

    def add(self, result: Result) -> None:
        header, seed_id = result.header, result.header.seed_id
        tally(result, self.pairs)
        chosen = result.chosen
        for place, trial in enumerate(result.trials):
            if (gap := trial.measures.get("gap")) is not None:
                (self.chosen if place in chosen else self.others).add(gap)
        winner = result.winner
        if header.kind != "dropped" and (winner is None or header.recipe != STAR):
            self.kept.add((0.0, seed_id))
        elif winner is None:
            self.dropped.add(seed_id)
            reason = result.outcome.reason
            known = reason in self.reasons or len(self.reasons) < REASONS
            self.reasons[reason if known else OTHER_REASONS] += 1
        elif header.kind == "base":
            self.base.add(seed_id)
        else:
            gap, pi = (winner.measures.get(name) or 0.0 for name in ("gap", "pi"))
            self.kept.add((gap, seed_id))
            heapq.heappush(self.best, (pi, gap, seed_id))
            if len(self.best) > TO_READ:
                heapq.heappop(self.best)

    def to_read(self) -> dict[str, list[str]]:
        best = [seed_id for _, _, seed_id in sorted(self.best, reverse=True)]
        others = sorted(one for one in self.kept.items if one[1] not in best)
        middle = max(0, (len(others) - TO_READ) // 2)
        typical = [seed_id for _, seed_id in others[middle : middle + TO_READ]]
        return {"best": best, "typical": typical, "base": self.base.items, "dropped": self.dropped.items}


def read_facts(reader: StoreReader, name: str) -> RunFacts:
    """Read a store, also while a daemon works on it: then the parts are of moments close together.

    Raises:
        StoreError: nothing was worked on there yet.
    """
    revisions = reader.revisions()
    if not revisions:
        raise StoreError(f"{name}: nothing was worked on here yet (start with `run` or `serve`)")
    config = kept_config(revisions[-1].config)
    found = _Pass()
    for result in reader.results():
        found.add(result)
    stories = {
        sort: [plain(story) for one in seeds if (story := reader.seed_story(one)) is not None]
        for sort, seeds in found.to_read().items()
    }
    return RunFacts(
        name=name,
        summary=_summary(reader, config, found),
        gaps_chosen=found.chosen.items,
        gaps_others=found.others.items,
        stories=stories,
        pools={
            pool: [Moment(one.seq, one.probabilities) for one in reader.curve(pool)]
            for pool in reader.pools()
            if pool != PAIRS
        },
    )


def _summary(reader: StoreReader, config: Config, found: _Pass) -> dict[str, Any]:
    """What `run` writes as summary.json, and what else the report tells."""
    summary = summarise(reader, found.pairs, partial(probabilities_of, config))
    sums = reader.counts(), reader.spend(), reader.pair_costs()
    status = describe(*sums, [], {}, reader.tallies(), exams=reader.exams(), point_exams=reader.point_exams())
    for agent, facts in status.agents.items():
        won = {"candidates": facts.candidates, "wins": facts.wins, "win_rate": facts.win_rate}
        summary["agents"].setdefault(agent, {}).update(won)
    newest = reader.outcome_page(limit=1)
    revisions = reader.revisions()
    return {
        **summary,
        "gaps": plain(status.gaps),
        "memory": plain(status.memory),
        "dropped_because": dict(found.reasons.most_common()),
        "curve": plain(reader.curve(PAIRS)),
        "edits": [mark.to_dict() for mark in config_marks([(r.id, r.after_seq, r.at, r.config) for r in revisions])],
        "config": plain(settings_of(config, revisions[-1].id)),
        "began_at": _moment(revisions[0].at),
        "as_of": _moment(newest[0].at) if newest else None,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")

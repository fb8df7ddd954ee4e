"""What a store has done and what it cost, kept as running sums: asking for them never reads the store again.

One question at the start, then every event adds to it. What is in hand at a moment is no sum; the store answers that
from indexes that hold nothing else (``Store.open_work``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, get_args

from star_agents.agents.budget_ledger import UNITS, Unit
from star_agents.agents.budgets import Budgets, Charge, Limit
from star_agents.config.base import BudgetSettings
from star_agents.config.models import Config
from star_agents.events import (
    BudgetCleared,
    BudgetReached,
    CallAnswered,
    Event,
    OutcomeCommitted,
    SeedsAdded,
    SeedsReopened,
)
from star_agents.records import STAR, Outcome, OutcomeKind
from star_agents.storage.batch_rows import OpenCall
from star_agents.storage.rows import AgentUsage, Counts, OpenWork, PairCost, Spend, Taken, usd_or_none
from star_agents.storage.store import Store


@dataclass(slots=True)
class _Agent:
    calls: int = 0
    usd: float = 0.0
    unknown: int = 0


@dataclass(slots=True)
class _Pair:
    candidates: int = 0
    wins: int = 0
    usd: float = 0.0
    unknown: int = 0


class Accounts:
    """The sums; subscribe ``hear`` before the line takes its first seed.

    Args:
        counts: The store in numbers.
        usage: Its calls by agent.
        pairs: Its finished seeds by pair.
    """

    def __init__(self, counts: Counts, usage: Sequence[AgentUsage], pairs: Sequence[PairCost]) -> None:
        self._seeds = counts.seeds
        self._ends: Counter[OutcomeKind] = Counter(
            {"kept": counts.kept, "base": counts.base, "dropped": counts.dropped}
        )
        self._prompt_tokens = counts.prompt_tokens
        self._completion_tokens = counts.completion_tokens
        self._agents = {one.agent: _Agent(one.answered, one.cost_usd or 0.0, one.unknown_price) for one in usage}
        self._pairs = {
            one.pair: _Pair(one.candidates, one.wins, one.cost_usd or 0.0, one.unknown_cost) for one in pairs
        }

    @classmethod
    async def of(cls, store: Store) -> Self:
        """The sums of a store that nobody works on at this moment."""
        return cls(await store.counts(), await store.agent_usage(), await store.pair_costs())

    def hear(self, event: Event) -> None:
        """Add one event; subscribe this to the bus."""
        match event:
            case CallAnswered(from_journal=False):
                self._add_call(event)
            case OutcomeCommitted():
                self._seeds += event.new_children
                self._add_outcome(event.outcome)
            case SeedsAdded():
                self._seeds += event.new
            case SeedsReopened():
                for kind in get_args(OutcomeKind):
                    self._ends[kind] -= event.kinds.get(kind, 0)

    def counts(self, open_work: OpenWork) -> Counts:
        """The store in numbers, with what is in hand."""
        done = self._ends.total()
        unknown = sum(one.unknown for one in self._agents.values())
        return Counts(
            waiting=max(0, self._seeds - done - open_work.seeds - open_work.quarantined - open_work.stranded),
            stranded=open_work.stranded,
            working=open_work.seeds,
            kept=self._ends["kept"],
            base=self._ends["base"],
            dropped=self._ends["dropped"],
            quarantined=open_work.quarantined,
            catching_up=open_work.catching_up,
            calls_answered=sum(one.calls for one in self._agents.values()),
            calls_pending=open_work.calls_pending,
            calls_maybe_paid=open_work.calls_maybe_paid,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            cost_usd=usd_or_none(sum(one.usd for one in self._agents.values()), unknown),
            calls_of_unknown_price=unknown,
        )

    def spend(self) -> dict[str, Spend]:
        """What each agent's answered calls cost."""
        return {
            name: Spend(usd_or_none(one.usd, one.unknown), one.calls, one.unknown) for name, one in self._agents.items()
        }

    def pair_costs(self) -> list[PairCost]:
        """What each pair did for the finished seeds, and for how much."""
        return [
            PairCost(
                pair=name,
                candidates=one.candidates,
                wins=one.wins,
                cost_usd=usd_or_none(one.usd, one.unknown),
                unknown_cost=one.unknown,
            )
            for name, one in sorted(self._pairs.items())
        ]

    def _add_call(self, event: CallAnswered) -> None:
        self._prompt_tokens += event.prompt_tokens
        self._completion_tokens += event.completion_tokens
        agent = self._agents.setdefault(event.agent, _Agent())
        agent.calls += 1
        agent.usd += event.cost_usd or 0.0
        agent.unknown += event.cost_usd is None

    def _add_outcome(self, outcome: Outcome) -> None:
        self._ends[outcome.kind] += 1
        if outcome.recipe != STAR:
            return
        chosen = outcome.chosen
        for place, trial in enumerate(outcome.trials):
            pair = self._pairs.setdefault(trial.arm, _Pair())
            pair.candidates += 1
            pair.wins += place in chosen
            pair.usd += trial.cost_usd or 0.0
            pair.unknown += trial.cost_usd is None


_BUDGETS: Mapping[str, tuple[Unit, bool]] = {
    f"budget_{unit}{'_per_day' if per_day else ''}": (unit, per_day) for unit in UNITS for per_day in (False, True)
}
"""By key of agents.yaml: what is counted, and whether it begins anew each day."""


def limits_of(config: Config) -> list[Limit]:
    """Every budget of agents.yaml: everybody's first, then by agent."""
    owners: list[tuple[str | None, BudgetSettings]] = [(None, config), *config.agents.items()]
    return [
        Limit(
            key=key if owner is None else f"agents.{owner}.{key}",
            owner=owner,
            unit=unit,
            per_day=per_day,
            amount=settings.budgets[key],
        )
        for owner, settings in owners
        for key, (unit, per_day) in _BUDGETS.items()
        if key in settings.budgets
    ]


def budgets_of(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    tell: Callable[[BudgetReached | BudgetCleared], None] = lambda event: None,
) -> Budgets:
    """The budgets of agents.yaml, with nothing spent yet."""
    return Budgets(limits_of(config), clock=clock, tell=tell)


def restore_budgets(
    budgets: Budgets, spent: Mapping[str, Taken], today: Mapping[str, Taken], *, day_began: float
) -> None:
    """Let the budgets begin with what a store says that each agent took, in all and since ``day_began``.

    What a send without an answer may have cost counts as spent: a budget holds over restarts, or it is none.
    """
    budgets.restore(_charges(spent), _charges(today), day_began=day_began)


def without_open(taken: Mapping[str, Taken], calls: Sequence[OpenCall]) -> dict[str, Taken]:
    """What was taken without one send each of calls that go by batch and have no answer yet: what those may take is
    reserved, for they are not lost (``BatchedCalls.restore``)."""
    left = dict(taken)
    for call in calls:
        if (one := left.get(call.agent)) is not None:
            usd, tokens = call.reserved_usd or 0.0, call.reserved_tokens or 0
            left[call.agent] = Taken(max(0.0, one.usd - usd), max(0, one.calls - 1), max(0, one.tokens - tokens))
    return left


def _charges(taken: Mapping[str, Taken]) -> dict[str, Charge]:
    return {agent: Charge(usd=one.usd, tokens=one.tokens, calls=one.calls) for agent, one in taken.items()}

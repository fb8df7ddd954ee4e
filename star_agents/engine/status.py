"""What a store or a daemon has done so far, joined to the status that everybody reads. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from star_agents.config.models import Config
from star_agents.config.target import TargetConfig
from star_agents.engine.target_rows import seeds_needed
from star_agents.observe.status import (
    Agent,
    BudgetState,
    Calls,
    Cost,
    Exams,
    FailureTold,
    FolderStatus,
    Gaps,
    Memory,
    PairCost,
    SeedPart,
    Seeds,
    Settings,
    Stranded,
    Target,
    WinRate,
)
from star_agents.records import AgentPair
from star_agents.records.failures import FailureCount
from star_agents.scheduling import win_rates
from star_agents.scheduling.memory import BankState
from star_agents.scheduling.win_rates import leader, win_rate
from star_agents.storage import rows, stranded
from star_agents.storage.exams import ExamsInForce, referee_facts
from star_agents.storage.parts import PartCount
from star_agents.storage.recipe_facts import pool_facts, recipe_facts, refused_arms
from star_agents.storage.rows import Counts, Spend, per
from star_agents.storage.tallies import GAP_LOW, GAP_WIDTH, Tallies
from star_agents.storage.target_facts import target_facts
from star_agents.storage.turning import TOLD, turns

REFUSED_TOLD = 40
"""Arms whose refusals a status tells; a summary tells all."""
_NOTHING_SPENT = Spend(0.0, 0, 0)


class BankFacts(NamedTuple):
    """How the memory bank stands, as status tells it; by itself: no line holds one."""

    size: int | None = None
    at_most: int | None = None
    waiting: int = 0
    forgotten: int = 0
    left_out: int = 0
    trouble: str = ""
    renewed: int = 0
    recall: float | None = None


def describe(
    counts: Counts,
    spend: Mapping[str, Spend],
    pairs: Sequence[rows.PairCost],
    budgets: Sequence[BudgetState],
    probabilities: Mapping[str, float],
    tallies: Tallies,
    configured: Collection[str] = (),
    exams: Mapping[int, ExamsInForce] | None = None,
    pools: Mapping[str, Mapping[str, float]] | None = None,
    *,
    point_exams: Mapping[str, Exams] | None = None,
    bank: BankFacts | None = None,
    wanted: TargetConfig | None = None,
) -> FolderStatus:
    """Join counts, money, probabilities and tallies.

    Args:
        counts: The store in numbers.
        spend: What each agent's calls cost.
        pairs: What each agent-pair did.
        budgets: Where each stands.
        probabilities: Of the agent-pairs that are drawn.
        tallies: What was counted.
        configured: Agents that are told of although they were never called.
        exams: Of the judges, by revision.
        pools: Probabilities by pool and arm.
        point_exams: Of judges that give points, by recipe.
        bank: How the memory bank stands, where a line holds one.
        wanted: How many rows are.
    """
    drawn_from = pool_facts(pools or {}, tallies.pools, tallies.arm_notes, tallies.grown)
    chosen = {name: win_rate(tallies.won.get(name, 0), tallies.drawn.get(name, 0)) for name in probabilities}
    target = None if wanted is None else target_facts(wanted, tallies)
    return FolderStatus(
        seeds=_seeds(counts),
        stranded=[_stranded(one) for one in tallies.stranded],
        parts={name: _part(one) for name, one in tallies.parts.items()},
        calls=_calls(counts),
        cost=_cost(counts, seeds_to_come(counts, target)),
        budgets=budgets,
        batches=tallies.batches,
        target=target,
        agents=_agents(spend, tallies, configured),
        pairs=dict(probabilities),
        pair_costs={pair.pair: _pair_cost(pair) for pair in pairs},
        win_rates={name: WinRate(**rate._asdict()) for name, rate in chosen.items()},
        best_pair=leader(chosen),
        best_agent=leader(_agents_of(chosen)),
        gaps=Gaps(width=GAP_WIDTH, low=GAP_LOW, chosen=tallies.gaps_chosen, others=tallies.gaps_others),
        recipes=recipe_facts(tallies.recipes),
        pools=drawn_from,
        turns=turns(drawn_from, tallies, most=TOLD),
        referee=referee_facts(tallies, exams or {}),
        exams=point_exams or {},
        scales=tallies.scales,
        failures=[_failure(one) for one in tallies.failures],
        refused=refused_arms(tallies.refused)[:REFUSED_TOLD],
        memory=_memory(tallies, bank),
    )


def bank_facts(banks: Sequence[BankState], at_most: int) -> BankFacts | None:
    """How the memory bank stands, the first of ``banks``, with those that other pools recall by; ``None``: there is
    none."""
    if not banks:
        return None
    return BankFacts(
        size=banks[0].size + banks[0].waiting,
        at_most=at_most,
        waiting=sum(one.waiting for one in banks),
        forgotten=sum(one.forgotten for one in banks),
        left_out=sum(one.left_out for one in banks),
        trouble=next((one.trouble for one in banks if one.trouble), ""),
        renewed=sum(one.renewed for one in banks),
        recall=min((one.recall for one in banks if one.recall is not None), default=None),
    )


def _memory(tallies: Tallies, bank: BankFacts | None) -> Memory:
    return Memory(
        **(bank or BankFacts())._asdict(),
        draws=tallies.draws,
        hits=tallies.hits,
        hit_rate=per(tallies.hits, tallies.draws),
    )


def settings_of(config: Config, revision: int) -> Settings:
    """The settings in force that a reader of numbers has to know."""
    return Settings(
        revision=revision,
        agents=list(config.agents),
        pairs=[pair.name for pair in config.pool],
        base_pairs=[pair.name for pair in config.base],
        candidates=config.star.candidates,
        selection=config.star.selection,
        small=config.scoring.small if config.needs_small else None,
        large=config.scoring.large if config.needs_large else None,
    )


def seeds_to_come(counts: Counts, target: Target | None) -> int:
    """Seeds that have no outcome yet; with a target those that its rows are expected to need."""
    left = counts.waiting + counts.working
    if target is None:
        return left
    room, given = max(0, target.wanted - target.rows), target.rows + target.spare
    return seeds_needed(room, left, seeds=counts.done, rows=given)


def projected_usd(counts: Counts, to_come: int) -> float | None:
    """What it will have cost once all seeds to come are done, if they are like those that are; ``None`` where none is.

    Where no price is known at all, nothing is projected either; where some are not, the sum holds what is known.
    """
    if not counts.done or counts.cost_usd is None:
        return None
    return counts.cost_usd + to_come * counts.cost_usd / counts.done


def eta_s(to_come: int, seeds_per_minute: float) -> float | None:
    """Seconds until all seeds to come are done at this pace; ``None`` while nothing moves."""
    return 60 * to_come / seeds_per_minute if seeds_per_minute else None if to_come else 0.0


def _seeds(counts: Counts) -> Seeds:
    return Seeds(
        waiting=counts.waiting,
        working=counts.working,
        kept=counts.kept,
        base=counts.base,
        dropped=counts.dropped,
        quarantined=counts.quarantined,
        stranded=counts.stranded,
        catching_up=counts.catching_up,
    )


def _calls(counts: Counts) -> Calls:
    return Calls(
        answered=counts.calls_answered,
        pending=counts.calls_pending,
        maybe_paid_twice=counts.calls_maybe_paid,
        prompt_tokens=counts.prompt_tokens,
        completion_tokens=counts.completion_tokens,
    )


def _cost(counts: Counts, to_come: int) -> Cost:
    return Cost(
        usd=counts.cost_usd,
        calls_of_unknown_price=counts.calls_of_unknown_price,
        usd_per_sample=per(counts.cost_usd, counts.selected),
        usd_per_improved=per(counts.cost_usd, counts.kept),
        projected_usd=projected_usd(counts, to_come),
    )


def _agents(spend: Mapping[str, Spend], tallies: Tallies, configured: Collection[str]) -> dict[str, Agent]:
    """Every agent that is configured, was paid, or wrote something."""
    drawn, won = _by_agent(tallies.drawn), _by_agent(tallies.won)
    return {
        name: _agent(spend.get(name, _NOTHING_SPENT), win_rate(won.get(name, 0), drawn.get(name, 0)))
        for name in sorted({*spend, *configured, *drawn})
    }


def _agent(spent: Spend, won: win_rates.WinRate) -> Agent:
    return Agent(
        calls=spent.calls,
        usd=spent.usd,
        calls_of_unknown_price=spent.unknown_calls,
        usd_per_call=per(spent.usd, spent.calls - spent.unknown_calls),
        candidates=won.answers,
        wins=won.wins,
        win_rate=won.rate,
        win_rate_low=won.low,
        win_rate_high=won.high,
    )


def _agents_of(pairs: Mapping[str, win_rates.WinRate]) -> dict[str, win_rates.WinRate]:
    """How often the answers of each agent in these pairs were chosen."""
    drawn = _by_agent({name: rate.answers for name, rate in pairs.items()})
    won = _by_agent({name: rate.wins for name, rate in pairs.items()})
    return {name: win_rate(won[name], answers) for name, answers in drawn.items()}


def _by_agent(pairs: Mapping[str, int]) -> dict[str, int]:
    """Counts of pairs as counts of the agents in them; an agent that is both in one pair counts once."""
    counted: dict[str, int] = {}
    for name, n in pairs.items():
        for agent in set(AgentPair.from_name(name).agents):
            counted[agent] = counted.get(agent, 0) + n
    return counted


def _pair_cost(pair: rows.PairCost) -> PairCost:
    return PairCost(
        candidates=pair.candidates,
        wins=pair.wins,
        usd=pair.cost_usd,
        candidates_of_unknown_cost=pair.unknown_cost,
        usd_per_win=pair.usd_per_win,
    )


def _stranded(one: stranded.Stranded) -> Stranded:
    return Stranded(recipe=one.recipe, kind=one.kind, seeds=one.seeds, parts=dict(one.parts), sentence=one.sentence)


def _part(one: PartCount) -> SeedPart:
    return SeedPart(seeds=one.seeds, **asdict(one))


def _failure(one: FailureCount) -> FailureTold:
    return FailureTold(
        part=one.part,
        name=one.name,
        reason=one.reason,
        failures=one.failures,
        tries=one.tries,
        example=one.example,
        sentence=one.sentence,
    )

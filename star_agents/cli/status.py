"""`status`: what a folder or a running daemon has done so far."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from star_agents.agents.throttle import in_words
from star_agents.cli.add import address_in, get_json
from star_agents.cli.batch_table import batch_sentences, print_batches
from star_agents.cli.recipe_tables import print_recipes, print_turns
from star_agents.cli.rounds_table import show_rounds
from star_agents.cli.tables import amount, print_costs, print_failures, print_json, print_refused, print_table
from star_agents.engine.campaign.state import STATE_FILE
from star_agents.engine.campaign.summary import rounds_summary
from star_agents.engine.stored_status import status_of_folder
from star_agents.errors import UsageError
from star_agents.observe.status import (
    Agent,
    AgentAtWork,
    BudgetState,
    Exams,
    FolderStatus,
    Memory,
    Rate,
    ScorerState,
    Status,
    WinRate,
)
from star_agents.observe.status.reading import read
from star_agents.text.figures import duration, usd, usd_each, usd_sum
from star_agents.text.printing import say

WAITING_TOLD = 1000
"""Instructions that the memory bank's index lacks from which on that is told: a few always wait their turn."""

RECALL_TOLD = 0.95
"""Share of the nearest that it finds below which that is told."""

NODES_NAMED = 8
"""Nodes with copies of the scorer models that are named."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("--url", help="Ask the daemon there instead of reading FOLDER.")
@click.option("--token-env", default="STAR_AGENTS_TOKEN", show_default=True, help="Variable that holds the token.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, url: str | None, token_env: str, as_json: bool) -> None:
    """Show seeds, calls, cost and probabilities; of a folder of `rounds`, its steps. A running daemon is not disturbed.

    The address of a daemon may stand in the place of FOLDER.
    """
    if url is None and (folder / STATE_FILE).is_file():
        summary = rounds_summary(folder)
        return print_json(summary) if as_json else show_rounds(summary)
    url = url or address_in(folder)
    if not url:
        status = status_of_folder(folder)
        return print_json(status.to_dict()) if as_json else _show(status)
    told = get_json(f"{url.rstrip('/')}/v1/status", token_env)
    return print_json(told) if as_json else _show(_read(told, url))


def _read(told: Any, url: str) -> Status:
    try:
        return read(Status, told)
    except ValueError as error:
        fix = "`--json` shows what it says, and a restart makes it one of this version"
        raise UsageError(f"the daemon at {url} tells its status as another version does; {fix}: {error}") from None


def _show(status: FolderStatus) -> None:
    if isinstance(status, Status):
        say(f"state {status.state}, config revision {status.revision}")
        for problem in status.config_problems:
            say(f"agents.yaml is not in force: {problem}")
    for line in _hindrances(status):
        say(line)
    for line in _sums(status):
        say(line)
    print_failures(status.failures, err=False)
    print_refused(status.refused)
    _show_tables(status)


def _sums(status: FolderStatus) -> Iterator[str]:
    """What was done, how fast and for how much, a line each."""
    seeds, cost, calls, referee, memory = status.seeds, status.cost, status.calls, status.referee, status.memory
    yield "seeds: " + ", ".join(f"{count:,} {state}" for state, count in vars(seeds).items() if state != "catching_up")
    if seeds.catching_up:
        yield f"  {seeds.catching_up:,} of them catch up with agents.yaml; what they have stands until then"
    for name, part in status.parts.items():
        yield f"  part {name}: {part.done:,} of {part.seeds:,} done"
    if referee.won_by_tie:
        yield f"  of those kept, {referee.won_by_tie:,} tied with the base and won by a larger gap"
    if isinstance(status, Status):
        yield _pace(status.rate)
    unknown = cost.calls_of_unknown_price
    each = f", {usd_each(cost.usd_per_sample)} per sample, {usd_each(cost.usd_per_improved)} per improved one"
    least = "at least " if unknown else ""
    projected = f", {least}{usd(cost.projected_usd)} once all are done" if cost.projected_usd else ""
    yield f"cost: {usd_sum(cost.usd, unknown)}{each if cost.usd else ''}{projected}"
    yield (
        f"calls: {calls.answered:,} answered, {calls.pending:,} in flight or lost, "
        f"{calls.maybe_paid_twice:,} maybe paid twice"
    )
    if referee.verdicts:
        agreement = f"; both orders agree in {_share(referee.agreement)}" if referee.both_orders else ""
        found = f"{referee.wins:,} won, {referee.ties:,} tied, {referee.losses:,} lost"
        yield f"referee: of {referee.verdicts:,} candidates against the base {found}{agreement}"
    if referee.without_verdict:
        yield f"referee: on {referee.without_verdict:,} candidates there was no verdict, and none of them won"
    if referee.exam is not None:
        yield from _exams(referee.exam)
    for exams in status.exams.values():
        yield from _exams(exams)
    yield from (one.sentence for one in status.scales)
    yield from batch_sentences(status.batches)
    if status.target is not None:
        yield status.target.sentence
    if memory.hits:
        size = "" if memory.size is None else f"{memory.size:,} instructions, "
        yield f"memory bank: {size}a say in {_share(memory.hit_rate)} of the draws"
    yield from _of_bank(memory)
    if status.best_pair is not None:
        answers, won, interval = _won(status.win_rates[status.best_pair])
        yield f"best pair: {status.best_pair}, clear of all others: chosen in {won} ({interval}) of {answers}"


def _of_bank(memory: Memory) -> Iterator[str]:
    """What a reader has to know of a bank that does not find all there was."""
    if memory.waiting >= WAITING_TOLD:
        yield f"memory bank: {memory.waiting:,} instructions are not in its index yet; until then not all are found"
    if memory.forgotten:
        yield f"memory bank: it forgot the {memory.forgotten:,} oldest instructions (`memory.max_items` in agents.yaml)"
    if memory.left_out:
        yield f"memory bank: {memory.left_out:,} instructions are left out, for their vectors cannot be compared"
    if memory.renewed:
        yield f"memory bank: {memory.renewed:,} graphs of its index were made anew, for they found too little"
    if memory.recall is not None and memory.recall < RECALL_TOLD:
        yield f"memory bank: of the nearest instructions it finds {_share(memory.recall)}"
    if memory.trouble:
        yield f"memory bank: no more instructions are taken in ({memory.trouble}); start again to go on"


def _pace(rate: Rate) -> str:
    left = "" if rate.eta_s is None else f"; about {duration(rate.eta_s)} left"
    hourly = f", {usd_each(rate.usd_per_hour)} an hour" if rate.usd_per_hour else ""
    return (
        f"pace: {rate.seeds_per_minute:.1f} seeds a minute, "
        f"{rate.seeds_per_minute_overall:.1f} since the start{hourly}{left}"
    )


def _exams(exam: Exams) -> Iterator[str]:
    """How each judge did in its exam, and what follows."""
    for name, one in exam.judges.items():
        bias = "no position" if one.position_bias is None else f"position bias {_share(one.position_bias)}"
        share = f"{one.right} of {one.pairs} right"
        verdict = "judges all the same" if exam.mode == "warn" else "does not judge"
        follows = "" if one.passed else f"; {one.needs}, and it {verdict}"
        if one.frames:
            bias += f", won over by {one.broken} of {one.frames} texts that break their frame"
        yield f"judge {name}: {share}, {one.unreadable} unreadable, {bias}{follows}"
    for name, reason in exam.not_examined.items():
        yield f"judge {name} could not sit its exam: {reason}"


def _won(rate: WinRate) -> list[str]:
    """Answers of a pair, the share of them that was chosen, and its interval."""
    interval = "-" if rate.rate is None else f"{rate.low:.0%} to {rate.high:.0%}"
    return [f"{rate.answers:,}", _share(rate.rate), interval]


def scorer_away(scorer: ScorerState) -> Iterator[str]:
    """Where scorer models run if not on this machine, and why copies of them are missing; a sentence each."""
    if scorer.places:
        nodes = list(dict.fromkeys(place.name for place in scorer.places))
        at_work = sum(place.works for place in scorer.places)
        more = f" and {len(nodes) - NODES_NAMED:,} more" if len(nodes) > NODES_NAMED else ""
        where = f"{', '.join(nodes[:NODES_NAMED])}{more}"
        moved = f"; {scorer.moved:,} items were asked again after their node was lost" if scorer.moved else ""
        yield f"scorer: {at_work:,} of {len(scorer.places):,} copies at work, on {where}{moved}"
    yield from (f"scorer: {trouble}" for trouble in scorer.troubles)


def _hindrances(status: FolderStatus) -> Iterator[str]:
    """What keeps seeds waiting, a sentence each and each once."""
    waiting = status.waiting_for if isinstance(status, Status) else None
    if waiting is not None:
        yield f"waiting: {waiting.reason}"
    yield from (one.sentence for one in status.stranded)
    if isinstance(status, Status):
        yield from (f"{one.sentence}; log {one.log}" for one in status.servers)
        if status.egress is not None:
            yield status.egress.sentence
        if status.scorer is not None:
            yield from scorer_away(status.scorer)
    for name, agent in status.agents.items():
        if not isinstance(agent, AgentAtWork):
            continue
        if agent.is_down:
            errors = "; ".join(one.last_error for one in agent.deployments if one.last_error)
            yield f"agent {name} is down, {agent.queued} calls wait for it: {errors}"
        for one in agent.throttled:
            waiting_calls = f"; {agent.queued} calls queue" if agent.queued else ""
            yield f"agent {name} is throttled by {in_words(one.cause)} for {duration(one.for_s)}{waiting_calls}"
    for budget in status.budgets:
        if budget.reached and not (waiting is not None and waiting.reason == budget.reached):
            yield f"budget reached: {budget.reached}"


def _show_tables(status: FolderStatus) -> None:
    budgets = [_budget_row(budget) for budget in status.budgets]
    if budgets:
        print_table("budgets", ["budget", "spent", "reserved", "of", "begins anew"], budgets)
    if status.agents:
        columns = ["agent", "calls", "cost", "per call", "unknown price"]
        if any(agent.candidates for agent in status.agents.values()):  # of Star; other recipes have none
            columns += ["candidates", "won"]
        rows = [_agent_row(name, agent)[: len(columns)] for name, agent in status.agents.items()]
        print_table("agents", columns, rows)
    print_batches(status.batches)
    at_work = [(name, agent) for name, agent in status.agents.items() if isinstance(agent, AgentAtWork)]
    if at_work:
        columns = ["agent", "failed", "seconds (p50, p95)", "in flight", "queued", "deployments"]
        print_table("agents at work", columns, [_at_work_row(name, agent) for name, agent in at_work])
    print_recipes(status.recipes, status.pools)
    print_turns(status.turns)
    if status.pairs:
        ranked = sorted(status.pairs.items(), key=lambda item: -item[1])
        rows = [[name, f"{p:.4f}", *_won(status.win_rates[name])] for name, p in ranked]
        print_table("pairs", ["pair", "probability", "answers", "won", "95 %"], rows)
    print_costs(
        (name, pair.usd, pair.candidates_of_unknown_cost, pair.usd_per_win) for name, pair in status.pair_costs.items()
    )


def _agent_row(name: str, agent: Agent) -> list[str]:
    unknown = agent.calls_of_unknown_price
    money = [usd(agent.usd), usd_each(agent.usd_per_call, unknown), f"{unknown:,}"]
    return [name, f"{agent.calls:,}", *money, f"{agent.candidates:,}", _share(agent.win_rate)]


def _at_work_row(name: str, agent: AgentAtWork) -> list[str]:
    latency = agent.latency_s
    seconds = f"{latency.p50:.2f}, {latency.p95:.2f}" if latency else "-"
    states = ", ".join(f"{one.breaker.replace('_', ' ')}, limit {one.limit}" for one in agent.deployments)
    return [name, f"{agent.failed:,}", seconds, f"{agent.in_flight:,}", f"{agent.queued:,}", states]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _budget_row(budget: BudgetState) -> list[str]:
    at = budget.resets_at
    anew = "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    amounts = (budget.spent, budget.reserved, budget.limit)
    return [budget.key, *(amount(budget.unit, value) for value in amounts), anew]

"""`status`: what a folder or a running daemon has done so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from star_agents.agents.throttle import in_words
from star_agents.cli.add import address_in, get_json
from star_agents.cli.recipe_tables import print_recipes
from star_agents.cli.tables import amount, print_costs, print_failures, print_json, print_table
from star_agents.engine.stored_status import status_of_folder
from star_agents.text.figures import duration, usd, usd_each, usd_sum
from star_agents.text.printing import say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("--url", help="Ask the daemon there instead of reading FOLDER.")
@click.option("--token-env", default="STAR_AGENTS_TOKEN", show_default=True, help="Variable that holds the token.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, url: str | None, token_env: str, as_json: bool) -> None:
    """Show seeds, calls, cost and probabilities. A running daemon is not disturbed.

    The address of a daemon may stand in the place of FOLDER.
    """
    url = url or address_in(folder)
    status = get_json(f"{url.rstrip('/')}/v1/status", token_env) if url else status_of_folder(folder)
    if as_json:
        print_json(status)
    else:
        _show(status)


def _show(status: dict[str, Any]) -> None:
    if "state" in status:
        say(f"state {status['state']}, config revision {status['revision']}")
    for problem in status.get("config_problems", []):
        say(f"agents.yaml is not in force: {problem}")
    for line in _hindrances(status):
        say(line)
    for line in _sums(status):
        say(line)
    print_failures(status.get("failures", ()), err=False)
    _show_tables(status)


def _sums(status: Mapping[str, Any]) -> Iterator[str]:
    """What was done, how fast and for how much, a line each."""
    yield "seeds: " + ", ".join(f"{count} {state}" for state, count in status["seeds"].items())
    if tied := status["referee"]["won_by_tie"]:
        yield f"  of those kept, {tied} tied with the base and won by a larger gap"
    if "rate" in status:
        rate = status["rate"]
        left = "" if rate["eta_s"] is None else f"; about {duration(rate['eta_s'])} left"
        now, overall = rate["seeds_per_minute"], rate["seeds_per_minute_overall"]
        hourly = "" if not rate["usd_per_hour"] else f", {usd_each(rate['usd_per_hour'])} an hour"
        yield f"pace: {now:.1f} seeds a minute, {overall:.1f} since the start{hourly}{left}"
    cost, calls = status["cost"], status["calls"]
    unknown = cost["calls_of_unknown_price"]
    each = f", {usd_each(cost['usd_per_sample'])} per sample, {usd_each(cost['usd_per_improved'])} per improved one"
    least = "at least " if unknown else ""
    projected = f", {least}{usd(cost['projected_usd'])} once all are done" if cost["projected_usd"] else ""
    yield f"cost: {usd_sum(cost['usd'], unknown)}{each if cost['usd'] else ''}{projected}"
    yield (
        f"calls: {calls['answered']} answered, {calls['pending']} in flight or lost, "
        f"{calls['maybe_paid_twice']} maybe paid twice"
    )
    referee, memory = status["referee"], status["memory"]
    if referee["verdicts"]:
        agreement = f"; both orders agree in {_share(referee['agreement'])}" if referee["both_orders"] else ""
        found = f"{referee['wins']} won, {referee['ties']} tied, {referee['losses']} lost"
        yield f"referee: of {referee['verdicts']} candidates against the base {found}{agreement}"
    if referee["without_verdict"]:
        yield f"referee: on {referee['without_verdict']} candidates there was no verdict, and none of them won"
    yield from _exams(referee["exam"] or {})
    if memory["hits"]:
        size = "" if memory["size"] is None else f"{memory['size']} instructions, "
        yield f"memory bank: {size}a say in {_share(memory['hit_rate'])} of the draws"
    if status["best_pair"] is not None:
        answers, won, interval = _won(status["win_rates"][status["best_pair"]])
        yield f"best pair: {status['best_pair']}, clear of all others: chosen in {won} ({interval}) of {answers}"


def _exams(exam: Mapping[str, Any]) -> Iterator[str]:
    """How each judge did in its exam, and what follows."""
    for name, one in exam.get("judges", {}).items():
        needed = f"{one['needed']} are needed"  # all that stores of before say
        share, bias = f"{one['right']} of {one['pairs']} right", f"position bias {_share(one['position_bias'])}"
        verdict = "judges all the same" if exam["mode"] == "warn" else "does not judge"
        follows = "" if one["passed"] else f"; {one.get('needs', needed)}, and it {verdict}"
        if one.get("frames"):
            bias += f", won over by {one['broken']} of {one['frames']} texts that break their frame"
        yield f"judge {name}: {share}, {one['unreadable']} unreadable, {bias}{follows}"
    for name, reason in exam.get("not_examined", {}).items():
        yield f"judge {name} could not sit its exam: {reason}"


def _won(rate: Mapping[str, Any]) -> list[str]:
    """Answers of a pair, the share of them that was chosen, and its interval."""
    interval = "-" if rate["rate"] is None else f"{rate['low']:.0%} to {rate['high']:.0%}"
    return [f"{rate['answers']:,}", _share(rate["rate"]), interval]


def _hindrances(status: Mapping[str, Any]) -> Iterator[str]:
    """What keeps seeds waiting, a sentence each and each once."""
    waiting = status.get("waiting_for")
    if waiting:
        yield f"waiting: {waiting['reason']}"
    yield from (one["sentence"] for one in status.get("stranded", ()))
    for agent, facts in status["agents"].items():
        if facts.get("is_down"):
            errors = "; ".join(one["last_error"] for one in facts["deployments"] if one["last_error"])
            yield f"agent {agent} is down, {facts['queued']} calls wait for it: {errors}"
        for one in facts.get("throttled", ()):
            waiting_calls = f"; {facts['queued']} calls queue" if facts["queued"] else ""
            yield f"agent {agent} is throttled by {in_words(one['cause'])} for {duration(one['for_s'])}{waiting_calls}"
    for budget in status["budgets"]:
        if budget["reached"] and not (waiting and waiting["reason"] == budget["reached"]):
            yield f"budget reached: {budget['reached']}"


def _show_tables(status: Mapping[str, Any]) -> None:
    budgets = [_budget_row(budget) for budget in status["budgets"]]
    if budgets:
        print_table("budgets", ["budget", "spent", "reserved", "of", "begins anew"], budgets)
    agents = status["agents"]
    if agents:
        rows = [_agent_row(name, facts) for name, facts in agents.items()]
        print_table("agents", ["agent", "calls", "cost", "per call", "unknown price", "candidates", "won"], rows)
    if at_work := [_at_work_row(name, facts) for name, facts in agents.items() if "deployments" in facts]:
        columns = ["agent", "failed", "seconds (p50, p95)", "in flight", "queued", "deployments"]
        print_table("agents at work", columns, at_work)
    pairs = sorted(status["pairs"].items(), key=lambda item: -item[1])
    print_recipes(status.get("recipes", {}), status.get("pools", {}))
    if pairs:
        rows = [[name, f"{p:.4f}", *_won(status["win_rates"][name])] for name, p in pairs]
        print_table("pairs", ["pair", "probability", "answers", "won", "95 %"], rows)
    print_costs(
        (name, facts["usd"], facts["candidates_of_unknown_cost"], facts["usd_per_win"])
        for name, facts in status["pair_costs"].items()
    )


def _agent_row(name: str, facts: Mapping[str, Any]) -> list[str]:
    unknown = facts["calls_of_unknown_price"]
    money = [usd(facts["usd"]), usd_each(facts["usd_per_call"], unknown), str(unknown)]
    return [name, str(facts["calls"]), *money, str(facts["candidates"]), _share(facts["win_rate"])]


def _at_work_row(name: str, facts: Mapping[str, Any]) -> list[str]:
    latency = facts["latency_s"]
    seconds = f"{latency['p50']:.2f}, {latency['p95']:.2f}" if latency else "-"
    states = ", ".join(f"{one['breaker'].replace('_', ' ')}, limit {one['limit']}" for one in facts["deployments"])
    return [name, str(facts["failed"]), seconds, str(facts["in_flight"]), str(facts["queued"]), states]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _budget_row(budget: Mapping[str, Any]) -> list[str]:
    resets_at = budget["resets_at"]
    anew = "never" if resets_at is None else datetime.fromtimestamp(resets_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [budget["key"], *(amount(budget["unit"], budget[name]) for name in ("spent", "reserved", "limit")), anew]

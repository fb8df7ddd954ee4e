"""`status`: what a folder or a running daemon has done so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from star_agents.commands.add import get_json
from star_agents.commands.tables import print_json, print_table, usd
from star_agents.config import Config
from star_agents.errors import StoreError
from star_agents.scheduling.policies import probabilities_of
from star_agents.status import describe
from star_agents.storage.reader import StoreReader


@click.command(short_help="Show what a folder or a running daemon has done so far.")
@click.argument("folder", type=click.Path(path_type=Path), default="star_data")
@click.option("--url", help="Ask the daemon there instead of reading FOLDER.")
@click.option("--token-env", default="STAR_AGENTS_TOKEN", show_default=True, help="Variable that holds the token.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, url: str | None, token_env: str, as_json: bool) -> None:
    """Show seeds, calls, cost and probabilities. A running daemon is not disturbed."""
    status = get_json(f"{url.rstrip('/')}/v1/status", token_env) if url else _read(folder)
    if as_json:
        print_json(status)
    else:
        _show(status)


def _read(folder: Path) -> dict[str, Any]:
    with StoreReader(folder) as reader:
        revisions, policy = reader.revisions(), reader.policy()
        if not revisions or policy is None:
            raise StoreError(f"{folder}: nothing was worked on here yet (start with `run` or `serve`)")
        config = Config.model_validate_json(revisions[-1].config)
        return describe(config, reader.counts(), reader.spend(), probabilities_of(config, policy.state))


def _show(status: dict[str, Any]) -> None:
    if "state" in status:
        click.echo(f"state {status['state']}, config revision {status['revision']}")
    for problem in status.get("config_problems", []):
        click.echo(f"agents.yaml is not in force: {problem}")
    click.echo("seeds: " + ", ".join(f"{count} {state}" for state, count in status["seeds"].items()))
    cost = status["cost"]
    limit = f" of {usd(cost['budget_usd'])}" if cost["budget_usd"] is not None else ""
    click.echo(f"cost: {usd(cost['usd'])}{limit}, {cost['calls_of_unknown_price']} calls of unknown price")
    calls = status["calls"]
    click.echo(
        f"calls: {calls['answered']} answered, {calls['pending']} in flight or lost, "
        f"{calls['maybe_paid_twice']} maybe paid twice"
    )
    agents = [[name, str(facts["calls"]), usd(facts["usd"])] for name, facts in status["agents"].items()]
    if agents:
        print_table("agents", ["agent", "calls", "cost"], agents)
    pairs = sorted(status["pairs"].items(), key=lambda item: -item[1])
    if pairs:
        print_table("pairs", ["pair", "probability"], [[name, f"{p:.4f}"] for name, p in pairs])

"""`check`: is everything there before money is spent?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio
import click

from star_agents.agents import litellm_env
from star_agents.agents.endpoints import resolve
from star_agents.agents.inspection import Inspection, inspect
from star_agents.agents.price_check import price_notes, unbounded
from star_agents.building import scorer_for
from star_agents.commands.tables import print_json, print_table
from star_agents.config import Config
from star_agents.config_file import read_config
from star_agents.errors import ScorerError
from star_agents.figures import usd
from star_agents.logs import set_up_logging
from star_agents.offline.agents import respond
from star_agents.scoring.facts import ModelFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line about anything but an agent."""

    part: str
    ok: bool
    detail: str


@click.command(short_help="Validate agents.yaml, call each agent, load the scorers.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(config_path: Path, as_json: bool) -> None:
    """Validate agents.yaml, call each agent (a few tokens each, and says what they cost), load the scorers.

    Exit code 1 if any of them fails.
    """
    set_up_logging(level="error")
    config = read_config(config_path)
    inspections, scorers = anyio.run(_look_at_everything, config)
    rest = [_configuration(config), *_prices(config), *scorers]
    if as_json:
        print_json([*map(asdict, rest), *map(_plain, inspections), _spent(inspections)])
    else:
        _show(inspections, rest)
    if any(one.problem for one in inspections) or not all(one.ok for one in rest):
        sys.exit(1)


async def _look_at_everything(config: Config) -> tuple[list[Inspection], list[Finding]]:
    embedder = config.memory.embedder
    inspections = await inspect(
        config.agents,
        embedder=embedder.removeprefix("agent:") if embedder.startswith("agent:") else None,
        longest_prompt=config.scoring.max_length,
        providers={"offline": respond},
    )
    return inspections, await _load_scorers(config)


def _show(inspections: Sequence[Inspection], rest: Sequence[Finding]) -> None:
    columns = ["agent", "", "up", "model", "price", "JSON", "context", "latency"]
    print_table("agents", columns, [_row(one) for one in inspections])
    for one in inspections:
        for line in (one.problem, *(f"agent {one.agent}: {note}" for note in one.notes)):
            if line:
                click.echo(line)
    print_table("agents.yaml and scorers", ["part", "", "detail"], [[f.part, _state(f.ok), f.detail] for f in rest])
    click.echo(_spent(inspections)["detail"])


def _row(one: Inspection) -> list[str]:
    return [
        one.agent,
        _state(not one.problem),
        "yes" if one.reachable else "no",
        {True: "known", False: "not listed", None: "unknown"}[one.model_known],
        one.price,
        "-" if one.json == "not tried" else one.json,
        "unknown" if one.context is None else f"{one.context:,}",
        "-" if one.latency_s is None else f"{one.latency_s:.2f} s",
    ]


def _plain(one: Inspection) -> dict[str, Any]:
    """An agent as JSON: what every finding has, then every field of its own."""
    return {"part": f"agent {one.agent}", "ok": not one.problem, "detail": _detail(one), **asdict(one)}


def _detail(one: Inspection) -> str:
    if one.problem:
        return "; ".join([one.problem, *one.notes])
    latency = "" if one.latency_s is None else f"{one.latency_s:.2f} s, "
    return "; ".join([f"{one.model}, {latency}{usd(one.cost_usd)}", *one.notes])


def _spent(inspections: Sequence[Inspection]) -> dict[str, Any]:
    """What the check itself cost; prices that nobody knows are named beside the sum and not counted as 0."""
    known = sum(one.cost_usd for one in inspections if one.cost_usd)
    unknown = [one.agent for one in inspections if one.cost_usd is None]
    calls = sum(one.calls for one in inspections)
    detail = f"spent {usd(known)} on {calls} calls"
    if unknown:
        detail += f", and what {', '.join(unknown)} cost, which is unknown"
    return {"part": "spent", "ok": True, "detail": detail, "calls": calls, "cost_usd": known, "unknown": unknown}


def _configuration(config: Config) -> Finding:
    pairs = f"{len(config.agents)} agents, {len(config.pool)} pairs to draw from, {len(config.base)} base"
    return Finding(part="agents.yaml", ok=True, detail=f"{pairs}; selection {config.selection}")


def _prices(config: Config) -> list[Finding]:
    """Whether every budget can hold, and what is assumed of prices."""
    endpoints = resolve(litellm_env.load, config.agents, os.environ, {"offline": respond})
    problems = [Finding(part="budgets", ok=False, detail=str(one)) for one in unbounded(config, endpoints)]
    return problems + [Finding(part="prices", ok=True, detail=note) for note in price_notes(config, endpoints)]


async def _load_scorers(config: Config) -> list[Finding]:
    scorer = scorer_for(config)
    if scorer is None:
        return []
    try:
        async with scorer:
            facts = scorer.describe()
    except ScorerError as error:
        return [Finding(part="scorers", ok=False, detail=str(error))]
    models = {"scorer small": facts.small, "scorer large": facts.large}
    found = [Finding(part=part, ok=True, detail=_model(model)) for part, model in models.items() if model is not None]
    if facts.same_tokenizer is False:
        detail = "small and large have different tokenizers: their IFDs are means over different tokens"
        found.append(Finding(part="scorers", ok=True, detail=detail))
    return found


def _model(model: ModelFacts) -> str:
    size = f"{model.parameters / 1e6:,.2f} M parameters"
    slower = f"; slower than it could be, {model.forward} ({model.forward_because})" if model.forward_because else ""
    return f"{model.model}, {size}, {model.dtype} on {model.device}, up to {model.max_length} tokens{slower}"


def _state(ok: bool) -> str:
    return "ok" if ok else "FAILED"

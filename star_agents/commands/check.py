"""`check`: is everything there before money is spent?"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import anyio
import click

from star_agents.agents.client import AgentClient
from star_agents.building import scorer_for
from star_agents.commands.tables import print_json, print_table, usd
from star_agents.config import Config
from star_agents.config_file import read_config
from star_agents.errors import ScorerError, StarAgentsError
from star_agents.logs import set_up_logging
from star_agents.offline.agents import respond
from star_agents.records import Message
from star_agents.scoring.facts import ModelFacts

QUESTION = "Answer with one short sentence: why is the sky blue?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the table."""

    part: str
    ok: bool
    detail: str


@click.command(short_help="Validate agents.yaml, call each agent once, load the scorers.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(config_path: Path, as_json: bool) -> None:
    """Validate agents.yaml, call each agent once (a few tokens each), load the scorers. Exit code 1 if any fails."""
    set_up_logging(level="error")
    config = read_config(config_path)
    findings = [_configuration(config), *anyio.run(_look_at_everything, config)]
    if as_json:
        print_json([{"part": one.part, "ok": one.ok, "detail": one.detail} for one in findings])
    else:
        print_table("check", ["part", "", "detail"], [[f.part, "ok" if f.ok else "FAILED", f.detail] for f in findings])
    if not all(one.ok for one in findings):
        sys.exit(1)


def _configuration(config: Config) -> Finding:
    pairs = f"{len(config.agents)} agents, {len(config.pool)} pairs to draw from, {len(config.base)} base"
    return Finding(part="agents.yaml", ok=True, detail=f"{pairs}; selection {config.selection}")


async def _look_at_everything(config: Config) -> list[Finding]:
    findings: dict[str, Finding] = {}
    client = AgentClient(config.agents, providers={"offline": respond})
    try:
        async with anyio.create_task_group() as tasks:
            for name in config.agents:
                tasks.start_soon(_call_once, client, config, name, findings)
    finally:
        await client.aclose()
    return [*(findings[name] for name in config.agents), *await _load_scorers(config)]


async def _call_once(client: AgentClient, config: Config, name: str, findings: dict[str, Finding]) -> None:
    part, started = f"agent {name}", time.monotonic()
    try:
        if config.memory.embedder == f"agent:{name}":
            detail = f"embeds in {len((await client.embed(name, [QUESTION]))[0])} dimensions"
        else:
            reply = await client.ask(name, [Message(role="user", content=QUESTION)], max_tokens=64)
            detail = f"{reply.model}, {reply.completion_tokens} tokens, {usd(reply.cost_usd)}"
    except StarAgentsError as error:
        findings[name] = Finding(part=part, ok=False, detail=str(error))
    else:
        findings[name] = Finding(part=part, ok=True, detail=f"{detail}, {time.monotonic() - started:.2f} s")


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
    return f"{model.model}, {size}, {model.dtype} on {model.device}, up to {model.max_length} tokens"

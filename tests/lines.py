"""Configs, seeds and whole runs for the tests of the line."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.config.star import StarConfig
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.engine.engine import Engine
from star_agents.engine.host import Host
from star_agents.events import SeedsAdded
from star_agents.records import Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

os.environ["LINE_TEST_KEY"] = "sk-line-test"


def agents_yaml(url: str, *, agents: Sequence[str] = ("a", "b", "c"), per_agent: str = "", replaced: str = "") -> str:
    """Agents on a test server, every one responding with `keep`, `a` refereeing without an exam, no scorer.

    ``per_agent`` is added to each agent; ``replaced`` is YAML whose top-level keys take the place of these, those of
    recipe `star` in its section.
    """
    lines = [
        f"  {name}: {{model: openai/{name}, api_base: '{url}', api_key: os.environ/LINE_TEST_KEY{per_agent}}}"
        for name in agents
    ]
    pairs = [f"  - {{instruction: keep, response: {name}}}" for name in agents]
    rest = ["referee: {agents: [a], exam: 'off'}", "selection: referee", "candidates: 2"]
    keys = yaml.safe_load("\n".join(["agents:", *lines, "pairs:", *pairs, *rest])) | (yaml.safe_load(replaced) or {})
    star = {key: keys.pop(key) for key in list(keys) if key in StarConfig.model_fields}
    return yaml.safe_dump({**keys, "star": star}, sort_keys=False)


def config_for(url: str, **options: Any) -> Config:
    """The same, checked."""
    return parse_config(agents_yaml(url, **options))


def seeds(count: int) -> list[Seed]:
    """Distinct seeds with a response."""
    return [
        Seed.of(
            Sample(instruction=f"What is {number} plus one?", response=f"It is {number + 1}."), source=f"s:{number}"
        )
        for number in range(count)
    ]


async def run(config: Config, some: list[Seed], out: Path, *, retry_dropped: bool = False) -> BatchResult:
    """One batch, without a progress bar."""
    host = Host(retry_option="--retry-dropped")
    return await run_batch(config, some, "test", out, retry_dropped=retry_dropped, console=None, host=host)


def results(out: Path) -> list[Result]:
    """Every finished seed of a folder."""
    with StoreReader(out) as reader:
        return list(reader.results())


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def origin(row: dict[str, Any]) -> dict[str, Any]:
    """Where a row of a dataset comes from, which stands in it as JSON text."""
    found: dict[str, Any] = json.loads(row["provenance"])
    return found


async def take_in_seeds(line: Engine, some: Sequence[Seed], source: str) -> tuple[int, int]:
    """Seeds for a line at work; how many were new, and how many were known already."""
    new, duplicates = await line.store.add_seeds(some)
    line.bus.publish(SeedsAdded(source=source, new=new, duplicates=duplicates))
    line.queue.wake()
    return new, duplicates

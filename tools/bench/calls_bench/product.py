"""The product as its user runs it: a seed file, a generated agents.yaml, `star-agents run`.

Two jobs. ``four``: each seed is answered by a base agent and by three of a pool of four, and the referee, in one order,
compares the first of the three with the base; it always wins, so a seed is four candidates and one judgement, five
requests, one candidate each. ``one``: each seed is answered by the base agent alone, one request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from calls_bench.provider import FakeProvider
from calls_bench.seeds import seed_rows
from calls_bench.watching import Watched, watch

KEY = "BENCH_KEY"
MODEL = "openai/gpt-4o-mini"
Form = Literal["openai", "anthropic"]
MODELS: Mapping[Form, tuple[str, str]] = {"openai": (MODEL, "/v1"), "anthropic": ("anthropic/claude-haiku-4-5", "")}
"""By the protocol of its provider: a model, and what stands behind its server's address."""
Transport = Literal["auto", "litellm"]
CALLS = {"four": 5, "one": 1}
SEEDS_PER_CALL_IN_FLIGHT = {"four": 0.5, "one": 1.0}
"""A seed of four writes four answers at once and then waits for one judgement: 2.5 in flight while calls take equally
long. Rounded up, so that there is always one waiting."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run of the product."""

    seeds: int
    in_flight: int
    shape: Literal["four", "one"] = "four"
    transport: Transport = "auto"
    form: Form = "openai"
    deployments: int = 1
    """Of each agent."""
    agent: Mapping[str, Any] | None = None
    """Further keys of every agent."""
    top: Mapping[str, Any] | None = None
    """Further keys of agents.yaml."""

    @property
    def calls(self) -> int:
        """That a clean run sends."""
        return self.seeds * CALLS[self.shape]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where things are run."""

    product: Path
    """Checkout of the product."""
    folder: Path
    """For whatever a run writes."""
    core: int
    """The one core that what is measured may use."""


def agents_yaml(job: Job, url: str) -> dict[str, Any]:
    """The configuration; keys that the checkout under test does not know yet are left out when it is written."""
    names = ["base", "a", "b", "c", "d", "judge"] if job.shape == "four" else ["base"]
    common = {"max_concurrency": job.in_flight, "transport": job.transport, **(job.agent or {})}

    def endpoint(name: str, index: int) -> dict[str, Any]:
        key = f"os.environ/{_key(index, job.deployments)}"
        model, path = MODELS[job.form]
        return {"model": model, "api_base": f"{url}/{name}{index}{path}", "api_key": key}

    def agent(name: str) -> dict[str, Any]:
        roles: dict[str, Any] = {"roles": []} if name == "judge" else {}
        if job.deployments == 1:
            return {**endpoint(name, 0), **common, **roles}
        return {"deployments": [endpoint(name, index) for index in range(job.deployments)], **common, **roles}

    star: dict[str, Any] = {
        "base_pairs": [{"instruction": "keep", "response": "base"}],
        "selection": "referee" if job.shape == "four" else "base",
    }
    if job.shape == "four":
        star["pairs"] = [{"instruction": "keep", "response": name} for name in "abcd"]
        star["candidates"] = 3
        star["referee"] = {"agents": ["judge"], "orders": "one", "exam": "off"}
    return {
        "agents": {name: agent(name) for name in names},
        "star": star,
        "concurrency": max(1, round(job.in_flight * SEEDS_PER_CALL_IN_FLIGHT[job.shape])),
        "max_in_flight": job.in_flight,
        **(job.top or {}),
    }


def write_config(path: Path, job: Job, url: str, product: Path) -> None:
    """agents.yaml of a job, as this checkout reads it."""
    path.write_text(yaml.safe_dump(_known(agents_yaml(job, url), product)), "utf-8")


def run(
    job: Job,
    provider: FakeProvider,
    place: Place,
    settings: Mapping[str, Any],
    *,
    name: str,
    tick_s: float | None = None,
    pss: bool = False,
) -> Watched:
    """Run a job under the provider's ``settings``; its folder is ``place.folder / name``.

    Args:
        tick_s: Run the same batch function inside ``driver.py``, which looks at its event loop that often.
    """
    folder = place.folder / name
    folder.mkdir(parents=True)
    config, seeds, out = folder / "agents.yaml", folder / "seeds.jsonl", folder / "out"
    write_config(config, job, provider.url, place.product)
    seeds.write_text("".join(json.dumps(row) + "\n" for row in seed_rows(job.seeds)), "utf-8")
    options = ["-c", str(config), "-s", str(seeds), "-o", str(out)]
    command = (
        [sys.executable, "-m", "star_agents", "run", *options, "--json", "-q"]
        if tick_s is None
        else [sys.executable, "-m", "calls_bench.driver", *options, "--tick", str(tick_s)]
    )
    provider.reset(settings)
    env = environment(place.product, job.deployments)
    found = watch(command, provider, cwd=place.product, folder=folder, env=env, core=place.core, pss=pss)
    if found.returncode not in (0, 4):
        sys.exit(f"{name}: exit code {found.returncode}\n{found.out[-2000:]}\n{found.errors[-4000:]}")
    return found


def environment(product: Path, deployments: int = 1) -> dict[str, str]:
    """Of a client: the checkout's own code, a key for each deployment, nothing fetched from the network."""
    keys = {_key(index, deployments): f"bench-key-{index:04}" for index in range(deployments)}
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
    return {**os.environ, **local, **keys, "PYTHONPATH": f"{product}:{product / 'tools' / 'bench'}"}


def _key(index: int, deployments: int) -> str:
    return KEY if deployments == 1 else f"{KEY}_{index}"


def _known(config: dict[str, Any], product: Path) -> dict[str, Any]:
    """The keys that this checkout knows, where it looks for them: an older one can be measured too.

    Star's keys stood at the top before they had a section. None of them may be lost: the job would be another one.
    """
    top, agent = _keys(product)
    if "star" not in top:
        config = {**{key: value for key, value in config.items() if key != "star"}, **config["star"]}
    agents = {name: {k: v for k, v in facts.items() if k in agent} for name, facts in config["agents"].items()}
    return {key: value for key, value in {**config, "agents": agents}.items() if key in top}


@cache
def _keys(product: Path) -> tuple[frozenset[str], frozenset[str]]:
    code = (
        "import json; from star_agents.config.models import AgentConfig, Config; "
        "print(json.dumps([list(Config.model_fields), list(AgentConfig.model_fields)]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=product, env=environment(product), check=True, capture_output=True, text=True
    )
    top, agent = json.loads(found.stdout)
    return frozenset(top), frozenset(agent)

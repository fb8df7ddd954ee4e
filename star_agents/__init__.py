"""star_agents: many LLM agents turn a seed dataset into a better one for your target model.

    import star_agents as sa

    result = sa.run("agents.yaml", seeds, out="out")        # in scripts and notebooks; Ctrl-C loses nothing
    result = await sa.arun("agents.yaml", seeds, out="out")
    async for outcome in sa.stream("agents.yaml", seeds, out="out"): ...
    scored = sa.score(rows, small="offline/small", large="offline/large")
    await sa.serve("agents.yaml", "star_data")
    sa.push("out", "user/name", license="cc-by-4.0")         # sa.card("out") is the preview
    sa.train("out", model="./my-model", out="trained")
    sa.evaluate("agents.yaml", models=["a", "b"], questions="mt_bench", judge="gpt", out="eval")
    sa.rounds("agents.yaml", seeds, out="rounds", rounds=3)

``seeds`` and ``rows`` are a path, a list of dicts, of ``Sample`` or ``Seed``, a `datasets.Dataset` or a DataFrame.
Whatever goes wrong is raised as a ``StarAgentsError``.

Importing the package loads neither torch nor litellm nor aiohttp: a name loads what stands behind it when it is first
used, and a heavy library loads in the room that is its home, when that room is built.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from star_agents import errors
    from star_agents.api.evaluate import evaluate
    from star_agents.api.publish import card, push
    from star_agents.api.result import Folder, RunResult, StoppedEarly
    from star_agents.api.rounds import rounds
    from star_agents.api.run import arun, run
    from star_agents.api.score import score
    from star_agents.api.serve import serve
    from star_agents.api.stream import OutcomeStream, stream
    from star_agents.api.train import train
    from star_agents.config.models import Config
    from star_agents.errors import (
        AgentError,
        ConfigError,
        HubError,
        Problem,
        ScorerError,
        SeedFileError,
        StarAgentsError,
        StoreError,
        StoreLocked,
        UsageError,
    )
    from star_agents.recipes.protocol import recipe
    from star_agents.records import Document, Message, Outcome, Sample, Score, Seed

__version__ = "0.1.0"

__all__ = [
    "AgentError",
    "Config",
    "ConfigError",
    "Document",
    "Folder",
    "HubError",
    "Message",
    "Outcome",
    "OutcomeStream",
    "Problem",
    "RunResult",
    "Sample",
    "Score",
    "ScorerError",
    "Seed",
    "SeedFileError",
    "StarAgentsError",
    "StoppedEarly",
    "StoreError",
    "StoreLocked",
    "UsageError",
    "arun",
    "card",
    "errors",
    "evaluate",
    "push",
    "recipe",
    "rounds",
    "run",
    "score",
    "serve",
    "stream",
    "train",
]

_HOMES = {
    "api.evaluate": ("evaluate",),
    "api.publish": ("card", "push"),
    "api.result": ("Folder", "RunResult", "StoppedEarly"),
    "api.rounds": ("rounds",),
    "api.run": ("arun", "run"),
    "api.score": ("score",),
    "api.serve": ("serve",),
    "api.stream": ("OutcomeStream", "stream"),
    "api.train": ("train",),
    "config.models": ("Config",),
    "errors": (
        "AgentError",
        "ConfigError",
        "HubError",
        "Problem",
        "ScorerError",
        "SeedFileError",
        "StarAgentsError",
        "StoreError",
        "StoreLocked",
        "UsageError",
    ),
    "recipes.protocol": ("recipe",),
    "records": ("Document", "Message", "Outcome", "Sample", "Score", "Seed"),
}
"""Module to the names that are loaded from it (PEP 562)."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("star_agents.errors")
    if (home := _HOME_OF.get(name)) is None:
        raise AttributeError(f"module 'star_agents' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"star_agents.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Models that a command names by their folders become agents of this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from star_agents.config.models import AGENT_NAME, AgentConfig, Config
from star_agents.engine.local_agents import PREFIX


def with_local_models(config: Config, named: Sequence[str]) -> tuple[Config, list[str]]:
    """The config with an agent more for each of these that is no agent of it but a folder, and the names of all.

    An agent of a folder is called as the folder is, with a number behind where that is taken. What is neither is left
    for whoever checks the names.
    """
    agents, names = dict(config.agents), list[str]()
    for one in named:
        if one in agents or not Path(one).is_dir():
            names.append(one)
            continue
        name = _free(one, agents)
        agents[name] = AgentConfig(model=f"{PREFIX}/{Path(one).resolve()}")
        names.append(name)
    return config.model_copy(update={"agents": agents}), names


def _free(folder: str, taken: dict[str, AgentConfig]) -> str:
    called = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(folder).resolve().name).strip("-._")[:60]
    name = called if AGENT_NAME.fullmatch(called) else "local"
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)

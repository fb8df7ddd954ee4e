"""agents.yaml as a step of a campaign works under it: the newest target in its place, its part, thresholds, budgets.

The file itself is never changed. Budgets hold over all stores of a campaign: what one of them has taken is taken off
what the others may.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from star_agents.agents.budget_ledger import DAY_S
from star_agents.config.base import BudgetSettings
from star_agents.config.models import AgentConfig, Config
from star_agents.config.reading import DERIVED
from star_agents.config.rounds import RoundsConfig
from star_agents.engine.campaign.plan import Plan, Step, of_round, rounds_of
from star_agents.engine.local_agents import PREFIX
from star_agents.engine.offline_arena import config_for_arena
from star_agents.errors import UsageError
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Taken
from star_agents.storage.store import STORE_FILE

RUNNING_FILE = "running.yaml"
SERVED = "hosted_vllm"
"""LiteLLM's provider of a server that speaks OpenAI's protocol."""
_ARENA = "arena"


class Target(NamedTuple):
    """A model that may take the target's place."""

    name: str
    """``base``, or that of the step that trained it."""
    model: str
    """Folder, or name on the hub."""
    address: str = ""
    """Of the server that serves it, as ``http://127.0.0.1:PORT``; empty: it answers through Transformers."""
    served_as: str = ""
    """What the server calls it."""


def player_name(settings: RoundsConfig, name: str) -> str:
    """What a target is called among the players of an exam."""
    return f"{settings.target.agent}-{name}"


def target_agent(config: Config, target: Target) -> AgentConfig:
    """The target's agent, as agents.yaml has it but for the model and where it is."""
    settings = rounds_of(config).target
    made = config.agents.get(settings.agent, AgentConfig(model=f"{PREFIX}/x", roles=()))
    if not target.address:
        place = {"model": f"{PREFIX}/{target.model}", "api_base": None}
    else:
        provider = (made.model or "").partition("/")[0]
        provider = SERVED if provider in ("", PREFIX, "offline") else provider
        place = {"model": f"{provider}/{target.served_as}", "api_base": f"{target.address}/v1"}
    return made.model_copy(update={**place, "serve": None, "deployments": ()})  # What serves it is the rounds'.


def with_target(config: Config, target: Target) -> Config:
    """The config with a model in the target's place: as the agent, and as the small scorer where it was that one."""
    settings = rounds_of(config).target
    changed: dict[str, Any] = {"agents": {**config.agents, settings.agent: target_agent(config, target)}}
    if config.scoring.small == settings.model:
        changed["scoring"] = config.scoring.model_copy(update={"small": target.model})
    return config.model_copy(update=changed)


def data_config(config: Config, plan: Plan, step: Step, target: Target) -> Config:
    """The config under which the recipe works the part of a step."""
    changed: dict[str, Any] = {"parts": plan.parts.model_copy(update={"only": (step.part,)}), "rounds": None}
    if (arena := getattr(config, _ARENA, None)) is not None and step.stage is not None:
        keep = rounds_of(config).keep
        sft, preference = of_round(keep.sft, step.round), of_round(keep.preference, step.round)
        own = arena.keep.model_copy(update={"sft": sft, "preference": preference})
        changed[_ARENA] = arena.model_copy(update={"keep": own})
    return with_target(config, target).model_copy(update=changed)


def players_of(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Opponents and judges of an exam.

    Raises:
        UsageError: nobody says who.
    """
    settings = rounds_of(config)
    arena = getattr(config, _ARENA, None)
    opponents = settings.exam.opponents or (() if arena is None else arena.opponents)
    judges = settings.exam.judges or (() if arena is None else arena.judges)
    missing = [name for name, found in (("opponents", opponents), ("judges", judges)) if not found]
    if missing:
        fix = "name them, or set `share: 0` for no exam"
        raise UsageError(f"agents.yaml: rounds.exam: {' and '.join(missing)} of the exam are not told; {fix}")
    return tuple(one for one in opponents if one != settings.target.agent), tuple(judges)


def exam_config(config: Config, target: Target, *, where: str) -> Config:
    """The config under which a target meets the opponents, and every target before it, over the prompts of the exam."""
    settings = rounds_of(config)
    opponents, judges = players_of(config)
    name = player_name(settings, target.name)
    placed = with_target(config, target)
    agents = {**placed.agents, name: placed.agents[settings.target.agent]}
    held = placed.model_copy(update={"agents": agents, "rounds": None, "parts": None})
    return config_for_arena(held, [*opponents, name], judges, where=where)


def most_taken(folders: Sequence[Path], since: float | None = None) -> dict[str, Taken]:
    """The most that each agent's calls took in these stores, in all or since a moment."""
    found: dict[str, Taken] = {}
    for folder in folders:
        if not (folder / STORE_FILE).is_file():
            continue
        with StoreReader(folder) as reader:
            for agent, one in reader.taken(since).items():
                found[agent] = _sum([found.get(agent, Taken(0.0, 0, 0)), one])
    return found


def with_budgets_left(config: Config, here: Path, elsewhere: Sequence[Path], players: Mapping[str, str]) -> Config:
    """The config whose budgets are what the campaign has left of them, apart from what the step's own store counts.

    Args:
        config: Of a step.
        here: Folder of its store.
        elsewhere: Folders of the other stores.
        players: Name of a target in an exam to that of the agent whose budget it shares.
    """
    if not config.budgets and not any(agent.budgets for agent in config.agents.values()):
        return config
    today = time.time() // DAY_S * DAY_S
    life, day = ((most_taken([here], since), most_taken(elsewhere, since)) for since in (None, today))
    agents = {
        name: _left(agent, *(_of_agent(name, *taken, players) for taken in (life, day)))
        for name, agent in config.agents.items()
    }
    left: Config = _left(config, _sum(life[1].values()), _sum(day[1].values()))
    return left.model_copy(update={"agents": agents})


def _of_agent(
    name: str, here: Mapping[str, Taken], elsewhere: Mapping[str, Taken], players: Mapping[str, str]
) -> Taken:
    """What others under its budget took here, and all of them elsewhere."""
    owner = players.get(name, name)
    return _sum(
        one
        for store in (here, elsewhere)
        for other, one in store.items()
        if players.get(other, other) == owner and not (store is here and other == name)
    )


def _sum(taken: Iterable[Taken]) -> Taken:
    found = Taken(0.0, 0, 0)
    for one in taken:
        found = Taken(found.usd + one.usd, found.calls + one.calls, found.tokens + one.tokens)
    return found


def _left(settings: Any, life: Taken, day: Taken) -> Any:
    """Settings with budgets less what was taken; never below 0."""
    changed: dict[str, float] = {}
    for key, amount in settings.budgets.items():
        taken = day if key.endswith("_per_day") else life
        unit = key.removeprefix("budget_").removesuffix("_per_day")
        changed[key] = max(0, amount - getattr(taken, unit))
    assert changed.keys() <= BudgetSettings.model_fields.keys()
    return settings.model_copy(update=changed) if changed else settings


def keep_running(config: Config, folder: Path, beside: Path) -> None:
    """Write the config in force into a folder, to be read by people and by `serve -c`; paths that began ``beside``
    agents.yaml lead there from it, too."""
    data = config.model_dump(mode="json", exclude_unset=True)
    if prompts := data.get("prompts"):
        data["prompts"] = {name: str((beside / path).resolve()) for name, path in prompts.items()}
    if (evaluation := data.get("evaluation")) and evaluation.get("questions"):
        evaluation["questions"] = str((beside / evaluation["questions"]).resolve())
    kept = {name: value for name, value in data.items() if name not in DERIVED and value is not None}
    head = "# agents.yaml as the newest step of these rounds works under it; made anew by each, edits are lost.\n"
    with atomic_file(folder / RUNNING_FILE) as handle:
        handle.write((head + yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)).encode("utf-8"))

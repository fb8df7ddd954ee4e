"""agents.yaml as models meet under it on a test set: everybody meets everybody, and nobody learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from star_agents.config.models import Config
from star_agents.engine.derived_config import with_recipe
from star_agents.errors import UsageError
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE

RECIPE = "arena"


def config_for_arena(config: Config, models: Sequence[str], judges: Sequence[str], *, where: str) -> Config:
    """The same agents, budgets and limits for a round robin of some of them; how judges are asked is as the config's
    own section has it, where there is one.

    Raises:
        ConfigError: somebody is no agent, is named twice, or has nobody to meet.
    """
    meets = {"target": None, "opponents": list(models), "opponents_per_seed": None, "mode": "round_robin"}
    # Whoever is named later meets those who were there, in the same folder.
    section = {**meets, "judges": list(judges), "catch_up": True}
    made = with_recipe(config, RECIPE, section, where=where)
    return made.model_copy(update={"memory": made.memory.model_copy(update={"enabled": False})})


def refuse_other_arena(out: Path, models: Sequence[str], judges: Sequence[str]) -> None:
    """Refuse a folder in which somebody met who is not named now, or who others judged: what is finished there stays.

    Raises:
        UsageError: who met there, or who judged.
    """
    if not (out / STORE_FILE).is_file():
        return
    with StoreReader(out) as reader:
        result = next(reader.results(), None)
    if result is None:
        return
    met = {one.arm for one in result.outcome.trials}
    judged = {one.judge for one in result.outcome.judgements if one.judge}
    fix = "name another -o; `elo` rates the models of several folders together"
    if gone := sorted(met - set(models)):
        raise UsageError(f"in {out}, {', '.join(gone)} met others, and --models does not name them; {fix}")
    if not judged <= set(judges):
        raise UsageError(f"{out} was judged by {', '.join(sorted(judged))}, not by {', '.join(judges)}; {fix}")

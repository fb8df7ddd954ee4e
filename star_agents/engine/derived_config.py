"""agents.yaml with another recipe in the place of its own: the same agents, budgets, limits and scorers."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from star_agents.config.base import BudgetSettings, Section
from star_agents.config.models import Config
from star_agents.config.prompt_files import JUDGING
from star_agents.config.reading import DERIVED
from star_agents.config.recipes import Declared, config_model
from star_agents.engine.configuration import check_config
from star_agents.errors import UsageError

_LEFT_OUT = (*DERIVED, "prompts", "parts", "target_rows", "quota", "rounds")
"""Which parts of its seeds a config works says nothing of other seeds, nor how many rows they are to give, nor who is
trained on them."""
_KEPT = (
    *BudgetSettings.model_fields,
    *("agents", "unknown_prices", "concurrency", "max_in_flight", "random_seed", "failure_limits", "server"),
)
"""Of agents.yaml: whom to ask and for how much. What seeds and rows go through is not for those of a command."""


def for_command(
    config: Config,
    name: str,
    section: type[Section],
    settings: Mapping[str, Any],
    *,
    prompt_texts: Mapping[str, str] | None = None,
    scores: bool = False,
    allow_cut: Collection[str] = (),
) -> Config:
    """The agents.yaml of a command whose recipe nobody names: agents, budgets and limits of this one.

    Args:
        config: A checked one.
        name: Of the recipe.
        section: What its settings are.
        settings: These, as plain data.
        prompt_texts: Templates of the user's own.
        scores: Whether its section of scorers holds as well, as for models that run here.
        allow_cut: Agents whose replies are taken however they ended.

    Raises:
        UsageError: it cannot be used so.
    """
    named = (*_KEPT, *(("scoring",) if scores else ()))
    kept = {key: one for key, one in config.model_dump(mode="json").items() if key in named}
    kept["agents"] = {
        agent: {**one, "allow_cut": True} if agent in allow_cut else one for agent, one in kept["agents"].items()
    }
    model = config_model([Declared(name=name, kept=name, section=section)])
    memory = {"enabled": False}
    data = {**kept, "recipe": [name], name: settings, "memory": memory, "prompt_texts": dict(prompt_texts or {})}
    try:
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:  # Each part was checked before: only a part that is new here can be at fault.
        told = error.errors(include_url=False)[0]
        field = ".".join(map(str, told["loc"]))
        raise UsageError(f"agents.yaml cannot be used for this: {field}: {told['msg']}") from None


def with_recipe(config: Config, recipe: str, section: Mapping[str, Any], *, where: str, **changed: Any) -> Config:
    """The same config for one built-in recipe.

    Args:
        config: A checked one. Sections of its own recipes are left out, but for what it says of ``recipe`` itself.
        recipe: Whose seeds are worked.
        section: Settings of it, beside those that the config has, and before them.
        where: Names the config in messages.
        changed: Other keys of the top that are different.

    Raises:
        ConfigError: it cannot work so, such as for an agent that there is not.
    """
    data = config.model_dump(mode="json", exclude_unset=True)
    kept = {name: data[name] for name in Config.model_fields if name in data and name not in _LEFT_OUT}
    own = {**data.get(recipe, {}), **section}
    made = check_config({**kept, **changed, "recipe": recipe, recipe: own}, os.environ, where=where)
    # The files of prompts are read already, and where they lie is not known any more.
    used = {name for name in config.prompt_texts if name.partition("/")[0] in (recipe, JUDGING)}
    return made.model_copy(
        update={
            "prompts": {name: config.prompts[name] for name in used},
            "prompt_texts": {name: config.prompt_texts[name] for name in used},
        }
    )

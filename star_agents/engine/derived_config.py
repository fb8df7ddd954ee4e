"""agents.yaml with another recipe in the place of its own: the same agents, budgets, limits and scorers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from star_agents.config.models import Config
from star_agents.config.prompt_files import JUDGING
from star_agents.config.reading import DERIVED
from star_agents.engine.configuration import check_config

_LEFT_OUT = (*DERIVED, "prompts", "parts")
"""Which parts of its seeds a config works says nothing of other seeds."""


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

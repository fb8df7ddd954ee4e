"""`recipes`: what turns seeds into data here, and what each of them can be told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from star_agents.cli.tables import print_json
from star_agents.engine.configuration import read_config
from star_agents.errors import RecipeError
from star_agents.recipes.protocol import Recipe
from star_agents.recipes.registry import CHAINS, absolute, find_recipe, known_recipes, spelled_out
from star_agents.text.plain_data import json_text
from star_agents.text.printing import say


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME | FILE.py:NAME]...")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), help="Those that this agents.yaml names."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(names: Sequence[str], config_path: Path | None, as_json: bool) -> None:
    """List recipes: built in, of installed packages, or of files of your own.

    A recipe of your own is one file; star_agents/recipes/README.md tells how it is written.
    """
    wanted = [absolute(name, Path.cwd()) for name in names]
    if config_path is not None:
        wanted += read_config(config_path).recipe
    chains = {name: one for name, one in CHAINS.items() if name in wanted or not wanted}
    found = [find_recipe(name) for name in dict.fromkeys(spelled_out(wanted))] if wanted else known_recipes()
    if as_json:
        print_json({"recipes": [_described(one) for one in found if not isinstance(one, RecipeError)]})
        return
    for one in found:
        if isinstance(one, RecipeError):
            say(f"cannot be used: {one}", err=True)
        else:
            _show(one)
    for name, chain in chains.items():
        say(f"{name}  (short for [{', '.join(chain)}])")


def _show(recipe: Recipe[Any]) -> None:
    facts = _described(recipe)
    gives = f"; gives {', '.join(facts['gives'])} to the next one" if facts["gives"] else ""
    say(f"{recipe.name}  ({recipe.origin}; takes {', '.join(facts['takes'])}{gives})")
    say(f"    {recipe.summary}")
    for title in ("settings", "measures", "pools"):
        for name, told in facts[title].items():
            say(f"    {title[:-1]:<8} {name}: {told}")


def _described(recipe: Recipe[Any]) -> dict[str, Any]:
    defaults = recipe.settings.model_construct().model_dump(
        mode="json", exclude_none=True, warnings=False, fallback=str
    )
    return {
        "name": recipe.name,
        "origin": recipe.origin,
        "takes": sorted(recipe.takes),
        "gives": sorted(recipe.gives),
        "summary": recipe.summary,
        "settings": {
            name: f"{' '.join((field.description or '').split())} [{_default(field, defaults.get(name))}]".lstrip()
            for name, field in recipe.settings.model_fields.items()
            if name not in getattr(recipe.settings, "derived", ())
        },
        "measures": {
            one.name: f"{one.low:g} to {one.high:g}"
            + (f", {one.better} is better" if one.better else "")
            + (f": {one.what}" if one.what else "")
            for one in recipe.measures
        },
        "pools": {
            name: "made of settings and agents" if callable(arms) else ", ".join(arms)
            for name, arms in recipe.pools.items()
        },
    }


def _default(field: Any, value: Any) -> str:
    """As agents.yaml would have it."""
    if field.is_required():
        return "required"
    if value is None:
        return "may be left out"
    return f"default {value if isinstance(value, str) else json_text(value)}"

"""`init`: write a commented agents.yaml."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from star_agents.errors import UsageError
from star_agents.text.printing import say

STAR = "star"
FOLDER = "recipes/configs"
"""Where those of other recipes lie, by name."""


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default="agents.yaml")
@click.option("--recipe", default=STAR, show_default=True, help="Write one that works by another recipe.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(path: Path, recipe: str, force: bool) -> None:
    """Write a commented agents.yaml that runs as it is, on offline sample agents."""
    text = _text_for(recipe)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    say(f"wrote {path}; next: python -m star_agents check -c {path}")


def _text_for(recipe: str) -> str:
    package = resources.files("star_agents")
    found = {Path(one.name).stem: one for one in package.joinpath(FOLDER).iterdir() if one.name.endswith(".yaml")} | {
        STAR: package.joinpath("agents.template.yaml")
    }
    if recipe not in found:
        there = ", ".join(sorted(found))
        raise UsageError(f"there is no agents.yaml to start from for recipe {recipe!r}; there are: {there}")
    return found[recipe].read_text(encoding="utf-8")

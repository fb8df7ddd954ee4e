"""`init`: write a commented agents.yaml."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from star_agents.errors import UsageError
from star_agents.text.printing import say

TEMPLATE = "agents.template.yaml"


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default="agents.yaml")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(path: Path, force: bool) -> None:
    """Write a commented agents.yaml that runs as it is, on offline sample agents."""
    text = resources.files("star_agents").joinpath(TEMPLATE).read_text(encoding="utf-8")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    say(f"wrote {path}; next: python -m star_agents check -c {path}")

"""`migrate-config`: agents.yaml with each key in the section of its recipe."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import click

from star_agents.config.migrating import CannotMigrate, migrate_text
from star_agents.config.yaml_core import YamlError
from star_agents.config.yaml_files import read_text
from star_agents.errors import ConfigError, Problem, UsageError
from star_agents.text.printing import printable, say


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default="agents.yaml")
@click.option("--write", is_flag=True, help="Rewrite the file itself, and keep a copy of it beside it.")
def command(path: Path, write: bool) -> None:
    """Print agents.yaml with each key in the section of its recipe: comments, order and quotes stay as they are.

    What comes of it is read again before it is shown; a file that cannot be rewritten safely is left as it is, and why
    is said.
    """
    text = read_text(path, if_missing="write one with: python -m star_agents init")
    try:
        made = migrate_text(text)
    except YamlError as error:
        place = f"{path.name}:{error.line}" if error.line else path.name
        raise ConfigError([Problem(where=place, field="", message=str(error), fix=error.fix)]) from None
    except CannotMigrate as error:
        fix = "move the keys by hand: `check` names each with its new place"
        raise ConfigError(
            [Problem(where=path.name, field="", message=f"cannot be rewritten: {error}", fix=fix)]
        ) from None
    if write:
        _write(path, text, made)
    elif printable(made) == made:
        say(made, nl=False)
    else:
        raise UsageError(f"{path} holds characters that no terminal is sent, or a secret; --write rewrites the file")


def _write(path: Path, text: str, made: str) -> None:
    if made == text:
        say(f"{path} is as it should be; nothing was changed")
        return
    file = path.resolve()
    try:
        copy = _copied(file)
        draft = file.with_name(f".{file.name}.draft")
        draft.write_bytes(made.encode())
        draft.chmod(file.stat().st_mode & 0o777)
        os.replace(draft, file)
    except OSError as error:
        raise UsageError(f"cannot write beside {path}: {error.strerror or error}") from None
    say(f"rewrote {path}; as it was, it is kept in {copy.name}")


def _copied(file: Path) -> Path:
    """A copy under a name that is free."""
    for number in count():
        copy = file.with_name(f"{file.name}.before-sections{f'.{number}' if number else ''}")
        try:
            with copy.open("xb") as out:
                copy.chmod(file.stat().st_mode & 0o777)
                out.write(file.read_bytes())
        except FileExistsError:
            continue
        return copy
    raise AssertionError("there is always a next number")

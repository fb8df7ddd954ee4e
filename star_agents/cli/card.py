"""`card`: the card of a folder's dataset, to read before anything is pushed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from star_agents.cli.tables import print_json
from star_agents.engine.publishing.making import Made, make
from star_agents.errors import UsageError
from star_agents.export.card import HEAD_BYTES, MARK, README
from star_agents.export.licences import read_licence
from star_agents.text.printing import say
from star_agents.text.redaction import keep_secrets_of


def licence_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a licence."""
    for option in (
        click.option("--license-link", metavar="URL", help="With --license other: where its text stands."),
        click.option("--license-name", metavar="NAME", help="With --license other: what it is called."),
        click.option("--license", "license_id", metavar="ID", help="The hub's identifier, such as cc-by-4.0 or other."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path), default="star_data")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The card.  [default: OUT/README.md]")
@click.option("--name", default="", help="What the dataset is called.  [default: the folder's name]")
@licence_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path,
    out: Path | None,
    name: str,
    license_id: str | None,
    license_name: str | None,
    license_link: str | None,
    as_json: bool,
) -> None:
    """Write the card of what OUT (the -o of `run`, the --data-dir of `serve`) holds so far, with pictures in plots/
    beside it. `push` makes it anew; `push --card FILE` takes one that you have changed.
    """
    licence = read_licence(license_id, license_name, license_link)
    keep_secrets_of(os.environ)
    readme = out or folder / README
    _keep_what_is_not_ours(readme)
    made = make(folder, name=name, licence=licence)
    made.look_for_secrets()
    files = made.write(readme)
    secrets = made.gathered.secrets
    if as_json:
        print_json(
            {
                "card": str(readme),
                "files": [str(one) for one in files],
                "rows": dict(made.gathered.rows),
                "license": licence.id if licence else None,
                "texts_with_known_secrets": secrets.known,
                "texts_with_key_shapes": secrets.shaped,
            }
        )
        return
    _tell(made, readme, len(files) - 1, has_licence=licence is not None)


def _tell(made: Made, readme: Path, pictures: int, *, has_licence: bool) -> None:
    rows = ", ".join(f"{n:,} {name}" for name, n in made.gathered.rows.items()) or "no rows"
    beside = f", and {pictures} pictures beside it" if pictures else ""
    say(f"wrote {readme}{beside}: {rows}")
    if not has_licence:
        say("no licence is named: `push` needs --license; the card lists whose terms bind the rows")
    for place in made.gathered.secrets.where:
        say(f"`push` would refuse it: {place}", err=True)


def _keep_what_is_not_ours(readme: Path) -> None:
    """Raises UsageError where a file stands that is no card of ours."""
    try:
        with readme.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{readme}: cannot be written: {error.strerror or error}") from None
    if MARK not in head:
        raise UsageError(f"{readme}: is there, and no card of star_agents; name another file with -o")

"""The one way to standard output and standard error: what is printed is text and nothing else.

Providers' errors, column names, keys of agents.yaml and names of files come from elsewhere, and a terminal obeys what
it is sent: an escape sequence may hide a line, rename the window or write where it was not asked to. Whatever is no
plain character is shown as ``\\u001b``, known secrets are struck out, and nothing is read as rich's markup.
"""

from __future__ import annotations

import errno
import json
from typing import Any

import click

from star_agents.text.redaction import redactor

_LAYOUT = str.maketrans("", "", "\n\t")


def printable(text: str) -> str:
    """The text without known secrets, with line feeds and tabs, and every other character that is not printable (of
    Unicode's categories "other" and "separator") written as JSON writes it."""
    return _escaped(redactor.known(text))


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a text for people, on standard output or standard error. A terminal that was closed fails nothing."""
    try:
        click.echo(printable(str(text)), err=err, nl=nl)
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def say_secret(text: str) -> None:
    """Print a text that tells a secret on purpose, on standard output."""
    click.echo(_escaped(text))


def say_coloured(line: str) -> None:
    """Print a line of the log as ``logs/stream.py`` renders it: it has cleaned each value, and the colours are ours."""
    click.echo(line)


def say_json(data: Any) -> None:
    """Print plain data as indented JSON on standard output."""
    # An escape of JSON's is what stands for a character that may not be printed, so it is JSON still.
    click.echo(printable(json.dumps(data, indent=2, ensure_ascii=False)))


def _escaped(text: str) -> str:
    if text.translate(_LAYOUT).isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else json.dumps(one)[1:-1] for one in text)

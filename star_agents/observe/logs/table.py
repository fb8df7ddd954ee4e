"""The table of all lines, made of the classes behind them.

    python -m star_agents.observe.logs.table > star_agents/observe/logs/events.md

A meaning is what stands under the field in its class. A field that needs no words of its own there means the same in
every line, and what that is stands here.
"""

from __future__ import annotations

import ast
import inspect
import logging
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from star_agents import events
from star_agents.observe.logs.lines import OTHER_LINES, Kind, kind_of

HEAD = """# Lines of the log

Made by `python -m star_agents.observe.logs.table`; a test holds it.

Every line is one JSON object. It begins with `timestamp` (UTC, ISO 8601, microseconds), `level` (debug, info, warning,
error, critical) and `event`, the name of its kind; the fields of that kind follow. A field means the same in every
line, and keeps its name and type. Of complaints that say the same, the first five of a minute are logged; how many
were held back stands in `lines_held_back`.
"""

MEANINGS = {
    "agent": "Name of the agent, as in agents.yaml",
    "calls_failed": "Calls that failed after all their tries",
    "candidates": "What pairs wrote for the seed, failures included",
    "changes": "What changed, for people: `+ agent mistral`, `- pair keep/phi`",
    "completion_tokens": "Tokens that were written",
    "cost_usd": "What it cost; null where nobody knows the price",
    "deployment": "One endpoint of the agent",
    "detail": "More about it, for people",
    "duplicates": "Seeds that were known already, from before",
    "error": "What went wrong and what to do, for people",
    "from_journal": "Whether it was answered before, and is not paid again",
    "ifd_large": "IFD of the large model",
    "ifd_small": "IFD of the small model",
    "message": "What there is to say, for people",
    "model": "The model that was asked",
    "new": "Seeds that were not known before",
    "problems": "What is wrong, a sentence each, with place and remedy",
    "prompt_tokens": "Tokens that were read",
    "reason": "Why, for people",
    "revision": "Number of the config that is in force",
    "seconds": "From asking to the end",
    "seed_id": "The seed",
    "source": "File or request that it came from",
    "state": "`starting`, `ready`, `paused`, `draining` or `stopped`",
    "step": "What the call is for, such as `respond`, or `judge:keep/b:ab:0`: of which candidate, order and try",
    "what": "`opened`, `half-opened`, `closed` or `paused`",
}
_TYPES = {
    "str": "text",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "list[str]": "list of texts",
    "list[Any]": "list",
    "Mapping[str, int]": "object of integers",
    "tuple[str, ...]": "list of texts",
    "tuple[Problem, ...]": "list of texts",
}


class LineField(NamedTuple):
    """One field of a line."""

    name: str
    type: str
    """In the words of JSON."""
    meaning: str


class LineKind(NamedTuple):
    """One kind of line."""

    name: str
    level: str
    when: str
    fields: tuple[LineField, ...]


def line_kinds() -> list[LineKind]:
    """Every kind of line, those of events first, in the order in which they stand in the source."""
    declared = (one for one in vars(events).values() if isinstance(one, type) and issubclass(one, events.Event))
    pairs = [(event, kind_of(event)) for event in declared if event is not events.Event]
    of_events = [LineKind(event.name, _level(kind), _doc(event), _fields(kind.shape)) for event, kind in pairs]
    others = [
        LineKind(name, _level_name(level), _doc(shape).partition(": ")[2], _fields(shape))
        for name, (level, shape) in OTHER_LINES.items()
    ]
    return [*of_events, *others]


def table() -> str:
    """The whole page, in Markdown."""
    return "\n".join([HEAD, *(_section(kind) for kind in line_kinds())])


def _section(kind: LineKind) -> str:
    when = kind.when[0].upper() + kind.when[1:]
    rows = [f"| `{one.name}` | {one.type} | {one.meaning} |" for one in kind.fields]
    head = ["| field | type | meaning |", "|---|---|---|"]
    return "\n".join([f"## `{kind.name}` · {kind.level}\n", f"{when}\n", *head, *rows, ""])


def _level(kind: Kind) -> str:
    name = _level_name(kind.level)
    if kind.warns_when is None:
        return name
    field, values = kind.warns_when
    told = " or ".join(f"`{one}`" for one in (values if isinstance(values, tuple) else (values,)))
    return f"{name}; warning where `{field}` is {told}"


def _level_name(level: int) -> str:
    return logging.getLevelName(level).lower()


def _doc(shape: type) -> str:
    return _in_one_line(inspect.cleandoc(shape.__doc__ or ""))


def _in_one_line(text: str) -> str:
    """Docstrings as Markdown has them: one line, code in single quotes."""
    return re.sub(r"\s+", " ", text.replace("``", "`")).replace("|", "\\|")


def _fields(shape: type) -> tuple[LineField, ...]:
    return tuple(
        LineField(name, _type(annotation), _in_one_line(said.rstrip(".")) or MEANINGS[name])
        for name, annotation, said in _annotated(shape)
    )


def _annotated(shape: type) -> Iterator[tuple[str, str, str]]:
    """Name, type and docstring of each field that a class declares."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(shape))).body
    assert isinstance(tree, ast.ClassDef), "the source of a class is a class"
    for place, node in enumerate(tree.body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        annotation = ast.unparse(node.annotation)
        if annotation.startswith("ClassVar"):
            continue
        after = tree.body[place + 1] if place + 1 < len(tree.body) else None
        match after:
            case ast.Expr(value=ast.Constant(value=str(said))):
                pass
            case _:
                said = ""
        yield node.target.id, annotation, said


def _type(annotation: str) -> str:
    kind, _, null = annotation.partition(" | ")
    return f"{_TYPES[kind]} or null" if null else _TYPES[kind]


if __name__ == "__main__":
    sys.stdout.write(table())

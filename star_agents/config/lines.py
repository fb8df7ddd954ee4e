"""Where in agents.yaml a field stands that was found wrong only when the config was to be put in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from star_agents.config.yaml_core import YamlError, compose, entries
from star_agents.config.yaml_files import read_text
from star_agents.errors import ConfigError, Problem


def with_lines(error: ConfigError, path: Path) -> ConfigError:
    """The same problems, those that name a field of the file and no line with its line."""
    if not any(map(_lacks_line, error.problems)):
        return error
    try:
        root = compose(read_text(path))
    except (ConfigError, YamlError):
        return error  # Edited meanwhile: its lines are others.
    if root is None:
        return error
    return ConfigError(
        [
            replace(one, where=f"{path.name}:{line_of(root, one.field)}") if _lacks_line(one) else one
            for one in error.problems
        ]
    )


def _lacks_line(problem: Problem) -> bool:
    return bool(problem.field) and ":" not in problem.where


@contextmanager
def lines_from(path: Path) -> Iterator[None]:
    """Give the problems of a ``ConfigError`` that comes out of the block their lines."""
    try:
        yield
    except ConfigError as error:
        raise with_lines(error, path) from error


def line_of(root: yaml.Node, field: str) -> int:
    """Line of the deepest part of a dotted field that stands in the file; names of agents may hold dots themselves."""
    node, line, rest = root, root.start_mark.line, field.split(".")
    while rest:
        if isinstance(node, yaml.MappingNode):
            known = entries(node)
            count = next((n for n in range(len(rest), 0, -1) if ".".join(rest[:n]) in known), 0)
            if not count:
                break
            key, node = known[".".join(rest[:count])]
            line, rest = key.start_mark.line, rest[count:]
        elif isinstance(node, yaml.SequenceNode) and rest[0].isdecimal() and int(rest[0]) < len(node.value):
            node, rest = node.value[int(rest[0])], rest[1:]
            line = node.start_mark.line
        else:
            break
    return line + 1

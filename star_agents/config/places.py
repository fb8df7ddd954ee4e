"""Where in the text of agents.yaml something stands that is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import yaml

from star_agents.config.old_places import Location
from star_agents.config.yaml_core import entries
from star_agents.errors import Problem


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one file; locations are those of the config, whichever place of a key the file has."""

    where: str
    """The file's name in messages."""
    root: yaml.Node | None
    """Its tree of nodes; ``None`` where there is no file."""
    stands: Callable[[Location], Location]
    """From a location in the config to the one in the file."""

    def problem(self, location: Location, message: str, fix: str = "") -> Problem:
        """What is wrong there."""
        line, field = self.find(location)[0], dotted(self.stands(location))
        return Problem(where=f"{self.where}:{line}" if line else self.where, field=field, message=message, fix=fix)

    def find(self, location: Location) -> tuple[int, yaml.Node | None]:
        """Line of the deepest part of ``location`` that stands in the file, of its key where it has one; and the node
        there, where the whole of it stands in the file."""
        return _find(self.root, self.stands(location))

    def line_in_file(self, location: Location) -> int:
        """The same line for a location as the file has it; 0 where there is no file."""
        return _find(self.root, location)[0]


def dotted(location: Location) -> str:
    """A place as people write it: ``agents.gpt.model``, ``pairs[2].response``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _find(root: yaml.Node | None, location: Location) -> tuple[int, yaml.Node | None]:
    if root is None:
        return 0, None
    node, line = root, root.start_mark.line
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = entries(node).get(str(part))
            if found is None:
                return line + 1, None
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            return line + 1, None
    return line + 1, node

"""Keys of agents.yaml that stood elsewhere in the release before; for one release they are read at both places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from star_agents.config.yaml_core import Plain

Location = tuple[str | int, ...]


class Move(NamedTuple):
    """A key, by the path to it."""

    old: tuple[str, ...]
    new: tuple[str, ...]


STAR = "star"
MOVES = (
    *(
        Move((key,), (STAR, key))
        for key in ("pairs", "base_pairs", "referee", "selection", "candidates", "show_reference")
    ),
    Move(("evolution", "reward"), (STAR, "reward")),
)
"""Everything that stands in the section of its recipe now."""


def moved(data: Plain) -> Iterator[Move]:
    """What stands at its old place in plain data of agents.yaml."""
    return (move for move in MOVES if _has(data, move.old))


def in_both_places(data: Plain) -> Iterator[Move]:
    """What stands at its old place and at its new one."""
    return (move for move in moved(data) if _has(data, move.new))


def in_sections(data: Plain) -> Plain:
    """The same with every key in its section. What stands at both places counts as it stands in the section."""
    found = list(moved(data))
    if not found or not isinstance(data, dict):
        return data
    made, section = dict(data), data.get(STAR, {})
    taken = {move.new[-1]: _take(made, move.old) for move in found}
    # A section that is no mapping is told as that; what was to go into it is then no mistake of its own.
    return {**made, STAR: {**taken, **section} if isinstance(section, dict) else section}


def _take(holder: dict[str, Plain], way: tuple[str, ...]) -> Plain:
    """Take a value out; the mappings on the way are copied."""
    *above, key = way
    for part in above:
        inner = holder[part]
        assert isinstance(inner, dict), "as `moved` found it"
        holder[part] = holder = dict(inner)
    return holder.pop(key)


def place_in_file(data: Plain) -> Callable[[Location], Location]:
    """From a place in the config as it is read to the place in the file where it stands."""
    places: Mapping[tuple[str, ...], tuple[str, ...]] = {move.new: move.old for move in moved(data)}

    def stands(location: Location) -> Location:
        for new, old in places.items():
            if location[: len(new)] == new:
                return (*old, *location[len(new) :])
        return location

    return stands


def _has(data: Plain, way: tuple[str, ...]) -> bool:
    for part in way:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True

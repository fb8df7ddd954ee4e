"""What tools are called: in agents.yaml, by recipes, and to models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from star_agents.errors import ToolError
from star_agents.tools.functions import is_function, load_function
from star_agents.tools.sandbox import PYTHON, why_no_sandbox
from star_agents.tools.search import SEARCH

SEARCH_NAME = SEARCH.name
BUILT_IN = (SEARCH_NAME, PYTHON.name)


def short_name(name: str) -> str:
    """What a model calls a tool by: ``fn`` for ``./mine.py:fn``."""
    return name.rpartition(":")[2] if is_function(name) else name


def kept_tool(name: str, folder: Path, others: Sequence[str]) -> tuple[str, str]:
    """A tool of agents.yaml as it is kept, a file by its absolute path, and the digest of that file, if it has one.

    Args:
        name: As it is written.
        folder: From which a path goes.
        others: Those before it.

    Raises:
        ToolError: there is none, it cannot be used here, or another one is called so.
    """
    if short_name(name) in map(short_name, others):
        raise ToolError(f"two tools are called {short_name(name)!r}; rename one")
    if is_function(name):
        if short_name(name) in BUILT_IN:
            raise ToolError(f"{name}: {short_name(name)!r} is a tool of ours; rename the function")
        path, _, attribute = name.rpartition(":")
        kept = f"{(folder / path).resolve()}:{attribute}"
        return kept, load_function(kept)[1]
    if name not in BUILT_IN:
        raise ToolError(f"no tool is called {name!r}; there are {', '.join(BUILT_IN)}, and yours as ./file.py:function")
    if name == PYTHON.name and (why := why_no_sandbox()):
        raise ToolError(why)
    return name, ""

"""What a recipe of somebody's own did wrong, in one line for whoever wrote it: what, and where in which file."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from star_agents.errors import leaves
from star_agents.recipes.protocol import Recipe
from star_agents.records.failures import one_line
from star_agents.text.redaction import redactor


def fault_in(recipe: Recipe[Any], error: BaseException) -> str:
    """An error with the line of the recipe's file on which it came about."""
    first = next(leaves(error))
    told = f"{type(first).__name__}: {first}" if str(first) else type(first).__name__
    return redactor.text(one_line(f"{_line_of(recipe, first) or _line_of(recipe, error) or _head_of(recipe)}: {told}"))


def breach_in(recipe: Recipe[Any], error: Exception) -> str:
    """A rule that was broken, in its own words; behind them the line on which that was, or on which the recipe
    begins."""
    return redactor.text(f"{error} ({_line_of(recipe, error) or _head_of(recipe)})")


def _line_of(recipe: Recipe[Any], error: BaseException) -> str:
    """The innermost line of the recipe's own file; empty where none had part in it."""
    path = _file_of(recipe)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"{Path(path).name}:{own[-1].lineno}" if own else ""


def _head_of(recipe: Recipe[Any]) -> str:
    code = getattr(recipe.work, "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else recipe.origin


def _file_of(recipe: Recipe[Any]) -> str:
    code = getattr(recipe.work, "__code__", None)
    return str(code.co_filename) if code is not None else recipe.origin

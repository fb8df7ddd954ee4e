"""What a recipe of somebody's own did wrong, in one line for whoever wrote it: what, and where in which file."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_agents import bench
from star_agents.errors import RecipeError, ReplyUnreadable, StarAgentsError, leaves
from star_agents.recipes.protocol import Recipe
from star_agents.records.failures import one_line, without_numbers
from star_agents.text.redaction import redactor

_BENCH = Path(bench.__file__).parent
OVERRUN = "it took longer than failure_limits.seed_timeout_s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault in the code of a recipe."""

    sentence: str
    """Why its seed is dropped."""
    reason: str
    """Where, and of which kind: the same for every seed for which that happens."""
    said: str
    """What was said this time."""


def came_by_bench(error: StarAgentsError) -> bool:
    """Whether one of our errors is what the bench or a rule says, and not what a recipe's code has raised itself."""
    if isinstance(error, (RecipeError, ReplyUnreadable)):
        return True
    return any(Path(frame.filename).parent == _BENCH for frame in traceback.extract_tb(error.__traceback__))


def fault_in(recipe: Recipe[Any], error: BaseException) -> Fault:
    """An error with the line of the recipe's file on which it came about."""
    first = next(leaves(error))
    name, said = type(first).__name__, redactor.text(one_line(str(first)))
    place = _line_of(recipe, first) or _line_of(recipe, error) or _head_of(recipe)
    told = redactor.text(one_line(f"{place}: {name}: {first}" if str(first) else f"{place}: {name}"))
    return Fault(sentence=f"recipe {recipe.name} failed: {told}", reason=f"{place}: {name}", said=said)


def breach_in(recipe: Recipe[Any], error: Exception) -> Fault:
    """A rule that was broken, in its own words; behind them the line on which that was, or on which the recipe
    begins."""
    place, message = _line_of(recipe, error) or _head_of(recipe), redactor.text(str(error))
    said = message.removeprefix(f"recipe {recipe.name}").lstrip(": ")
    sentence = message if recipe.is_built_in else f"{message} ({place})"
    return Fault(sentence=sentence, reason=f"{place}: {without_numbers(said)}", said=one_line(said))


def overrun_in(recipe: Recipe[Any], limit_s: float, stood_at: Sequence[BaseException]) -> Fault:
    """A recipe that took too long; ``stood_at`` holds what ended it, as far as that came through its code."""
    place = next(filter(None, (_line_of(recipe, error) for error in stood_at)), "") or _head_of(recipe)
    told = f"it took longer than {limit_s:g} s of its own for this seed (failure_limits.seed_timeout_s) and was ended"
    return Fault(sentence=f"recipe {recipe.name} failed: {place}: {told}", reason=f"{place}: {OVERRUN}", said=told)


def wrong_kind_fault(why: str) -> Fault:
    """A seed was made for a recipe that does not take its kind, as it says."""
    return Fault(sentence=why, reason=why, said="")


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

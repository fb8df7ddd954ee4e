"""Rows as other settings of a recipe would decide them, from what its outcomes hold: no call, and no change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from star_agents.config.kept import config_in_sections
from star_agents.errors import RecipeError, UsageError
from star_agents.recipes.protocol import Recipe, Redecided
from star_agents.recipes.registry import find_chain
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result


def redeciding(reader: StoreReader, changes: Sequence[str]) -> Callable[[Result], Result]:
    """What puts the rows of these settings in the place of those that an outcome has.

    Args:
        reader: The store, whose newest config the changes change.
        changes: Each as ``arena.keep.sft=1``.

    Raises:
        UsageError: a change is none, its recipe cannot decide again, or it needs calls that nobody made.
    """
    revisions = reader.revisions()
    config = config_in_sections(revisions[-1].config) if revisions else {}
    by_recipe: dict[str, list[tuple[list[str], Any]]] = {}
    for change in changes:
        name, keys, value = _read(change)
        by_recipe.setdefault(name, []).append((keys, value))
    decide: dict[str, Callable[[Result], Redecided]] = {}
    for name, changed in by_recipe.items():
        recipe = _recipe(config, name)
        decide[name] = _decider(recipe, config, changed)
        as_it_is = _decider(recipe, config, [])
        _check_calls(reader, name, as_it_is, decide[name], [one for one in changes if one.startswith(f"{name}.")])

    def again(result: Result) -> Result:
        recipe = result.header.recipe
        if result.header.kind == "dropped" or recipe not in decide:
            return result
        kept_out = [one.row.data for one in result.findings if one.is_kept_out and one.row is not None]
        return result.with_rows(tuple(row for row in decide[recipe](result).rows if row.data not in kept_out))

    return again


def _read(change: str) -> tuple[str, list[str], Any]:
    path, equals, value = change.partition("=")
    name, *keys = path.strip().split(".")
    if not equals or not keys or not all(keys):
        raise UsageError(f"--set {change}: is no setting; write it as RECIPE.KEY=VALUE, such as arena.keep.sft=1")
    try:
        return name, keys, json.loads(value)
    except ValueError:
        return name, keys, value.strip()


def _recipe(config: Mapping[str, Any], name: str) -> Recipe[Any]:
    named = config.get("recipe", ["star"])
    try:
        chain = find_chain([named] if isinstance(named, str) else named)
    except RecipeError as error:
        raise UsageError(str(error)) from None
    found = next((one for one in chain if one.name == name), None)
    if found is None:
        raise UsageError(f"--set: no recipe {name} works here; there are: {', '.join(one.name for one in chain)}")
    if found.redecide is None:
        raise UsageError(f"--set: recipe {name} cannot decide again without asking; change agents.yaml and run again")
    return found


def _decider(
    recipe: Recipe[Any], config: Mapping[str, Any], changed: Sequence[tuple[list[str], Any]]
) -> Callable[[Result], Redecided]:
    """The recipe's own way to decide again, under its settings with these changes."""
    data = json.loads(json.dumps(config.get(recipe.name, {})))
    for keys, value in changed:
        holder = data
        for key in keys[:-1]:
            holder = holder.setdefault(key, {})
            if not isinstance(holder, dict):
                raise UsageError(f"--set {recipe.name}.{'.'.join(keys)}: {key} holds no further settings")
        holder[keys[-1]] = value
    try:
        settings = recipe.settings.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, (recipe.name, *first["loc"])))
        raise UsageError(f"--set: {where}: {first['msg']}") from None
    redecide = recipe.redecide
    assert redecide is not None
    return lambda result: redecide(result.outcome, settings)


def _check_calls(
    reader: StoreReader,
    name: str,
    as_it_is: Callable[[Result], Redecided],
    changed: Callable[[Result], Redecided],
    changes: Sequence[str],
) -> None:
    """Refuse changes that a run would have had to ask more for. What the settings lack without them, since they were
    edited while it went on, is not theirs."""
    missing = 0
    for result in reader.results():
        if result.header.recipe == name and result.header.kind != "dropped":
            missing += max(0, changed(result).missing_calls - as_it_is(result).missing_calls)
    if missing:
        raise UsageError(
            f"--set {' '.join(changes)}: needs {missing:,} calls that nobody made, and export makes none; "
            "set it in agents.yaml and run that in a folder of its own"
        )

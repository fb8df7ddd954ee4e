"""Finds recipes: built in by name, of other packages by entry point, of the user's own by file.

    recipe: star                     built in
    recipe: their_recipe             an entry point of group ``star_agents.recipes``
    recipe: ./mine.py:mine           a file beside agents.yaml, and the name in it
    recipe: [./mine.py:mine, star]   a chain: children of the first are seeds of the second
    recipe: arena_instruct           short for a chain (``CHAINS``)

A file is read once in the life of a process: what is edited in it takes effect at the next start.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

from star_agents.config.models import Config
from star_agents.errors import RecipeError
from star_agents.recipes.protocol import Recipe

BUILT_IN = {
    "star": "star_agents.recipes.star:STAR",
    "evol": "star_agents.recipes.evol:evol",
    "arena": "star_agents.recipes.arena:arena",
    "difficulty": "star_agents.recipes.difficulty:difficulty",
    "agent_instruct": "star_agents.recipes.agent_instruct:agent_instruct",
}
"""Name to module and attribute of ours; a package that lacks the file of one does without it."""
CHAINS = {"arena_instruct": ("agent_instruct", "arena")}
"""Chains that have a name of their own: `recipe: arena_instruct` is short for `[agent_instruct, arena]`."""
OF_COMMANDS = {
    "judging_pairs": "star_agents.recipes.judging_pairs:JUDGING_PAIRS",
    "graded_questions": "star_agents.recipes.graded_questions:GRADED_QUESTIONS",
    "compared_answers": "star_agents.recipes.compared_answers:COMPARED_ANSWERS",
}
"""Likewise what a command of ours works by; nobody names it in agents.yaml."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
GROUP = "star_agents.recipes"
AnyRecipe = Recipe[Any]

_loaded: dict[str, AnyRecipe] = {}
_loading = threading.Lock()


def absolute(name: str, folder: Path) -> str:
    """A recipe's name as it is kept: the path of a file as an absolute one."""
    path, colon, attribute = name.rpartition(":")
    return f"{(folder / path).resolve()}:{attribute}" if colon and path.endswith(".py") else name


def find_recipe(name: str) -> AnyRecipe:
    """The recipe of that name; a file by its absolute path (``absolute``).

    Raises:
        RecipeError: there is none, or it cannot be loaded: what, where, and what to do.
    """
    with _loading:
        if name not in _loaded:
            _loaded[name] = _load(name)
        return _loaded[name]


def spelled_out(names: Sequence[str]) -> list[str]:
    """The names of a chain with those in the place of a chain's that it is short for."""
    return [one for name in names for one in CHAINS.get(name, (name,))]


def find_chain(names: Sequence[str]) -> list[AnyRecipe]:
    """The recipes of a chain in order. Raises RecipeError, also where two have one name, or one gives what the next one
    does not take."""
    chain = [find_recipe(name) for name in names]
    short = [one.name for one in chain]
    if twice := next((name for name in short if short.count(name) > 1), ""):
        raise RecipeError(f"two recipes of the chain are called {twice!r}; each stage needs a name of its own")
    for one, following in pairwise(chain):
        if why := one.why_no_stage_before(following):
            raise RecipeError(f"{why}; put one between them, or another one next")
    return chain


def _built_in() -> dict[str, str]:
    """Those of ours that are there."""
    return {name: at for name, at in BUILT_IN.items() if importlib.util.find_spec(at.partition(":")[0]) is not None}


def known_recipes() -> list[AnyRecipe | RecipeError]:
    """Every recipe that is built in or installed, and what keeps those from being used that cannot be loaded."""
    found: list[AnyRecipe | RecipeError] = []
    ours = _built_in()
    for name in [*ours, *(one.name for one in entry_points(group=GROUP) if one.name not in ours)]:
        try:
            found.append(find_recipe(name))
        except RecipeError as error:
            found.append(error)
    return found


def _load(name: str) -> AnyRecipe:
    path, colon, attribute = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(Path(path), attribute)
    ours = _built_in()
    if name in ours or name in OF_COMMANDS:
        module, _, attribute = {**ours, **OF_COMMANDS}[name].partition(":")
        built_in: AnyRecipe = getattr(importlib.import_module(module), attribute)
        return built_in
    for one in entry_points(group=GROUP, name=name):
        return _checked(_run(one.load, f"entry point {name} ({one.value})"), f"entry point {name}").named(
            name, origin=f"entry point {one.value}"
        )
    known = [*ours, *CHAINS, *(one.name for one in entry_points(group=GROUP))]
    fix = f"there are: {', '.join(known)}; a recipe of your own is written as ./file.py:name"
    raise RecipeError(f"no recipe is called {name!r} ({fix})")


def _from_file(path: Path, attribute: str) -> AnyRecipe:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror or error}") from None
    module_name = f"_recipe_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # Its classes are looked up there by what describes them.
    loader = spec.loader
    _run(lambda: loader.exec_module(module), str(path), of=path)
    if not hasattr(module, attribute):
        names = [name for name, value in vars(module).items() if isinstance(value, Recipe)]
        has = f"it has {', '.join(names)}" if names else "nothing in it is made by @recipe"
        raise RecipeError(f"{path}: holds no {attribute!r} ({has})")
    found = _checked(getattr(module, attribute), f"{path}:{attribute}")
    return found.named(found.name, origin=str(path), digest=_digest(source, found.prompts))


def _digest(source: bytes, prompts: Path | None) -> str:
    """Of a file, with the templates beside it."""
    read = hashlib.sha256(source)
    for template in sorted(prompts.glob("*.jinja")) if prompts is not None else []:
        read.update(f"\0{template.name}\0".encode())
        try:
            read.update(template.read_bytes())
        except OSError as error:
            raise RecipeError(f"{template}: cannot be read: {error.strerror or error}") from None
    return read.hexdigest()


def _run(load: Any, what: str, of: Path | None = None) -> Any:
    """Run somebody else's code; whatever it raises is theirs, and told with its line."""
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too: a file that ends its process must not end a daemon.
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if of is not None and Path(frame.filename) == of]
        line = f":{own[-1].lineno}" if own else ""
        if isinstance(error, SyntaxError) and error.lineno:
            line = f":{error.lineno}"
        raise RecipeError(f"{what}{line}: cannot be loaded: {type(error).__name__}: {error}") from None


def _checked(found: object, what: str) -> AnyRecipe:
    if not isinstance(found, Recipe):
        raise RecipeError(f"{what}: is no recipe but {type(found).__name__}; put @recipe(...) above the coroutine")
    if not _NAME.fullmatch(found.name) or hasattr(Config, found.name):
        fix = "its settings stand under its name in agents.yaml: letters, digits and _ after a letter"
        raise RecipeError(f"{what}: a recipe cannot be called {found.name!r}; {fix}")
    if not any(one.is_required() for one in found.settings.model_fields.values()):
        _run(found.settings, f"{what}: its settings as they are when left out")
    return found

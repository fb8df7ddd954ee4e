"""From the text of agents.yaml to a `Config`, or to problems that name line, field and fix.

The text is read once, by YAML 1.2's rules (``yaml_core.py``): its node tree gives lines and repeated keys, its plain
data goes to the strict models.
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Union

import yaml
from pydantic import BaseModel, ValidationError

from star_agents.config.base import EndpointSettings
from star_agents.config.models import Config, look_up_secret
from star_agents.config.old_places import MOVES, STAR, Location, Move, in_both_places, in_sections, moved, standing
from star_agents.config.places import Places
from star_agents.config.recipes import FindRecipes, agents_named, config_model, only_star
from star_agents.config.requests import unsendable
from star_agents.config.star import MAX_PAIRS, PairConfig
from star_agents.config.yaml_core import Plain, YamlError, compose, is_plain, plain_data, repeated_keys
from star_agents.errors import MAX_PROBLEMS, ConfigError, Problem, RecipeError
from star_agents.records import KEEP, SEED
from star_agents.text.content_hash import digest
from star_agents.text.redaction import redactor

MAX_BYTES = 1 << 18
"""A larger agents.yaml is a mistake, and takes seconds to read."""
SECRET_FIELDS = ("api_key", "token", "api_base")
"""Fields whose wrong value is never repeated in a message: it may be a key, or hold a password."""
_SHOWN = 120
"""Characters of a wrong value that are repeated."""
DERIVED = ("recipe_files", "recipe_needs")
"""Keys that reading fills in from what the recipes declare."""
_NAMES_COMPARED = 200
"""Of more names than that, none is looked for that was meant."""

_ELSEWHERE = {move.old[-1]: ".".join(move.new) for move in MOVES}
"""Keys that stood at the top, and where they belong."""
_WORDS_OF_YAML_1_1 = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}

Note = Callable[[Problem], None]
"""Hears of what is taken, and should be written otherwise."""


def _unsaid(note: Problem) -> None:
    pass


def read_config(
    path: Path,
    environ: Mapping[str, str] | None = None,
    *,
    find: FindRecipes = only_star,
    note: Note = _unsaid,
) -> Config:
    """Read and check a config file.

    Args:
        path: The file.
        environ: Where the variables behind `os.environ/NAME` have to be set; ``None`` does not look.
        find: Says what the recipes declare that the file names.
        note: Hears of each key that stands at an old place of it, once the file is found good.

    Raises:
        ConfigError: with one problem per mistake, each naming line, field and fix.
    """
    return parse_config(read_text(path), where=path.name, environ=environ, find=find, note=note)


def read_text(path: Path) -> str:
    """The text of a config file. Raises ``ConfigError`` where there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        fix = "write one with: python -m star_agents init"
        raise ConfigError([Problem(where=str(path), field="", message="no such file", fix=fix)]) from None
    except OSError as error:
        raise ConfigError([Problem(where=str(path), field="", message=error.strerror or str(error))]) from None
    if len(raw) > MAX_BYTES:
        fix = "it holds settings only; seeds and texts belong into files of their own"
        message = f"is larger than {MAX_BYTES:,} bytes"
        raise ConfigError([Problem(where=path.name, field="", message=message, fix=fix)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(where=f"{path}:{line}", field="", message="is not UTF-8 text")]) from None


def parse_config(
    text: str,
    *,
    where: str = "agents.yaml",
    environ: Mapping[str, str] | None = None,
    find: FindRecipes = only_star,
    note: Note = _unsaid,
) -> Config:
    """Check the text of a config file; ``where`` is its name in messages, the others as for ``read_config``.

    Raises:
        ConfigError: with one problem per mistake.
    """
    root, data = _parse(text, where)
    return checked(data, root, where, environ, find, note)


def checked(
    data: Plain,
    root: yaml.Node | None,
    where: str,
    environ: Mapping[str, str] | None,
    find: FindRecipes,
    note: Note = _unsaid,
) -> Config:
    """The config in plain data.

    Args:
        data: As ``json`` would give it.
        root: The tree of nodes that lines are read from, where there is a file.
        where: As for ``parse_config``.
        environ: As for ``read_config``.
        find: As for ``read_config``.
        note: As for ``read_config``.

    Raises:
        ConfigError: with one problem per mistake.
    """
    places = Places(where, root, standing(data))
    if twice := list(in_both_places(data)):
        raise ConfigError([_stands_twice(places, move) for move in twice])
    model, sections = _with_recipes(places, in_sections(data), find)
    try:
        config = model.model_validate_json(json.dumps(sections))
    except ValidationError as error:
        found = error.errors(include_url=False)
        told = [_problem(detail, places, model) for detail in found[:MAX_PROBLEMS]]
        raise ConfigError(told, untold=len(found) - len(told)) from None
    problems = _too_many_pairs(config, places)
    if not problems:
        problems = [*_cross_references(config, places), *_missing_secrets(config, places, environ)]
    if problems:
        raise ConfigError(problems)
    for move in moved(data):
        note(_old_place(places, move))
    return config


def _stands_twice(places: Places, move: Move) -> Problem:
    old, new = ".".join(move.old), ".".join(move.new)
    line = places.line_in_file(move.new)
    message = f"stands {f'on line {line}' if line else 'there'} as well, as `{new}`"
    return places.problem(move.new, message, f"keep one of the two, `{new}`: `{old}` is its place no longer")


def _old_place(places: Places, move: Move) -> Problem:
    message = f"has a new place, `{'.'.join(move.new)}`; the next release will no longer take it here"
    return places.problem(move.new, message, f"`star-agents migrate-config {places.where}` prints the file rewritten")


def _with_recipes(places: Places, data: Plain, find_recipes: FindRecipes) -> tuple[type[Config], Plain]:
    """The model for the recipes that the file names, and its data with what they declare. Raises ConfigError."""
    if not isinstance(data, dict):
        return Config, data
    if given := [name for name in DERIVED if name in data]:
        raise ConfigError([places.problem((given[0],), "is not for anybody to write", "leave it out")])
    named = data.get("recipe", "star")
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return Config, data  # The model says what is wrong.
    try:
        declared = find_recipes([str(name) for name in names])
        model = config_model(declared)
    except RecipeError as error:
        raise ConfigError([places.problem(("recipe",), str(error))]) from None
    kept: dict[str, Plain] = {**data, "recipe": [one.kept for one in declared]}
    if files := {one.kept: one.digest for one in declared if one.digest}:
        kept["recipe_files"] = dict(files)
    if needs := sorted({need for one in declared for need in one.needs}):
        kept["recipe_needs"] = list(needs)
    return model, kept


def config_digest(config: Config) -> str:
    """Hash that changes when anything in the config does."""
    return digest(config.model_dump(mode="json"))


def _parse(text: str, where: str) -> tuple[yaml.Node, Plain]:
    """The node tree, and the plain data in it. Raises ConfigError."""
    try:
        root = compose(text)
        if root is None:
            fix = "start from: python -m star_agents init"
            raise ConfigError([Problem(where=where, field="", message="the file is empty", fix=fix)])
        if repeated := list(repeated_keys(root)):
            raise ConfigError(
                [
                    Problem(
                        where=f"{where}:{one.line}",
                        field=one.path,
                        message=f"is given twice, first on line {one.first_line}",
                        fix="keep one of the two",
                    )
                    for one in repeated
                ]
            )
        return root, plain_data(root)
    except YamlError as error:
        place = f"{where}:{error.line}" if error.line else where
        raise ConfigError([Problem(where=place, field="", message=str(error), fix=error.fix)]) from None


def _problem(detail: Any, places: Places, model: type[Config]) -> Problem:
    location: Location = tuple(part for part in detail["loc"] if not _is_pydantics_own(part))
    message = detail["msg"].removeprefix("Value error, ")
    fix = ""
    if detail["type"] == "extra_forbidden":
        message = "is not a key that exists here"
        elsewhere = _ELSEWHERE if len(location) == 1 else {}
        fix = _did_you_mean(str(location[-1]), _known_keys(model, location[:-1]), elsewhere)
    elif detail["type"] == "missing":
        message = "is missing"
    elif detail["type"] == "too_long":
        message, fix = f"holds more than {detail['ctx']['max_length']:,} entries", "leave some out"
    elif location and location[-1] not in SECRET_FIELDS and isinstance(detail.get("input"), (str, int, float, bool)):
        # What is wrong in this file is known to nobody yet, and may hold a password.
        message = redactor.text(f"{message}, not {_shown(detail['input'])}")
        fix = _as_yaml_reads_it(detail["type"], places.find(location)[1])
    return places.problem(location, message, fix)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _as_yaml_reads_it(kind: str, node: yaml.Node | None) -> str:
    """The fix where somebody meant another type than a bare word has in YAML 1.2."""
    if node is None or not is_plain(node):
        return ""
    if kind == "string_type":
        return f'in quotes it is text: "{node.value}"'
    if kind.startswith("bool") and (meant := _WORDS_OF_YAML_1_1.get(str(node.value).lower())):
        return f"write `{meant}`: only true and false are truth values in YAML 1.2"
    return ""


def _is_pydantics_own(part: str | int) -> bool:
    """Pydantic puts words of its own into the location (``float``, ``literal[...]``, ``[key]``); people wrote none."""
    return isinstance(part, str) and (
        part in ("float", "int", "str", "[key]") or part.startswith(("literal[", "function-"))
    )


def _known_keys(model: type[Config], location: Location) -> list[str]:
    """Names of the fields that exist at ``location``, by walking the models' annotations."""
    annotation: Any = model
    for part in location:
        annotation = _unwrap(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return []
            annotation = field.annotation
        else:
            arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis]
            annotation = arguments[-1] if arguments else None
    annotation = _unwrap(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []


def _unwrap(annotation: Any) -> Any:
    """``X | None`` to ``X``."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return next(item for item in typing.get_args(annotation) if item is not type(None))
    return annotation


def _did_you_mean(word: str, known: Sequence[str], elsewhere: Mapping[str, str] = MappingProxyType({})) -> str:
    """The word that was meant; ``elsewhere``: other words, and what to write for them."""
    words = (*known, *elsewhere)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6) if len(known) <= _NAMES_COMPARED else []
    if close:
        return f"did you mean `{elsewhere.get(close[0], close[0])}`?"
    return f"known here: {', '.join(known)}" if known else ""


def _missing_secrets(config: Config, places: Places, environ: Mapping[str, str] | None) -> Iterator[Problem]:
    """Keys that are not in the environment: told at once, before seconds go into loading what would need them."""
    if environ is None:
        return
    references: list[tuple[Location, str | None]] = []
    for name, agent in config.agents.items():
        references.append((("agents", name, "api_key"), agent.api_key))
        references += (
            (("agents", name, "deployments", index, "api_key"), one.api_key)
            for index, one in enumerate(agent.deployments)
        )
    for location, reference in references:
        if reference is None:
            continue
        try:
            look_up_secret(reference, environ)
        except ValueError as error:
            fix = f"export {reference.removeprefix('os.environ/')}=... before starting"
            yield places.problem(location, str(error), fix)


def _too_many_pairs(config: Config, places: Places) -> list[Problem]:
    """Told before a pair is made: there may be millions, each with its lines in every summary."""
    if (count := config.pairs_configured) <= MAX_PAIRS:
        return []
    message = f"make {count:,} pairs, and at most {MAX_PAIRS:,} can be told apart"
    fix = "name the pairs to draw from under `star.pairs`, or give agents one role each: `roles: [response]`"
    return [places.problem(("agents",), message, fix)]


def _cross_references(config: Config, places: Places) -> Iterator[Problem]:
    """Names that must exist, and combinations that cannot work."""
    at, star = places.problem, config.star

    def unknown(location: Location, name: str, allowed: str) -> Problem:
        known = sorted((*config.agents, *((allowed,) if allowed else ())))
        return at(location, f"names an agent {name!r} that is not in `agents`", _did_you_mean(name, known))

    def check_pair(pair: PairConfig, location: Location) -> Iterator[Problem]:
        if pair.instruction != KEEP and pair.instruction not in config.agents:
            yield unknown((*location, "instruction"), pair.instruction, KEEP)
        if pair.response != SEED and pair.response not in config.agents:
            yield unknown((*location, "response"), pair.response, SEED)

    for index, pair in enumerate(star.pairs or ()):
        yield from check_pair(pair, (STAR, "pairs", index))
    for index, pair in enumerate(star.base_pairs):
        yield from check_pair(pair, (STAR, "base_pairs", index))
    for index, name in enumerate(star.referee.agents):
        if name not in config.agents:
            yield unknown((STAR, "referee", "agents", index), name, "")
    for name in type(config).model_fields.keys() - Config.model_fields.keys():
        for location, agent in agents_named(getattr(config, name), (name,)):
            if agent not in config.agents:
                yield unknown(location, agent, "")
    if config.needs_referee and not star.referee.agents:
        fix = "write `star: {referee: {agents: [NAME]}}`, or choose `selection: gap` there"
        yield at((STAR, "referee", "agents"), f"`selection: {star.selection}` needs a referee", fix)
    if config.draws_pairs and star.selection != "base" and not config.pool:
        yield at((STAR, "pairs"), "no pair is left to draw from", "name at least one pair that is not a base pair")
    floor = config.evolution.floor
    if floor != "auto" and config.pool and len(config.pool) * floor > 1:
        limit = 1 / len(config.pool)
        yield at(("evolution", "floor"), f"{len(config.pool)} pairs cannot each keep that much", f"at most {limit:.4g}")
    embedder = config.memory.embedder
    if embedder.startswith("agent:") and embedder.removeprefix("agent:") not in config.agents:
        yield unknown(("memory", "embedder"), embedder.removeprefix("agent:"), "")
    for location, message, fix in (*_minutes_too_small(config), *_half_prices(config), *unsendable(config)):
        yield at(location, message, fix)


def _half_prices(config: Config) -> Iterator[tuple[Location, str, str]]:
    """Prices of one side of a call only: the other would count as free in every budget. An embedder has no reply."""
    embedder = config.memory.embedder.removeprefix("agent:")
    for name, agent in config.agents.items():
        parts: list[tuple[Location, EndpointSettings]] = [(("agents", name), agent)]
        parts += ((("agents", name, "deployments", index), one) for index, one in enumerate(agent.deployments))
        for location, priced in parts if name != embedder else ():
            prices = {key: getattr(priced, key) for key in ("input_cost_per_token", "output_cost_per_token")}
            given = [key for key, price in prices.items() if price is not None]
            if len(given) == 1:
                (missing,) = prices.keys() - given
                message = f"is given without `{missing}`, which would count as 0"
                yield (*location, given[0]), message, f"give both; `{missing}: 0` is a price"


def _minutes_too_small(config: Config) -> Iterator[tuple[Location, str, str]]:
    """Agents of which no minute has room for one call: their calls would wait for ever."""
    writers = {name for pair in (*config.pool, *config.base) for name in (pair.instruction, pair.response)}
    for name, agent in config.agents.items():
        limit, location = agent.tokens_per_minute, ("agents", name, "tokens_per_minute")
        if limit is None:
            continue
        longest = agent.longest_reply
        if name in writers and longest is None:
            yield location, "needs `max_tokens`, which is what a call reserves", "give the agent `max_tokens`"
        elif name in writers and longest is not None and longest >= limit:
            yield (
                location,
                f"has no room for one reply of `max_tokens` ({longest:,})",
                "raise it, or lower `max_tokens`",
            )
        if config.needs_referee and name in config.star.referee.agents and config.star.referee.max_tokens >= limit:
            longest = config.star.referee.max_tokens
            message = f"has no room for one verdict of `star.referee.max_tokens` ({longest:,})"
            yield location, message, "raise it, or lower `star.referee.max_tokens`"

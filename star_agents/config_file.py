"""From the text of agents.yaml to a `Config`, or to problems that name line, field and fix.

YAML is read twice over one parse: the node tree gives lines and duplicate keys, the data goes to the strict models.
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Union

import yaml
from pydantic import BaseModel, ValidationError

from star_agents.config import Config, PairConfig
from star_agents.errors import ConfigError, Problem
from star_agents.records import KEEP, SEED, digest

MAX_BYTES = 1 << 20
"""A larger agents.yaml is a mistake, or an attack by aliases."""
MAX_NODES = 100_000
SECRET_FIELDS = ("api_key", "token")
"""Fields whose wrong value is never repeated in a message: it may be a key."""

Location = tuple[str | int, ...]


def read_config(path: Path) -> Config:
    """Read and check a config file.

    Raises:
        ConfigError: with one problem per mistake, each naming line, field and fix.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        fix = "write one with: python -m star_agents init"
        raise ConfigError([Problem(where=str(path), field="", message="no such file", fix=fix)]) from None
    except OSError as error:
        raise ConfigError([Problem(where=str(path), field="", message=error.strerror or str(error))]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(where=str(path), field="", message=f"is larger than {MAX_BYTES} bytes")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(where=f"{path}:{line}", field="", message="is not UTF-8 text")]) from None
    return parse_config(text, where=path.name)


def parse_config(text: str, *, where: str = "agents.yaml") -> Config:
    """Check the text of a config file; ``where`` is its name in messages.

    Raises:
        ConfigError: with one problem per mistake.
    """
    root, data = _parse(text, where)
    if root is None:
        fix = "start from: python -m star_agents init"
        raise ConfigError([Problem(where=where, field="", message="the file is empty", fix=fix)])
    problems = list(_duplicate_keys(root, where))
    if problems:
        raise ConfigError(problems)
    try:
        config = Config.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise ConfigError([_problem(detail, root, where) for detail in error.errors()]) from None
    problems = list(_cross_references(config, root, where))
    if problems:
        raise ConfigError(problems)
    return config


def config_digest(config: Config) -> str:
    """Hash that changes when anything in the config does."""
    return digest(config.model_dump(mode="json"))


def _parse(text: str, where: str) -> tuple[yaml.Node | None, Any]:
    """The node tree, and the plain data in it; ``None`` for an empty file."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None, None
        if _count_nodes(root) > MAX_NODES:
            fix = "use fewer aliases"
            raise ConfigError([Problem(where=where, field="", message="expands to too many values", fix=fix)])
        return root, yaml.SafeLoader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{where}:{mark.line + 1}" if mark else where
        message = f"not valid YAML: {error.problem or error.context}"
        raise ConfigError([Problem(where=line, field="", message=message)]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem(where=where, field="", message=f"not valid YAML: {error}")]) from None
    except RecursionError:
        raise ConfigError([Problem(where=where, field="", message="is nested too deeply")]) from None


def _count_nodes(node: yaml.Node, seen: int = 0, above: frozenset[int] = frozenset()) -> int:
    """Count nodes as aliases expand them, giving up above the limit, so that an alias bomb costs nothing."""
    seen += 1
    if seen > MAX_NODES or id(node) in above:
        return MAX_NODES + 1
    above |= {id(node)}
    children: Sequence[yaml.Node] = ()
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        seen = _count_nodes(child, seen, above)
        if seen > MAX_NODES:
            break
    return seen


def _duplicate_keys(node: yaml.Node, where: str, path: str = "") -> Iterator[Problem]:
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _duplicate_keys(child, where, f"{path}[{index}]")
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        dotted = f"{path}.{key.value}".lstrip(".")
        if not isinstance(key, yaml.ScalarNode):
            yield Problem(where=f"{where}:{line}", field=path, message="keys must be plain words")
            continue
        if key.value in lines:
            message = f"is given twice, first on line {lines[key.value]}"
            yield Problem(where=f"{where}:{line}", field=dotted, message=message, fix="keep one of the two")
        lines.setdefault(key.value, line)
        yield from _duplicate_keys(child, where, dotted)


def _problem(detail: Any, root: yaml.Node, where: str) -> Problem:
    location: Location = tuple(part for part in detail["loc"] if not _is_pydantics_own(part))
    message = detail["msg"].removeprefix("Value error, ")
    fix = ""
    if detail["type"] == "extra_forbidden":
        message = "is not a key that exists here"
        fix = _did_you_mean(str(location[-1]), _known_keys(location[:-1]))
    elif detail["type"] == "missing":
        message = "is missing"
    elif location and location[-1] not in SECRET_FIELDS and isinstance(detail.get("input"), (str, int, float, bool)):
        message = f"{message}, not {detail['input']!r}"
    return Problem(where=f"{where}:{_line(root, location)}", field=_dotted(location), message=message, fix=fix)


def _is_pydantics_own(part: str | int) -> bool:
    """Pydantic puts words of its own into the location (``float``, ``literal[...]``, ``[key]``); people wrote none."""
    return isinstance(part, str) and (
        part in ("float", "int", "str", "[key]") or part.startswith(("literal[", "function-"))
    )


def _dotted(location: Location) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _line(root: yaml.Node, location: Location) -> int:
    """Line of the deepest part of ``location`` that stands in the file; of its key where it has one."""
    node, line = root, root.start_mark.line
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, child) for key, child in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def _known_keys(location: Location) -> list[str]:
    """Names of the fields that exist at ``location``, by walking the models' annotations."""
    annotation: Any = Config
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


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(known)}" if known else ""


def _cross_references(config: Config, root: yaml.Node, where: str) -> Iterator[Problem]:
    """Names that must exist, and combinations that cannot work."""

    def at(location: Location, message: str, fix: str = "") -> Problem:
        return Problem(where=f"{where}:{_line(root, location)}", field=_dotted(location), message=message, fix=fix)

    def unknown(location: Location, name: str, allowed: str) -> Problem:
        known = sorted((*config.agents, *((allowed,) if allowed else ())))
        return at(location, f"names an agent {name!r} that is not in `agents`", _did_you_mean(name, known))

    def check_pair(pair: PairConfig, location: Location) -> Iterator[Problem]:
        if pair.instruction != KEEP and pair.instruction not in config.agents:
            yield unknown((*location, "instruction"), pair.instruction, KEEP)
        if pair.response != SEED and pair.response not in config.agents:
            yield unknown((*location, "response"), pair.response, SEED)

    for index, pair in enumerate(config.pairs or ()):
        yield from check_pair(pair, ("pairs", index))
    for index, pair in enumerate(config.base_pairs):
        yield from check_pair(pair, ("base_pairs", index))
    for index, name in enumerate(config.referee.agents):
        if name not in config.agents:
            yield unknown(("referee", "agents", index), name, "")
    if config.needs_referee and not config.referee.agents:
        fix = "write `referee: {agents: [NAME]}`, or choose `selection: gap`"
        yield at(("referee", "agents"), f"`selection: {config.selection}` needs a referee", fix)
    if config.selection != "base" and not config.pool:
        yield at(("pairs",), "no pair is left to draw from", "name at least one pair that is not a base pair")
    floor = config.evolution.floor
    if floor != "auto" and len(config.pool) * floor > 1:
        limit = 1 / len(config.pool)
        yield at(("evolution", "floor"), f"{len(config.pool)} pairs cannot each keep that much", f"at most {limit:.4g}")
    embedder = config.memory.embedder
    if embedder.startswith("agent:") and embedder.removeprefix("agent:") not in config.agents:
        yield unknown(("memory", "embedder"), embedder.removeprefix("agent:"), "")

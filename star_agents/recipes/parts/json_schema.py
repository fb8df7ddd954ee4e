"""JSON in a reply, and values held to a JSON schema, as far as descriptions of functions use it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from star_agents.limits.json_structure import JsonBounds, measure

_BOUNDS = JsonBounds(depth=50, containers=20_000, keys=20_000, elements=50_000)
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "array": list,
    "object": dict,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def json_in(text: str) -> Any:
    """The JSON value that a text is, in a fence or without. Raises ValueError: why it is none."""
    stripped = text.strip()
    fenced = _FENCED.match(stripped)
    body = fenced.group(1) if fenced else stripped
    measure(body.encode("utf-8", "replace"), _BOUNDS)
    try:
        return json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def schema_flaw(value: Any, schema: Mapping[str, Any], what: str) -> str:
    """What keeps a value from a schema (type, enum, const, required, properties, additionalProperties, items, bounds);
    empty where nothing does. ``what`` names the value."""
    return next(_flaws(value, schema, what), "")


def _flaws(value: Any, schema: Mapping[str, Any], what: str) -> Iterator[str]:
    kinds = _kinds(schema)
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{what} is no {' or '.join(kinds)}"
        return
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        yield f"{what} is none of {', '.join(map(str, schema['enum']))}"
    if "const" in schema and value != schema["const"]:
        yield f"{what} is not {schema['const']!r}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, what)
    if isinstance(value, list):
        yield from _of_list(value, schema, what)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _beyond(value, schema, what, "minimum", "maximum")
    if isinstance(value, str):
        yield from _beyond(len(value), schema, f"the length of {what}", "minLength", "maxLength")


def _of_object(value: Mapping[str, Any], schema: Mapping[str, Any], what: str) -> Iterator[str]:
    required, known = schema.get("required", []), schema.get("properties", {})
    for name in required if isinstance(required, list) else []:
        if name not in value:
            yield f"{what} has no {name!r}"
    for name, one in value.items():
        inner = known.get(name) if isinstance(known, Mapping) else None
        if isinstance(inner, Mapping):
            yield from _flaws(one, inner, repr(name))
        elif schema.get("additionalProperties") is False:
            yield f"{what} has {name!r}, which it cannot have"


def _of_list(value: list[Any], schema: Mapping[str, Any], what: str) -> Iterator[str]:
    yield from _beyond(len(value), schema, f"the length of {what}", "minItems", "maxItems")
    inner = schema.get("items")
    if isinstance(inner, Mapping):
        for number, one in enumerate(value, start=1):
            yield from _flaws(one, inner, f"item {number} of {what}")


def _beyond(value: float, schema: Mapping[str, Any], what: str, low: str, high: str) -> Iterator[str]:
    for name, sign in ((low, 1), (high, -1)):
        bound = schema.get(name)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool) and sign * value < sign * bound:
            yield f"{what} is {value:g}, and {name} is {bound:g}"


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    named = kind if isinstance(kind, list) else [kind]
    return [one for one in named if isinstance(one, str) and one in _TYPES]


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind in ("integer", "number"):
        return False
    if isinstance(value, float) and kind == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES[kind])

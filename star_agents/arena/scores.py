"""What a judge says of two answers: points and reasons for each, read so that no answer can be taken for its word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from star_agents.text.coded_objects import CODE, Pairs, coded_objects

LOWEST, HIGHEST = 1, 10
"""Points, as in Arena Learning."""
REASONS = ("first_reason", "second_reason")
SCORES = ("first_score", "second_score")
_KEYS = (CODE, *REASONS, *SCORES)
_REASON_LETTERS = 400
"""Two sentences, for servers that can bound a string: a small model would else go on until its tokens are spent."""


class Scored(NamedTuple):
    """A judge's points for two answers, in the order in which they were shown."""

    first: float
    """From 1 to 10."""
    second: float
    first_reason: str = ""
    second_reason: str = ""


def scores_form(code: str) -> Mapping[str, Any]:
    """JSON schema of a judge's reply: the code, the reasons, and the points last."""
    reason = {"type": "string", "maxLength": _REASON_LETTERS}
    points = {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))}
    properties: dict[str, Any] = {
        CODE: {"type": "string", "enum": [code]},
        **dict.fromkeys(REASONS, reason),
        **dict.fromkeys(SCORES, points),
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def read_scores(text: str, code: str) -> Scored:
    """The points in a judge's reply.

    Only an object that carries the code counts, which no player can know; every such object has to say the same.

    Raises:
        ValueError: what is wrong, in words by which the judge can mend it.
    """
    found = [_scored(pairs) for pairs in coded_objects(text, code, _KEYS)]
    if not found:
        raise ValueError(f'the reply holds no JSON object with "{CODE}": "{code}"')
    if len({(one.first, one.second) for one in found}) > 1:
        raise ValueError("the reply holds several objects with the code, which differ")
    return found[-1]


def _scored(pairs: Pairs) -> Scored:
    for key in (CODE, *SCORES):
        if sum(name == key for name, _ in pairs) != 1:
            raise ValueError(f'the object has to hold "{key}" once')
    said = dict(pairs)
    first, second = (_points(said[key], key) for key in SCORES)
    reasons = (said.get(key, "") for key in REASONS)
    return Scored(first, second, *(one.strip() if isinstance(one, str) else "" for one in reasons))


def _points(value: object, key: str) -> float:
    try:
        points = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        points = math.nan
    if not LOWEST <= points <= HIGHEST:
        raise ValueError(f'"{key}" has to be a number from {LOWEST} to {HIGHEST}')
    return points

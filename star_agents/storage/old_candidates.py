"""Candidates of releases before schema 12 as trials, judgements and rewards: functions of migration 0012.

They work on plain data alone, as those releases wrote it, and keep every bit of a float; what the records of today look
like may change without them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from star_agents.text.plain_data import from_json, to_json

_FAILURES = ("call", "down", "budget", "length", "empty", "format")
_FORMULA = "perplexity_ratio"


def give_functions(connection: sqlite3.Connection) -> None:
    """What the migration calls."""
    for function in (trial_of_candidate, outcome_with_earned):
        connection.create_function(function.__name__, 1, function, deterministic=True)
    connection.create_function("judgements_of_candidate", 4, judgements_of_candidate, deterministic=True)


def trial_of_candidate(payload: str) -> str:
    """The trial, as JSON."""
    assessed = from_json(payload)
    candidate, score = assessed["candidate"], assessed.get("score")
    return to_json(
        {
            "arm": candidate["pair"],
            "sample": candidate["sample"],
            "role": "base" if candidate["is_base"] else "drawn",
            "failure": _failure(candidate["failure"]),
            "measures": _measures(assessed),
            "models": candidate["models"],
            "prompts": candidate["prompts"],
            "cost_usd": candidate["cost_usd"],
            "reasoning": candidate.get("reasoning", ""),
            "notes": _notes(score) if score else {},
        }
    )


def judgements_of_candidate(payload: str, place: int, base: int | None, orders: str | None) -> str:
    """The judgements on one candidate, as a list in JSON."""
    verdict = from_json(payload).get("verdict")
    if verdict is None:
        return "[]"
    common = {"left": place, "right": base or 0, "scores": [], "orders": 1 if orders == "one" else 2}
    said = [
        {
            **common,
            "judge": vote["referee"],
            "value": vote["value"],
            "agreed": bool(vote["agreed"]),
            "readable": bool(vote.get("readable", True)),
            "reason": "",
        }
        for vote in verdict["votes"]
    ]
    value, failure = verdict["value"], verdict.get("failure", "")
    if (said or failure) and [one["value"] for one in said] != [value]:
        told = {"judge": "", "value": value, "agreed": True, "readable": value is not None, "reason": failure}
        said.append({**common, **told})
    return to_json(said)


def outcome_with_earned(payload: str) -> str:
    """The outcome without its choice and rewards, which are a row and what arms have earned, as JSON."""
    outcome = from_json(payload)
    rewards = [{"pool": "star.pairs", "arm": arm, "value": value} for arm, value in outcome.get("rewards", ())]
    kept = {name: value for name, value in outcome.items() if name not in ("chosen", "rewards")}
    return to_json({**kept, "earned": [*outcome.get("earned", ()), *rewards]})


def _failure(text: str) -> dict[str, str] | None:
    kind, _, detail = text.partition(": ")
    if kind in _FAILURES:
        return {"kind": kind, "detail": detail}
    return {"kind": "call", "detail": text} if text else None


def _measures(assessed: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if score := assessed.get("score"):
        small, large = score["ifd_small"], score["ifd_large"]
        gap = None if small is None or large is None else small - large
        found |= {"ifd_small": small, "ifd_large": large, "gap": gap}
        found["response_tokens"] = score.get("response_tokens", 0)
    if assessed["pi_dual"] is not None:
        found["pi_dual"] = assessed["pi_dual"]
    if assessed.get("verdict") is not None:
        found["pi_llm"] = assessed["verdict"]["value"]
    if assessed["pi"] is not None:
        found["pi"] = assessed["pi"]
    return found


def _notes(score: Mapping[str, Any]) -> dict[str, str]:
    reason = score.get("reason", "")
    return {"formula": score.get("formula", _FORMULA), **({"unscored": reason} if reason else {})}

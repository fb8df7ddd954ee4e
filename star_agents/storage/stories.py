"""The whole story of a seed: what was drawn, asked, written, scored, judged, and why one was chosen."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from star_agents.observe.status.reading import read
from star_agents.observe.stories import SeedStory
from star_agents.records import Document, Judgement, Outcome, Sample, Seed, Trial
from star_agents.records.seeds import without_part
from star_agents.records.tool_text import as_text
from star_agents.storage.reads import outcomes_of_seed
from star_agents.storage.seed_columns import seed_from_columns
from star_agents.storage.sql import execute
from star_agents.storage.why import why
from star_agents.text.plain_data import from_json, json_text

_CLEARED = Sample(instruction="")
"""What retention leaves of a trial that no row is made of."""


def seed_story(connection: sqlite3.Connection, seed_id: str) -> SeedStory | None:
    """The story of a seed; ``None`` where the store does not know it."""
    row = execute(connection, "find_seed", id=seed_id).fetchone()
    if row is None:
        return None
    drawn = execute(connection, "newest_draw", seed_id=seed_id).fetchone()
    story = {
        "seed": _seed(row),
        "draw": None if drawn is None else from_json(drawn[0]),
        "calls": [_call(*call) for call in execute(connection, "calls_of_seed", seed_id=seed_id)],
        "outcomes": [
            {"seq": one.seq, "at": one.at, "revision": one.revision, "cleared_at": cleared_at, **_outcome(one.outcome)}
            for one, cleared_at in outcomes_of_seed(connection, seed_id)
        ],
    }
    # A model may write what no UTF-8 can hold; whoever reads a story is spared that.
    return read(SeedStory, from_json(json_text(story)))


def story_of_outcome(connection: sqlite3.Connection, seq: int) -> SeedStory | None:
    """The story of the seed of an outcome; ``None`` where there is no such outcome."""
    row = execute(connection, "seed_of_outcome", seq=seq).fetchone()
    return None if row is None else seed_story(connection, row[0])


def _seed(columns: Sequence[Any]) -> dict[str, Any]:
    seed = seed_from_columns(columns[:9])
    state, attempts, deaths, added_at = columns[9:]
    return {
        "id": seed.id,
        "kind": seed.kind,
        "recipe": seed.recipe,
        "labels": without_part(seed.labels),
        "part": seed.part,
        "parent": seed.parent,
        "round": seed.round,
        "sample": _content(seed),
        "source": seed.source,
        "meta": seed.meta,
        "state": state,
        "attempts": attempts,
        "deaths": deaths,
        "added_at": added_at,
    }


def _content(seed: Seed) -> dict[str, Any]:
    """What agents were shown; a document stands as one message."""
    if isinstance(seed.content, Document):
        message = {"role": "user", "content": seed.content.text}
        return {"instruction": seed.content.title, "input": seed.content.text, "response": None, "messages": [message]}
    sample = seed.content
    return {
        "instruction": sample.instruction,
        "input": sample.input,
        "response": sample.response,
        "messages": _messages(sample),
    }


def _call(
    step: str,
    agent: str,
    model: bytes | None,
    state: str,
    sends: int,
    cost_usd: float | None,
    prompt_tokens: int,
    completion_tokens: int,
    intended_at: float,
    answered_at: float | None,
) -> dict[str, Any]:
    return {
        "step": step,
        "agent": agent,
        "model": None if model is None else model.decode("utf-8", "replace"),
        "state": state,
        "sends": sends,
        "cost_usd": cost_usd,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "intended_at": intended_at,
        "answered_at": answered_at,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    chosen = outcome.chosen
    return {
        "recipe": outcome.recipe,
        "kind": outcome.kind,
        "reason": outcome.reason,
        "why": why(outcome),
        "chosen": next(iter(chosen), None),
        "cost_usd": outcome.cost_usd,
        "candidates": [
            _candidate(trial, outcome.judgements_of(place), is_chosen=place in chosen)
            for place, trial in enumerate(outcome.trials)
        ],
        "judgements": [_judgement(one) for one in outcome.judgements],
    }


def _judgement(one: Judgement) -> dict[str, Any]:
    return {
        "judge": one.judge,
        "left": one.left,
        "right": one.right,
        "scores": list(one.scores),
        "value": one.value,
        "orders": one.orders,
        "rewards": list(one.rewards),
        "gap": one.gap,
        "reason": one.reason,
    }


def _candidate(trial: Trial, said: Sequence[Judgement], *, is_chosen: bool) -> dict[str, Any]:
    measures = trial.measures
    shown = replace(trial.sample, tool_turns=())
    return {
        "pair": trial.arm,
        "role": trial.role,
        "is_base": trial.role == "base",
        "chosen": is_chosen,
        "messages": [] if trial.sample == _CLEARED else _messages(shown),
        "failure": str(trial.failure or ""),
        "score": _score(trial) if "ifd_small" in measures else None,
        "pi_dual": measures.get("pi_dual"),
        "pi_llm": measures.get("pi_llm"),
        "pi": measures.get("pi"),
        "measures": dict(measures),
        "verdict": _verdict(measures.get("pi_llm"), said) if said or "pi_llm" in measures else None,
        "models": dict(trial.models),
        "prompts": list(trial.prompts),
        "trace": trial.notes.get("trace") or "\n\n".join(turn.content for turn in as_text(trial.sample.tool_turns)),
        "cost_usd": trial.cost_usd,
    }


def _score(trial: Trial) -> dict[str, Any]:
    measures, notes = trial.measures, trial.notes
    return {
        **{name: measures.get(name) for name in ("ifd_small", "ifd_large", "gap")},
        "response_tokens": measures.get("response_tokens") or 0,
        "reason": notes.get("unscored", ""),
        "formula": notes.get("formula", ""),
    }


def _verdict(value: float | None, said: Sequence[Judgement]) -> dict[str, Any]:
    votes = [
        {"referee": one.judge, "value": one.value, "agreed": one.agreed, "readable": one.readable}
        for one in said
        if one.judge
    ]
    return {"value": value, "votes": votes, "failure": "".join(one.reason for one in said if not one.judge)}


def _messages(sample: Sample) -> list[dict[str, str]]:
    return [message.to_dict() for message in sample.messages]

"""What the rounds of a folder came to, as plain data: for the table, the JSON, and the report. Read from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from star_agents.arena.ratings import Ratings
from star_agents.engine.campaign import figures
from star_agents.engine.campaign.plan import BASE
from star_agents.engine.campaign.state import EXAMS, STORES, CampaignState, StepState, read_state
from star_agents.errors import StoreError

SUMMARY_FILE = "summary.json"


def rounds_summary(folder: Path) -> dict[str, Any]:
    """Every step with what it came to, and the ratings of all targets.

    Raises:
        StoreError: there are no rounds, or their state cannot be read.
    """
    state = read_state(folder)
    if state is None:
        raise StoreError(f"{folder}: no rounds were begun here (`star-agents rounds -o {folder}` begins them)")
    agent = str(state.fixed.get("agent", ""))
    ratings = _ratings(state, folder / EXAMS)
    by_player = {} if ratings is None else {one.player: one for one in ratings.players}
    steps = []
    for name, one in state.steps.items():
        rated = by_player.get(f"{agent}-{name}")
        steps.append({**_step(name, one), "rating": None if rated is None else rated.to_dict()})
    taken = [one["name"] for one in steps if "taken" in one["phases"]]
    return {
        "rounds": state.rounds,
        "target": taken[-1] if taken else BASE,
        "model": _model(state, taken[-1]) if taken else state.fixed.get("model"),
        "stopped": state.stopped,
        "troubles": state.troubles,
        "steps": steps,
        "anchor": None if ratings is None else ratings.anchor,
        "players": [] if ratings is None else [one.to_dict() for one in ratings.players],
        "exam_battles": 0 if ratings is None else ratings.battles,
        "exam_prompts": 0 if ratings is None else ratings.prompts,
        "cost": _sum(*(figures.spent_in(folder / name) for name in STORES)),
    }


def _ratings(state: CampaignState, exams: Path) -> Ratings | None:
    """Of all who met, beside the first opponent of the first exam: no rating moves when another target comes."""
    anchors = [one.done["exam"].get("anchor") for one in state.steps.values() if "exam" in one.done]
    anchored = figures.ratings_in(exams, anchor=anchors[0]) if anchors else None
    return anchored or figures.ratings_in(exams)


def _model(state: CampaignState, name: str) -> Any:
    return state.path_of(state.steps[name].done["taken"]["model"])


def _step(name: str, one: StepState) -> dict[str, Any]:
    """A step in one line."""
    data, rows, model, exam = (one.done.get(phase, {}) for phase in ("data", "rows", "model", "exam"))
    return {
        "name": name,
        "phases": list(one.done),
        "failures": one.failures,
        "given_up": one.is_given_up,
        "seeds": data.get("seeds"),
        "dropped": data.get("dropped"),
        "rows": rows.get("rows"),
        "own_rows": rows.get("own_rows"),
        "battles": data.get("battles"),
        "loss_rate": data.get("loss_rate"),
        "difficulty": data.get("difficulty"),
        "first_loss": model.get("first_loss"),
        "last_loss": model.get("last_loss"),
        "training_steps": model.get("steps"),
        "reward": model.get("reward"),
        "benchmark": one.done.get("benchmark"),
        "gain": exam.get("gain"),
        "gain_over": exam.get("gain_over"),
        "calls": data.get("calls"),
        "usd": data.get("usd"),
        "calls_of_unknown_price": data.get("calls_of_unknown_price"),
    }


def _sum(*spent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sum(one[name] for one in spent) for name in ("calls", "usd", "calls_of_unknown_price")}

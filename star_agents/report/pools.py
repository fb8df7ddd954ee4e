"""What the pools of recipes turned to over a run: which arms are drawn more than at the start and which less, beside
what they earned; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from star_agents.report.curves import LOOKS, Edit, Moment, curves, rank
from star_agents.report.drawing import Drawing

CHANGED = 1.5
"""An arm is told of that is drawn so many times as often as at the start, or so many times as seldom."""
NAMED = 3
"""Arms that are told of by name, the most changed."""


class Turn(NamedTuple):
    """An arm that is drawn more than at the start, or less."""

    arm: str
    start: float
    now: float
    draws: int
    mean_reward: float | None


class Turned(NamedTuple):
    """What a pool turned to."""

    more: Sequence[Turn]
    """Those that gained most, the first of them most; at most ``NAMED``."""
    less: Sequence[Turn]
    more_arms: int
    """How many gained so much, those that are named among them."""
    less_arms: int
    mean_reward: float | None
    """Of all arms together; ``None`` before the first reward."""
    rewards: int
    drawing: Drawing
    is_grey: bool
    """Whether there are more arms than colours."""


def turned(arms: Mapping[str, Mapping[str, Any]], moments: Sequence[Moment], edits: Sequence[Edit]) -> Turned | None:
    """What a pool turned to; ``None`` where its probabilities have no history.

    Args:
        arms: By name: ``draws``, ``rewards`` and ``mean_reward``, as the summary has them.
        moments: Its probabilities over the outcomes.
        edits: Changes of agents.yaml on the way.
    """
    if len(moments) < 2:
        return None
    start: dict[str, float] = {}
    for moment in moments:
        start = {**moment.probabilities, **start}
    turns = [
        Turn(name, start[name], now, arms[name]["draws"], arms[name]["mean_reward"])
        for name, now in moments[-1].probabilities.items()
        if name in arms
    ]
    more = sorted((one for one in turns if one.now >= CHANGED * one.start), key=lambda one: one.start - one.now)
    less = sorted((one for one in turns if one.now <= one.start / CHANGED), key=lambda one: one.now - one.start)
    rewards = sum(one["rewards"] for one in arms.values())
    earned = sum(one["rewards"] * (one["mean_reward"] or 0.0) for one in arms.values())
    return Turned(
        more=more[:NAMED],
        less=less[:NAMED],
        more_arms=len(more),
        less_arms=len(less),
        mean_reward=earned / rewards if rewards else None,
        rewards=rewards,
        drawing=curves(_in_short(moments), edits, of="arm"),
        is_grey=len(rank(moments)) > LOOKS,
    )


def _in_short(moments: Sequence[Moment]) -> list[Moment]:
    """Without the folder that all arms lie in: a line has room for a short name."""
    folders = {name.rpartition("/")[0] for one in moments for name in one.probabilities}
    (shared,) = folders if len(folders) == 1 else ("",)
    cut = len(shared) + 1 if shared else 0
    return [Moment(one.seq, {name[cut:]: value for name, value in one.probabilities.items()}) for one in moments]

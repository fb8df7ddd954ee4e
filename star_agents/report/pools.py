"""A pool of a recipe in the report: its curves, what it turned to and why, its arms with all that was counted; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.report import turning
from star_agents.report.curves import LOOKS, Edit, Moment, curves, rank
from star_agents.text.arm_names import shared_folder

OPEN = 30
"""Arms that stand open in the table; the others are folded away."""
Data = Mapping[str, Any]


def pool(
    name: str, arms: Mapping[str, Data], turns: Data | None, moments: Sequence[Moment], edits: Sequence[Edit]
) -> Data:
    """What its section shows.

    Args:
        name: Of the pool.
        arms: As the summary has them.
        turns: What it turned to, where that is counted.
        moments: Its probabilities over the outcomes.
        edits: Changes of agents.yaml on the way.
    """
    rewards = sum(one["rewards"] for one in arms.values())
    earned = sum(one["rewards"] * (one["mean_reward"] or 0.0) for one in arms.values())
    has_curves = len(moments) > 1 and rewards > 0
    return {
        "name": name,
        "curves": curves(_in_short(moments), edits, of="arm") if has_curves else None,
        "is_grey": has_curves and len(rank(moments)) > LOOKS,
        "rewards": rewards,
        "mean_reward": earned / rewards if rewards else None,
        **told(name, turns),
        "arms": sorted(arms.items(), key=lambda item: -(item[1]["probability"] or 0.0)),
        **_added(arms),
    }


def _added(arms: Mapping[str, Data]) -> Data:
    """The arms that were added while the recipe worked, in the order in which they came."""
    added = [(name, arm) for name, arm in arms.items() if arm.get("grown")]
    added.sort(key=lambda item: item[1]["grown"]["seq"])
    return {"added": added, "retired": sum(bool(arm["grown"]["retired"]) for _, arm in added)}


def told(name: str, turns: Data | None) -> Data:
    """What it turned to, or how seeds ended by what stands in a column of that name."""
    if turns is None:
        return {"name": name, "turns": None, "turning": None, "open": [], "folded": []}
    rows = turns["rows"]
    picture = turning.drawing(turns)
    return {"name": name, "turns": turns, "turning": picture, "open": rows[:OPEN], "folded": rows[OPEN:]}


def _in_short(moments: Sequence[Moment]) -> list[Moment]:
    """Without the folder that all arms lie in: a line has room for a short name."""
    cut = len(shared_folder({name for one in moments for name in one.probabilities}))
    return [Moment(one.seq, {name[cut:]: value for name, value in one.probabilities.items()}) for one in moments]

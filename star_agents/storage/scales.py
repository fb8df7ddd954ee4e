"""What rewards of reward models stand for, as the store keeps it: one fact for each jury, target and calibration."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from star_agents.arena.quantile_map import QuantileMap
from star_agents.observe.status import JudgeScale
from star_agents.records import is_reward_model
from star_agents.storage.sql import execute
from star_agents.text.content_hash import digest
from star_agents.text.plain_data import from_json

_KEY = "scale:"


def scale_key(named: Mapping[str, Any]) -> str:
    """Name of the fact about the store; another target, model of it, jury or number of battles is another scale."""
    return f"{_KEY}{digest(named)[:32]}"


def scales(connection: sqlite3.Connection) -> tuple[JudgeScale, ...]:
    """Of the reward models in the juries that judged last; an edit may have given others their place."""
    rows = execute(connection, "meta_by_prefix", prefix=f"{_KEY}*")
    records = [from_json(value) for _, value in rows]
    newest = max((record["revision"] for record in records), default=0)
    in_force = [record for record in records if record["revision"] == newest]
    return tuple(scale_of(record, judge) for record in in_force for judge in record["jury"] if is_reward_model(judge))


def scale_of(record: Mapping[str, Any], judge: str) -> JudgeScale:
    """One judge's, out of what is kept."""
    kept = (record["maps"] or {}).get(judge)
    made = None if kept is None else QuantileMap.from_dict(kept)
    found = sum(len(one.get(judge, ())) for one in record["seeds"].values())
    is_alone = all(map(is_reward_model, record["jury"]))
    return JudgeScale(
        judge=judge,
        target=record["target"],
        jury=tuple(record["jury"]),
        battles=found,
        wanted=record["battles"],
        scale=made.name if made else "",
        same_winner=made.same_winner if made else None,
        seeds_waiting=len(record["seeds"]) if is_alone and made is None else 0,
        sentence=_sentence(judge, found, record["battles"], made, is_alone=is_alone),
    )


def _sentence(judge: str, found: int, wanted: int, made: QuantileMap | None, *, is_alone: bool) -> str:
    if made is not None:
        few = f", fewer than the {wanted:,} of `calibration`" if made.battles < wanted else ""
        doubt = f"; {made.doubt}" if made.doubt else ""
        return f"judge {judge}: its rewards have a scale, made of {made.battles:,} battles{few}{doubt}"
    until = (
        "their instructions wait until then, at no cost; a lower `calibration` ends that"
        if is_alone
        else "until then the other judges decide alone"
    )
    return f"judge {judge}: {found:,} of the {wanted:,} battles are measured that its scale is made of; {until}"

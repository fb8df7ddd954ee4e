"""Where the rows stand that are wanted: for status, summary and report alike. Pure."""

from __future__ import annotations

from star_agents.config.target import TargetConfig
from star_agents.observe.status import Target
from star_agents.storage.tallies import Tallies


def target_facts(wanted: TargetConfig, tallies: Tallies) -> Target:
    """Where they stand in a store."""
    rows = sum(one.rows.get(wanted.shape, 0) for one in tallies.recipes)
    spare = tallies.spare.get(wanted.shape, 0)
    sentence = target_sentence(wanted, rows, spare)
    return Target(shape=wanted.shape, wanted=wanted.rows, rows=rows, spare=spare, sentence=sentence)


def target_sentence(wanted: TargetConfig, rows: int, spare: int) -> str:
    """Where a target stands."""
    kept = f", {spare:,} spare" if spare else ""
    over = f", {rows - wanted.rows:,} above it were there before and stay" if rows > wanted.rows else ""
    return f"target: {rows:,} of {wanted.rows:,} rows ({wanted.shape}){kept}{over}"

"""What a recipe gives back: outcomes, and the rows in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.records import Claim, Judgement, NewArm, Outcome, RetiredArm, Reward, Row, Sample, Seed, Trial


def done(
    seed: Seed,
    *,
    rows: Sequence[Row] = (),
    children: Sequence[Seed] = (),
    trials: Sequence[Trial] = (),
    judgements: Sequence[Judgement] = (),
    earned: Sequence[Reward] = (),
    worth: float | None = None,
    claims: Sequence[Claim] = (),
    added: Sequence[NewArm] = (),
    retired: Sequence[RetiredArm] = (),
) -> Outcome:
    """The outcome of a seed that something came of; see ``records.Outcome``."""
    return Outcome(
        seed_id=seed.id,
        kind="kept",
        rows=tuple(rows),
        children=tuple(children),
        trials=tuple(trials),
        judgements=tuple(judgements),
        earned=tuple(earned),
        worth=worth,
        claims=tuple(claims),
        added=tuple(added),
        retired=tuple(retired),
    )


def dropped(
    seed: Seed,
    reason: str,
    *,
    trials: Sequence[Trial] = (),
    earned: Sequence[Reward] = (),
    added: Sequence[NewArm] = (),
    retired: Sequence[RetiredArm] = (),
) -> Outcome:
    """The outcome of a seed that nothing came of, and why."""
    return Outcome(
        seed_id=seed.id,
        kind="dropped",
        reason=reason,
        trials=tuple(trials),
        earned=tuple(earned),
        added=tuple(added),
        retired=tuple(retired),
    )


def sft(sample: Sample, *, labels: Mapping[str, str] | None = None, from_trials: Sequence[int] = ()) -> Row:
    """A row to fine-tune on: an instruction with its response."""
    return Row(shape="sft", data={"sample": sample.to_dict()}, labels=labels or {}, from_trials=tuple(from_trials))


def preference(
    prompt: Sample, chosen: str, rejected: str, *, margin: float | None = None, labels: Mapping[str, str] | None = None
) -> Row:
    """Two answers to one prompt, the first one the better; with a ``margin`` it is a row for a reward model."""
    data: dict[str, Any] = {"prompt": prompt.to_dict(), "chosen": chosen, "rejected": rejected}
    if margin is None:
        return Row(shape="preference", data=data, labels=labels or {})
    return Row(shape="reward", data={**data, "margin": margin}, labels=labels or {})

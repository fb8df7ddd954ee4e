"""What an outcome claims to be new: instructions that are admitted only where no earlier one is nearly the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from star_agents.records.outcomes import Outcome
from star_agents.records.seeds import Seed
from star_agents.records.trials import Failure, Reward, Row, Trial
from star_agents.records.wording import Claim

REPEATS = "it repeats an earlier instruction"
"""Why an instruction is refused whose like was admitted."""
REPEATS_IN_DOCUMENT = "the document has nearly the same instruction already"
"""Why one is refused whose like stands beside it."""
NOTE = "repeats"
"""The note of a refused trial that points at the earlier one: the id of its seed and its place among the trials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeat:
    """What a claim nearly repeats."""

    seed_id: str
    place: int
    """Of its trial among those of that seed's outcome."""
    name: str
    """Where that seed came from, for people."""
    similarity: float

    @property
    def reason(self) -> str:
        """Why the claim is refused."""
        return f"{REPEATS} ({self.similarity:.0%} alike: {self.name})"


def without_repeats(outcome: Outcome, repeats: Mapping[int, Repeat]) -> tuple[Outcome, frozenset[str]]:
    """An outcome without what repeats something, and the ids of its children that are not to be queued. Pure.

    The refused trials have failed, and point at what they repeat; rows made of them are gone. What an arm earned is
    less by the share of its claims that were refused, so that one that made only repeats earns 0; children that are not
    queued are worth 0 to the arms in their labels (``storage.rewards_due``). Where nothing is left the seed is dropped.

    Args:
        outcome: As its recipe gave it.
        repeats: By the place of the claim.
    """
    if not repeats:
        return outcome, frozenset()
    by_trial = {outcome.claims[place].trial: (outcome.claims[place], one) for place, one in repeats.items()}
    trials = tuple(
        _refused(trial, *by_trial[place]) if place in by_trial else trial for place, trial in enumerate(outcome.trials)
    )
    rows = tuple(row for row in outcome.rows if not by_trial.keys() & set(row.from_trials))
    children = frozenset(claim.child for claim, _ in by_trial.values() if claim.child)
    earned = tuple(_less(reward, outcome.claims, repeats) for reward in outcome.earned)
    changed = replace(outcome, trials=trials, rows=rows, earned=earned)
    if not rows and all(child.id in children for child in outcome.children):
        first = next(iter(repeats.values()))
        changed = replace(changed, kind="dropped", reason=f"all that came of it was refused: {first.reason}")
    return changed, children


def with_claims_of_rows(outcome: Outcome, children: Sequence[Seed], rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows that children have become, each said to be made of the trial that its claim is about."""
    trial_of = {claim.child: claim.trial for claim in outcome.claims if claim.child}
    return tuple(
        replace(row, from_trials=(trial_of[child.id],)) if child.id in trial_of else row
        for child, row in zip(children, rows, strict=True)
    )


def _refused(trial: Trial, claim: Claim, repeat: Repeat) -> Trial:
    return replace(
        trial,
        failure=Failure(kind="format", detail=repeat.reason),
        measures={**trial.measures, **claim.measures_if_refused},
        notes={**trial.notes, NOTE: f"{repeat.seed_id}:{repeat.place}"},
    )


def _less(reward: Reward, claims: Sequence[Claim], refused: Collection[int]) -> Reward:
    of_arm = [place for place, claim in enumerate(claims) if claim.arms.get(reward.pool) == reward.arm]
    if not of_arm:
        return reward
    admitted = sum(place not in refused for place in of_arm)
    return replace(reward, value=reward.value * admitted / len(of_arm))

"""An outcome without what admission refused of its rows and children. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from star_agents.records.findings import Finding, tried_by_admission
from star_agents.records.outcomes import Outcome
from star_agents.records.trials import Failure, Reward, Row, Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A row or a child, and what admission has against it."""

    findings: tuple[Finding, ...]
    arms: tuple[str, ...]
    """Of the trials behind it."""
    pools: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pool to arm, of what was drawn for it, where that is known."""
    row: Row | None = None
    """A row as it is admitted; ``None``: it is a child."""
    child: str = ""
    """Id of the child."""
    trials: tuple[int, ...] = ()
    measures_if_refused: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """What is measured of these trials then."""

    @property
    def refused_for(self) -> Finding | None:
        """Why it is refused, if it is."""
        return next((one for one in self.findings if one.action == "refused"), None)


def admitted(
    outcome: Outcome, judged: Sequence[Judged], notes: Mapping[int, str], refuses: str
) -> tuple[Outcome, frozenset[str]]:
    """What is admitted of an outcome, and the ids of its children that are not to be queued.

    What an arm earned is less by the share that was refused of what it gave, so that one whose rows were all refused
    earns 0: of what was drawn for it where that is known, else of what is made of its trials, else of everything. So is
    what the seed is worth. Where nothing is left of it the seed is dropped.

    Args:
        outcome: With its rows and children as far as they are not refused already.
        judged: Every one of them, rows first, in order.
        notes: Place of a trial to why no preference pair is made of it.
        refuses: Role of the trials that are refused with what is made of them; empty for none.
    """
    findings = tuple(finding for one in judged for finding in one.findings)
    refused = [one for one in judged if one.refused_for is not None]
    rows = tuple(one.row for one in judged if one.row is not None and one.refused_for is None)
    children = frozenset(one.child for one in refused if one.child)
    if findings or rows != outcome.rows:
        outcome = replace(outcome, rows=rows, findings=(*outcome.findings, *findings))
    if refused or notes:
        why = {place: one for one in refused for place in one.trials}
        trials = [_noted(trial, why.get(at), notes.get(at), refuses) for at, trial in enumerate(outcome.trials)]
        outcome = replace(outcome, trials=tuple(trials))
    if refused:
        share = 1 - len(refused) / len(judged)
        outcome = replace(
            outcome,
            earned=tuple(_lessened(one, judged, outcome.trials) for one in outcome.earned),
            worth=None if outcome.worth is None else outcome.worth * share,
        )
        first = refused[0].refused_for
        if first is not None and not rows and all(child.id in children for child in outcome.children):
            told = f"{first.objection.filter}: {first.objection.reason}"
            outcome = replace(outcome, kind="dropped", reason=f"all that came of it was refused: {told}")
    if judged:
        arms = Counter(arm for one in judged for arm in dict.fromkeys(one.arms)) if not refuses else Counter[str]()
        tried = tried_by_admission(findings, outcome.recipe, arms, offered=len(judged))
        outcome = replace(outcome, tried=(*outcome.tried, *tried))
    return outcome, children


REFUSED = "refused"
"""The note of a trial that admission would not have in the dataset, such as in a preference pair: why."""


def _noted(trial: Trial, judged: Judged | None, note: str | None, refuses: str) -> Trial:
    if judged is None or judged.refused_for is None:
        return trial if note is None else replace(trial, notes={**trial.notes, REFUSED: note})
    told = judged.refused_for.objection
    why = f"{told.reason} ({told.points_at})" if told.points_at else told.reason
    measures = {**trial.measures, **judged.measures_if_refused}
    noted = replace(trial, measures=measures, notes={**trial.notes, REFUSED: f"{told.filter}: {why}"})
    if not refuses or trial.role != refuses or trial.failure is not None:
        return noted
    return replace(noted, failure=Failure(kind="format", detail=why))


def _lessened(reward: Reward, judged: Sequence[Judged], trials: Sequence[Trial]) -> Reward:
    of_arm = [one for one in judged if one.pools.get(reward.pool) == reward.arm]
    if not of_arm and not any(reward.pool in one.pools for one in judged):
        of_arm = [one for one in judged if reward.arm in one.arms]
        if not of_arm and all(trial.arm != reward.arm for trial in trials):
            of_arm = list(judged)
    if not of_arm:
        return reward
    kept = sum(one.refused_for is None for one in of_arm)
    return reward if kept == len(of_arm) else replace(reward, value=reward.value * kept / len(of_arm))

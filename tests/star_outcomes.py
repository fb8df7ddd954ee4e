"""An outcome of Star in its own words again: candidates, scores and verdicts, for tests to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.recipes.star_records import BASE, FORMULA, UNSCORED, Assessed, Candidate
from star_agents.records import AgentPair, Judgement, Outcome, Score, Trial, Verdict, Vote


@dataclass(frozen=True, kw_only=True, slots=True)
class StarOutcome:
    """An outcome of Star in its own words."""

    outcome: Outcome
    candidates: tuple[Assessed, ...]
    chosen: int | None
    """Index into ``candidates``; ``None`` exactly when dropped."""
    rewards: tuple[tuple[str, float], ...]
    """Pair name and π for each pair that Eq. 8 rewards, in order of drawing."""

    @property
    def winner(self) -> Assessed | None:
        """The chosen candidate."""
        return None if self.chosen is None else self.candidates[self.chosen]


def read_star_outcome(outcome: Outcome) -> StarOutcome:
    """Inverse of ``star_records.star_outcome``."""
    return StarOutcome(
        outcome=outcome,
        candidates=tuple(_assessed(trial, outcome.judgements_of(place)) for place, trial in enumerate(outcome.trials)),
        chosen=next(iter(outcome.chosen), None),
        rewards=tuple((reward.arm, reward.value) for reward in outcome.earned),
    )


def _assessed(trial: Trial, judgements: Sequence[Judgement]) -> Assessed:
    candidate = Candidate(
        pair=AgentPair.from_name(trial.arm),
        is_base=trial.role == BASE,
        sample=trial.sample,
        failure=trial.failure,
        models=trial.models,
        prompts=trial.prompts,
        cost_usd=trial.cost_usd,
        reasoning=trial.reasoning,
    )
    measures = trial.measures
    return Assessed(
        candidate=candidate,
        score=_score(trial) if "ifd_small" in measures else None,
        pi_dual=measures.get("pi_dual"),
        verdict=_verdict(measures["pi_llm"], judgements) if "pi_llm" in measures else None,
        pi=measures.get("pi"),
    )


def _score(trial: Trial) -> Score:
    formula, tokens = trial.notes.get(FORMULA), int(trial.measures.get("response_tokens") or 0)
    return Score(
        ifd_small=trial.measures["ifd_small"],
        ifd_large=trial.measures.get("ifd_large"),
        reason=trial.notes.get(UNSCORED, ""),
        response_tokens=tokens,
        **({"formula": formula} if formula else {}),
    )


def _verdict(value: float | None, judgements: Sequence[Judgement]) -> Verdict:
    votes = tuple(
        Vote(referee=one.judge, value=one.value, agreed=one.agreed, readable=one.readable)
        for one in judgements
        if one.judge
    )
    said_by_nobody = "".join(one.reason for one in judgements if not one.judge)
    return Verdict(value=value, votes=votes, failure=said_by_nobody)

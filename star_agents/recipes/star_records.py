"""What Star finds out on the way, in its own words, and the same as trials, judgements, rows and rewards.

    base or drawn pair   Trial: arm = the pair's name, role = `base` or `drawn`
    IFD, Eq. 5 to 7      its measures; why there is no score, and by which formula, its notes
    vote of a referee    Judgement: left = the candidate, right = the base
    the chosen one       Row to fine-tune on
    π of a drawn pair    Reward in the pool `pairs`

A verdict without votes, such as that of the base on itself, is a measure alone; where no referee answered, or the votes
do not say it by themselves, what they came to is a judgement of nobody in particular, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from star_agents.records import (
    AgentPair,
    Failure,
    Judgement,
    Measure,
    Outcome,
    OutcomeKind,
    Reward,
    Row,
    Sample,
    Score,
    Trial,
    Verdict,
)

POOL = "pairs"
"""The recipe's pool of agent-pairs."""
BASE, DRAWN = "base", "drawn"
"""Roles of its trials."""
FORMULA, UNSCORED = "formula", "unscored"
"""Names of its notes."""
MEASURES = (
    Measure("gap", low=-1.0, high=1.0, what="IFD_small - IFD_large (numerator of Eq. 5)"),
    Measure("ifd_small", high=2.0, better="", what="IFD with the small model (Eq. 4)"),
    Measure("ifd_large", high=2.0, better="", what="IFD with the large model (Eq. 4)"),
    Measure("response_tokens", high=2000.0, better="", what="tokens of the response"),
    Measure("pi_dual", what="gap over the largest of the seed (Eq. 5)"),
    Measure("pi_llm", what="better than the base, say the referees (Eq. 6)"),
    Measure("pi", what="what the choice ranks by (Eq. 7)"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What one pair wrote for one seed (Eq. 2), or why it wrote nothing."""

    pair: AgentPair
    is_base: bool
    sample: Sample
    """Instruction and response as written; the seed's own where ``failure`` is set."""
    failure: Failure | None = None
    """Why it cannot be used; ``None`` for a usable candidate."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """Role (``instruction``, ``response``) to the model that wrote it."""
    prompts: tuple[str, ...] = ()
    """Versions of the prompt templates in use, such as ``respond@1:5f2c9a10``."""
    cost_usd: float | None = 0.0
    reasoning: str = ""
    """What the response agent thought before it answered; empty where nothing is known of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessed:
    """A candidate with everything that was found out about it."""

    candidate: Candidate
    score: Score | None = None
    pi_dual: float | None = None
    """Eq. 5 over the candidates of this seed; ``None`` where the selection does not score."""
    verdict: Verdict | None = None
    """``None`` where it was never judged (lazy judging, or a selection without a referee)."""
    pi: float | None = None
    """Eq. 7, or what the selection ranks by; ``None`` where judging was not needed to know that it loses, and where
    the verdict could not be read."""

    @property
    def is_without_verdict(self) -> bool:
        """Whether it was judged and nothing that was said could be read, or nobody answered."""
        return self.verdict is not None and self.verdict.value is None


def star_outcome(
    seed_id: str,
    kind: OutcomeKind,
    candidates: Sequence[Assessed] = (),
    *,
    reason: str = "",
    chosen: int | None = None,
    rewards: Sequence[tuple[str, float]] = (),
    orders: int = 2,
    pool: str = POOL,
    **fields: Any,
) -> Outcome:
    """The outcome as everybody reads it.

    Args:
        seed_id: Of what.
        kind: What became of it.
        candidates: What was found out.
        reason: Why it was dropped.
        chosen: Index of the chosen candidate.
        rewards: Pair name and π.
        orders: In how many orders the referees were asked.
        pool: Name of the pool of pairs, as the place where the outcome goes knows it.
        fields: More of the outcome.
    """
    rows = () if chosen is None else (_row(candidates[chosen].candidate.sample, chosen),)
    return Outcome(
        seed_id=seed_id,
        kind=kind,
        reason=reason,
        trials=tuple(map(_trial, candidates)),
        judgements=tuple(_judgements(candidates, orders)),
        rows=rows,
        earned=tuple(Reward(pool=pool, arm=pair, value=value) for pair, value in rewards),
        **fields,
    )


def _row(sample: Sample, place: int) -> Row:
    return Row(shape="sft", data={"sample": sample.to_dict()}, from_trials=(place,))


def _trial(one: Assessed) -> Trial:
    candidate = one.candidate
    return Trial(
        arm=candidate.pair.name,
        role=BASE if candidate.is_base else DRAWN,
        sample=candidate.sample,
        failure=candidate.failure,
        measures=_measures(one),
        models=candidate.models,
        prompts=candidate.prompts,
        cost_usd=candidate.cost_usd,
        reasoning=candidate.reasoning,
        notes=_notes(one.score),
    )


def _measures(one: Assessed) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    if (score := one.score) is not None:
        found |= {"ifd_small": score.ifd_small, "ifd_large": score.ifd_large, "gap": score.gap}
        found["response_tokens"] = score.response_tokens
    if one.pi_dual is not None:
        found["pi_dual"] = one.pi_dual
    if one.verdict is not None:
        found["pi_llm"] = one.verdict.value
    if one.pi is not None:
        found["pi"] = one.pi
    return found


def _notes(score: Score | None) -> dict[str, str]:
    if score is None:
        return {}
    return {FORMULA: score.formula, **({UNSCORED: score.reason} if score.reason else {})}


def _judgements(candidates: Sequence[Assessed], orders: int) -> Iterator[Judgement]:
    usable = (at for at, one in enumerate(candidates) if one.candidate.is_base and not one.candidate.failure)
    base = next(usable, 0)
    for place, verdict in ((at, one.verdict) for at, one in enumerate(candidates) if one.verdict is not None):
        for vote in verdict.votes:
            yield Judgement(
                judge=vote.referee,
                left=place,
                right=base,
                value=vote.value,
                agreed=vote.agreed,
                readable=vote.readable,
                orders=orders,
            )
        says_it = [vote.value for vote in verdict.votes] == [verdict.value]
        if (verdict.votes or verdict.failure) and not says_it:
            yield Judgement(
                judge="",
                left=place,
                right=base,
                value=verdict.value,
                readable=verdict.value is not None,
                reason=verdict.failure,
                orders=orders,
            )

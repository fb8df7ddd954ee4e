"""What is told of outcomes and of single seeds: pages of outcomes, whole stories, curves of pools, seeds set aside.

Like the status (``observe.status``) this is one model for the store that fills it, the routes that answer with it and
whoever reads it; OpenAPI and the page's types are made from it. Open to every room. Costs are US dollars, null where
some price is unknown; times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.observe.status.model import view_model
from star_agents.records import OutcomeKind, SeedKind


@view_model
class OutcomeSummary:
    """How a seed ended, in a line."""

    seq: int
    """Place in the order in which outcomes took effect."""
    at: float
    seed_id: str
    recipe: str
    """Which worked it."""
    kind: OutcomeKind
    reason: str
    pair: str | None
    """Arm of what was chosen, such as an agent-pair; null where there is none."""
    pi: float | None
    """What was measured of it under these names, like the next three; null where it was not."""
    gap: float | None
    ifd_small: float | None
    ifd_large: float | None
    cost_usd: float | None
    """Of the seed's calls."""
    candidates: int
    """Trials."""
    failed: int
    """Those that could not be used."""
    rows: int
    """Which it gave to the dataset."""
    children: int
    """Seeds that were made from its seed."""
    question: str
    """How the seed begins."""


@view_model
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@view_model
class SeedText:
    """What agents were shown of a seed; a document stands as one message."""

    instruction: str
    """Of a document, its title."""
    input: str
    response: str | None
    messages: Sequence[Message]


@view_model
class SeedFacts:
    """A seed."""

    id: str
    kind: SeedKind
    recipe: str
    """Which takes it; empty for the first of the chain."""
    labels: Mapping[str, str]
    """What was drawn for it on the way: arms by pool."""
    part: str
    """Of the seeds; empty where they are not divided."""
    parent: str
    """Seed that it was made from; empty for one from outside."""
    round: int
    sample: SeedText
    source: str
    """Where it came from, for people: ``seeds.jsonl:12``."""
    meta: Mapping[str, Any]
    state: str
    attempts: int
    """How often it was taken from the queue."""
    deaths: int
    """How often the process died with it in hand."""
    added_at: float


@view_model
class SeedDraw:
    """Which agent-pairs were drawn for a seed, the last time."""

    base: Sequence[str]
    sampled: Sequence[str]
    from_memory: int
    """How many of them the memory bank proposed."""


@view_model
class SeedCall:
    """A call that was made for a seed."""

    step: str
    agent: str
    model: str | None
    state: str
    sends: int
    """More than one where no answer had been recorded."""
    cost_usd: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    intended_at: float
    answered_at: float | None


@view_model
class CandidateScore:
    """What the scorer says of a candidate (Eq. 4)."""

    ifd_small: float | None
    """Null together with a reason."""
    ifd_large: float | None
    gap: float | None
    """IFD_small - IFD_large."""
    reason: str
    """Why there is no score."""
    formula: str
    """Which IFD it is."""
    response_tokens: int
    """Scored by the small model."""


@view_model
class Vote:
    """What one referee said of candidate against base, both orders joined."""

    referee: str
    value: float | None
    """1: the candidate is better, 0: the base is, 0.5: a tie or two orders that disagree (Eq. 6); null: unreadable."""
    agreed: bool
    """Whether both orders said the same."""
    readable: bool


@view_model
class CandidateVerdict:
    """What the referees said of a candidate."""

    value: float | None
    """Null: nothing that can be read stands behind it."""
    votes: Sequence[Vote]
    failure: str
    """Why no referee answered."""


@view_model
class Candidate:
    """One trial of a seed."""

    pair: str
    """Its arm, such as an agent-pair."""
    role: str
    """As its recipe names it."""
    is_base: bool
    chosen: bool
    messages: Sequence[Message]
    """Empty where they were cleared."""
    failure: str
    """Empty where it could be used."""
    score: CandidateScore | None
    pi_dual: float | None
    """Factor of Eq. 5."""
    pi_llm: float | None
    """Factor of Eq. 6."""
    pi: float | None
    """Eq. 7."""
    measures: Mapping[str, float | None]
    """What its recipe measured; null where it could not be."""
    verdict: CandidateVerdict | None
    models: Mapping[str, str]
    """By agent."""
    prompts: Sequence[str]
    """Versions of the prompts."""
    trace: str
    """What tools were called on the way and what they gave, to be read; empty where none was."""
    cost_usd: float | None


@view_model
class StoryJudgement:
    """What a judge said of two candidates."""

    judge: str
    """Empty for what no single judge said: a jury's common word, or that both answered the same."""
    left: int
    """Which of the candidates; with one order, what was shown first."""
    right: int
    scores: Sequence[float]
    """Of left and right, where the judge gives points."""
    value: float | None
    """1: left is better, 0: right is, 0.5: neither; null: it could not be read."""
    orders: int
    """In how many orders they were shown for it; 0: each was measured by itself."""
    rewards: Sequence[float]
    """Of left and right, in units of a reward model."""
    gap: float | None
    """Left minus right in points, where rewards stand for a distance and not for points of each."""
    reason: str


@view_model
class SeedOutcome:
    """How a seed ended, with everything behind it."""

    seq: int
    at: float
    revision: int
    """Of agents.yaml."""
    cleared_at: float | None
    """When the texts of candidates that lost were cleared."""
    recipe: str
    """Which worked it."""
    kind: OutcomeKind
    reason: str
    why: str
    """Why the chosen one was chosen, in one sentence."""
    chosen: int | None
    """Which of the candidates."""
    cost_usd: float | None
    candidates: Sequence[Candidate]
    judgements: Sequence[StoryJudgement]
    """In the order of asking."""


@view_model
class SeedStory:
    """Everything that is known of one seed: what was drawn for it, what was asked, and how it ended, each time."""

    seed: SeedFacts
    draw: SeedDraw | None
    """Null before the first draw."""
    calls: Sequence[SeedCall]
    """In order."""
    outcomes: Sequence[SeedOutcome]
    """Newest first."""


@view_model
class CurvePoint:
    """The probabilities of a pool that were in force after one outcome."""

    seq: int
    """The outcome; 0: none yet."""
    at: float
    probabilities: Mapping[str, float]
    """Of each arm that was configured then."""


@view_model
class QuarantinedSeed:
    """A seed that is not worked any more, because the process died with it in hand too often."""

    id: str
    source: str
    """Where it came from, for people: ``seeds.jsonl:12``."""
    attempts: int
    """How often it was taken from the queue."""
    deaths: int

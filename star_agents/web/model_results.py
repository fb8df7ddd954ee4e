"""How good models are that were trained or evaluated: what the routes tell of rounds and of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from star_agents.observe.status.model import view_model


@view_model
class TargetRating:
    """How strong a target is, or by how much it is ahead of another one."""

    standing: str
    """`rated`; or `wins all`, `loses all`, `unrated`, for which no rating fits."""
    rating: float | None
    """Elo points; null unless rated."""
    low: float | None
    """Ends of the 95 % interval; null: open on that side."""
    high: float | None


@view_model
class TargetScore:
    """A target's mean grade on the benchmark of the rounds."""

    benchmark: str
    score: float | None
    low: float | None
    """Ends of the 95 % interval; null: there is none."""
    high: float | None
    unreadable: int
    """Judgements without a grade that can be read."""
    missing: int


@view_model
class FailedTraining:
    """A training that gave no model."""

    reason: str


@view_model
class RoundStep:
    """One step of rounds: what its battles came to, what was learned, and how good the target is since. What is not
    there yet is null."""

    name: str
    phases: Sequence[str]
    """Those that are done."""
    given_up: bool
    """Its training failed, and the rounds went on without it."""
    failures: Sequence[FailedTraining]
    rows: int | None
    own_rows: int | None
    """Of these rows, those of its own part."""
    battles: int | None
    loss_rate: float | None
    """Share of its battles that the target of then lost."""
    difficulty: float | None
    """Points by which the best opponent was ahead, over instructions that gave a row to fine-tune on."""
    first_loss: float | None
    last_loss: float | None
    rating: TargetRating | None
    gain: TargetRating | None
    gain_over: str | None
    """The step whose target the gain is over."""
    benchmark: TargetScore | None


@view_model
class Rounds:
    """The rounds that a folder is part of; without steps where there are none."""

    rounds: int = 0
    """How many there are to be."""
    target: str = ""
    """The newest one that took the place."""
    anchor: str | None = None
    """Player whose rating is 1000."""
    exam_prompts: int = 0
    exam_battles: int = 0
    stopped: str = ""
    """Why they ended early; empty: they did not."""
    troubles: Sequence[str] = ()
    steps: Sequence[RoundStep] = ()
    unread: str = ""
    """Why nothing can be told of rounds that are there; empty where something can."""


@view_model
class ScoreEstimate:
    """A mean grade with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None


@view_model
class EvaluatedModel:
    """What one model came to on a benchmark."""

    model: str
    score: ScoreEstimate
    by_category: Mapping[str, ScoreEstimate]
    graded: int
    unreadable: int
    missing: int


@view_model
class AskedQuestion:
    """A question, and what each model has for it."""

    id: str
    category: str
    scores: Mapping[str, float | None]
    """By model: the mean over turns and repeats; null without a grade."""


@view_model
class Evaluation:
    """The evaluation that a folder holds, as `evaluate` last wrote it; without models where there is none."""

    benchmark: str = ""
    judge: str = ""
    models: Sequence[EvaluatedModel] = ()
    """The best first."""
    questions: Sequence[AskedQuestion] = ()
    unread: str = ""
    """Why nothing can be told of an evaluation that is there; empty where something can."""


@view_model
class EvaluatedAnswer:
    """One model's answer to one turn, and what the judge made of it."""

    model: str
    repeat: int
    turn: int
    asked: str
    answer: str
    score: float | None
    judgement: str
    unread: str = ""
    """Why there is no grade; empty where there is one."""
    ended: str = ""
    """How the answer ended, if not well."""


@view_model
class EvaluatedQuestion:
    """All answers to a question, turn by turn."""

    id: str
    category: str
    answers: Sequence[EvaluatedAnswer]

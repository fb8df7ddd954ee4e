"""What Star's recipe has beside what every recipe has: agent-pairs, gaps, its referee and its memory bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from star_agents.observe.status.model import view_model


@view_model
class PairCost:
    """What an agent-pair did for the finished seeds, and for how much."""

    candidates: int
    wins: int
    """Candidates that were chosen."""
    usd: float | None
    """US dollars: the sum of the known costs of its candidates; null where nothing is known of it."""
    candidates_of_unknown_cost: int
    usd_per_win: float | None
    """Known US dollars per candidate that was chosen; null before the first."""


@view_model
class WinRate:
    """How often answers were chosen."""

    wins: int
    answers: int
    rate: float | None
    """Share of the answers, from 0 to 1; null without an answer."""
    low: float
    """Where the 95 % interval begins (Wilson); 0 without an answer."""
    high: float
    """Where it ends; 1 without an answer."""


@view_model
class Gaps:
    """IFD gaps of candidates (numerator of Eq. 5), counted by bins of equal width."""

    width: float
    """Of a bin."""
    low: float
    """Where the first bin begins. The first and the last bin hold all beyond them, too."""
    chosen: Sequence[int]
    """Of the candidates that were chosen."""
    others: Sequence[int]
    """Of the others."""


@view_model
class JudgeExam:
    """How a judge did in its exam: counts of pairs of answers, but for ``unreadable``."""

    judge: str
    """The agent."""
    model: str
    exam: str
    """Version of the pairs."""
    prompt: str
    """Version of the prompt that the judge was asked with."""
    pairs: int
    right: int
    """Pairs in which both orders named the better answer."""
    unreadable: int
    """Orders in which no reply could be read, the second try included; of twice as many as there are pairs."""
    named_first: int
    """Pairs in which both orders named the answer that was shown first."""
    named_second: int
    """Likewise the second."""
    frames: int
    """Pairs whose worse answer breaks its frame."""
    broken: int
    """Those of them in which the worse answer was named."""
    needed: int
    """Pairs that have to be right."""
    needs: str
    """What it takes to pass, in words."""
    passed: bool
    accuracy: float
    """Share of the pairs that are right, from 0 to 1."""
    unreadable_share: float
    """Share of the orders without a verdict, from 0 to 1."""
    position_bias: float | None
    """Share of the pairs in which both orders named the same place, from 0 to 1; null of a reward model, which measures
    each answer by itself."""


@view_model
class Exams:
    """Who judges, and how well."""

    mode: str
    """``refuse``, ``warn`` or ``off``; empty where nobody judges."""
    judges: Mapping[str, JudgeExam]
    """Each judge that sat its exam, the ones that failed included."""
    not_examined: Mapping[str, str]
    """Judges that could not be asked, and why."""


@view_model
class Referee:
    """What the referees said of candidates, in numbers."""

    verdicts: int
    """Candidates that were compared with the base and on which there was a verdict."""
    wins: int
    losses: int
    ties: int
    won_by_tie: int
    """Improved seeds whose winner was a tie with the base: its gap decided (Eq. 7)."""
    without_verdict: int
    """Candidates that were judged in vain."""
    both_orders: int
    """Readable votes that were asked for in both orders."""
    agree: int
    """Those of them in which both orders said the same."""
    agreement: float | None
    """Share of them, from 0 to 1; null before the first."""
    unreadable: int
    """Votes with a reply that held no verdict."""
    exam: Exams | None
    """Of the judges in force; null before there was one."""


@view_model
class Memory:
    """The memory bank of instructions."""

    size: int | None
    """Instructions that it finds; null where no daemon holds it."""
    at_most: int | None
    """The most that it holds, `memory.max_items`; null where no daemon holds it."""
    waiting: int
    """Instructions that are not in its index yet: many after a start that had to make the index anew, and until then
    not all that is near is found. Those that other pools recall by count here and below, too."""
    forgotten: int
    """The oldest, which it no longer holds."""
    left_out: int
    """Those that cannot be compared: their vectors have another length than the others, or could not be read."""
    trouble: str
    """Why no more are taken in; empty: they are."""
    renewed: int
    """Graphs of its index that were made anew since the start, for they found too little; of instructions unlike the
    first ones, for the most part."""
    recall: float | None
    """Share of the nearest five that the worst graph was found to find, from 0 to 1; null before one was measured."""
    draws: int
    """Draws of pairs, one for each seed that was worked."""
    hits: int
    """Those of them in which the bank proposed a pair."""
    hit_rate: float | None
    """Share of the draws, from 0 to 1; null before the first."""

"""An evaluation in words: what will be asked, and what a reader of its scores has to know."""

from __future__ import annotations

from collections.abc import Iterator

from star_agents.arena.bootstrap import in_words
from star_agents.arena.grades import Change
from star_agents.engine.evaluation import Evaluation
from star_agents.engine.evaluation_against import Against
from star_agents.engine.evaluation_results import Results, why_unread

REASONS_SHOWN = 3


def what_is_asked(evaluation: Evaluation, *, pairwise: bool) -> Iterator[str]:
    """What will be done, before anybody is asked."""
    benchmark, repeats = evaluation.benchmark, evaluation.repeats
    some = f"{len(evaluation.questions):,} questions"
    if len(evaluation.questions) < len(benchmark.questions):
        some = f"{some} (drawn of {len(benchmark.questions):,})"
    again = f", {repeats} times" if repeats > 1 else ""
    models = "1 model" if len(evaluation.models) == 1 else f"{len(evaluation.models)} models"
    compared = f", and {evaluation.pair_calls:,} to compare" if pairwise else ""
    yield (
        f"{benchmark.name}: {some}, {evaluation.turns:,} turns, for {models}{again}: {evaluation.calls:,} calls, half "
        f"of them to the judge{compared}"
    )
    if benchmark.judge_prompts_are_ours:
        yield (
            "note: the judge is asked in our own wording of the protocol, since no judge_prompts.jsonl lies beside the "
            "questions (--judge-prompts FILE names FastChat's): scores are not those of published tables"
        )
    if evaluation.judge in evaluation.models:
        yield f"note: {evaluation.judge} judges itself"


def remarks(results: Results) -> Iterator[str]:
    """What a reader of the scores has to know, a sentence each."""
    yield "means of all graded turns; intervals are of 95 %, from a bootstrap over questions"
    if results.evaluation.benchmark.judge_prompts_are_ours:
        yield "the judge was asked in our own wording of the protocol: these are not the scores of published tables"
    repeats = results.evaluation.repeats
    for one in results.standings:
        if one.repeats is not None:
            means = ", ".join("-" if mean is None else f"{mean:.2f}" for mean in one.repeats.means)
            spread = "unknown" if one.repeats.spread is None else f"{one.repeats.spread:.2f}"
            yield f"{one.model}: {repeats} repeats came to {means} (standard deviation {spread}); medians by turn count"
    for one in results.standings:
        if one.outside:
            yield f"{one.model}: {one.outside:,} grades lie beyond 1 to 10, and count as they are, as in FastChat"
        for name, what in (
            ("cut_answers", "answers were cut at their longest"),
            ("broken_off_answers", "answers were broken off, as by a filter (grades.jsonl says how they ended)"),
            ("empty_answers", "answers were empty"),
        ):
            if count := one.notes.get(name, 0):
                yield f"{one.model}: {count:,} {what}, and were judged as they are"
    if missing := sum(one.missing for one in results.standings):
        yield f"{missing:,} judgements are missing or yet to come: scores are of those that there are"
    reasons = why_unread(results.found)
    for reason, count in reasons[:REASONS_SHOWN]:
        yield f"without a grade: {count:,}, because: {reason[:200]}"
    if len(reasons) > REASONS_SHOWN:
        yield f"and {sum(count for _, count in reasons[REASONS_SHOWN:]):,} for other reasons, which grades.jsonl tells"


def pair_rows(results: Results) -> list[list[str]]:
    """Model, against whom, share won, wins, ties, losses, unreadable."""
    return [
        [
            one.model,
            one.against or "all others",
            in_words(one.rate, percent=True),
            *(f"{number:,}" for number in (one.wins, one.ties, one.losses, one.unreadable)),
        ]
        for one in results.win_rates
    ]


def against_rows(against: Against) -> list[list[str]]:
    """Model, its name then, difference, turns, better, worse, and what that says."""
    return [
        [
            one.model,
            one.against,
            in_words(one.difference, signed=True),
            f"{one.turns:,}",
            f"{one.better:,}",
            f"{one.worse:,}",
            _verdict(one),
        ]
        for one in against.changes
    ]


def _verdict(one: Change) -> str:
    if not one.is_clear:
        return "may be chance"
    return "better" if (one.difference.value or 0.0) > 0 else "worse"

"""Rows of a finished seed in the field's formats: pure, one seed at a time.

    alpaca      instruction, input, output [, history] [, system]
    messages    messages: [{role, content}]
    sharegpt    conversations: [{from: human | gpt | system, value}]
    dpo         prompt, chosen, rejected: message lists

Where a row comes from stands in one side column, ``provenance``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from star_agents.errors import UsageError
from star_agents.records import Assessed, Message, Sample
from star_agents.storage.rows import Result

Row = dict[str, Any]

CLEARED = Sample(instruction="")
"""What retention leaves of a candidate that lost."""

_SHAREGPT_NAMES = {"user": "human", "assistant": "gpt", "system": "system"}


def selected_rows(result: Result, format: str, *, reasoning: bool = False) -> Iterator[Row]:
    """The row of a seed for which something was selected, as ``alpaca``, ``messages`` or ``sharegpt``.

    With ``reasoning`` it says what the model thought before its answer: empty where that is not known.
    """
    winner = result.outcome.winner
    if winner is not None:
        thoughts = {"reasoning": winner.candidate.reasoning} if reasoning else {}
        yield {**_SHAPES[format](winner.candidate.sample), **thoughts, "provenance": _provenance(result, winner)}


def rejected_row(result: Result) -> Iterator[Row]:
    """The row of a dropped seed."""
    if result.outcome.kind == "dropped":
        yield {
            **_as_messages(result.seed.sample),
            "seed_id": result.seed.id,
            "source": result.seed.source,
            "reason": result.outcome.reason,
            "failures": [
                {"pair": one.candidate.pair.name, "failure": one.candidate.failure} for one in result.outcome.candidates
            ],
            "cost_usd": result.outcome.cost_usd,
            "revision": result.row.revision,
            "seq": result.row.seq,
        }


def preference_rows(result: Result, skipped: Counter[str] | None = None, *, reasoning: bool = False) -> Iterator[Row]:
    """Preference pairs of one seed, only where a verdict stands behind them (design, Eq. 1).

    The chosen candidate beat the base, or another candidate lost to it. Both answers must answer the same prompt, or
    the pair would teach a preference among questions; pairs that do not are counted as ``different prompt``, equal
    answers as ``same text``, and what retention has cleared as ``text cleared``.
    """
    outcome = result.outcome
    # Base pairs stand first, and the first usable one is what the referee compared with.
    base = next((one for one in outcome.candidates if one.candidate.is_base and not one.candidate.failure), None)
    if base is None:
        return
    for judged in outcome.candidates:
        said = None if judged.verdict is None else judged.verdict.value
        if judged is base or said is None or said == 0.5:
            continue
        won = said > 0.5
        if won != (judged is outcome.winner):
            continue
        reason = _why_no_preference(judged.candidate.sample, base.candidate.sample)
        if reason:
            if skipped is not None:
                skipped[reason] += 1
            continue
        chosen, rejected = (judged, base) if won else (base, judged)
        row = _preference(result, judged, chosen=chosen, rejected=rejected)
        if reasoning:
            thoughts = {"chosen_reasoning": chosen, "rejected_reasoning": rejected}
            row |= {name: one.candidate.reasoning for name, one in thoughts.items()}
        yield row


def _why_no_preference(one: Sample, other: Sample) -> str:
    if CLEARED in (one, other):
        return "text cleared"
    if one.prompt != other.prompt:
        return "different prompt"
    return "same text" if one.response == other.response else ""


def _preference(result: Result, judged: Assessed, *, chosen: Assessed, rejected: Assessed) -> Row:
    return {
        "prompt": _turns(judged.candidate.sample.prompt),
        "chosen": _turns(chosen.candidate.sample.messages[-1:]),
        "rejected": _turns(rejected.candidate.sample.messages[-1:]),
        "provenance": {
            **_provenance(result, judged),
            "chosen_pair": chosen.candidate.pair.name,
            "rejected_pair": rejected.candidate.pair.name,
        },
    }


def _provenance(result: Result, one: Assessed) -> Row:
    """Where a sample comes from: seed, pair, models, prompts, scores, verdict, cost and config revision."""
    score, verdict = one.score, one.verdict
    return {
        "seed_id": result.seed.id,
        "source": result.seed.source,
        "kind": result.outcome.kind,
        "pair": one.candidate.pair.name,
        "models": dict(one.candidate.models),
        "prompts": list(one.candidate.prompts),
        "ifd_small": score.ifd_small if score else None,
        "ifd_large": score.ifd_large if score else None,
        "gap": score.gap if score else None,
        "formula": score.formula if score else None,
        "pi_dual": one.pi_dual,
        "pi_llm": verdict.value if verdict else None,
        "judge_exam": result.judge_exam,
        "votes": [vote.to_dict() for vote in verdict.votes] if verdict else [],
        "pi": one.pi,
        "cost_usd": result.outcome.cost_usd,
        "revision": result.row.revision,
        "seq": result.row.seq,
    }


def _as_alpaca(sample: Sample) -> Row:
    """Alpaca's columns; ``history`` and ``system`` stand only where the sample has them."""
    row: Row = {"instruction": sample.instruction, "input": sample.input, "output": sample.response or ""}
    system = [turn.content for turn in sample.history[:1] if turn.role == "system"]
    talk = sample.history[len(system) :]
    if [turn.role for turn in talk] != ["user", "assistant"] * (len(talk) // 2):
        raise UsageError(
            f"alpaca cannot hold the conversation that leads to {sample.instruction[:40]!r}: "
            "its turns are no question-answer pairs; export as messages"
        )
    if talk:
        row["history"] = [[asked.content, said.content] for asked, said in zip(talk[::2], talk[1::2], strict=True)]
    if system:
        row["system"] = system[0]
    return row


def _as_messages(sample: Sample) -> Row:
    return {"messages": _turns(sample.messages)}


def _as_sharegpt(sample: Sample) -> Row:
    return {"conversations": [{"from": _SHAREGPT_NAMES[turn.role], "value": turn.content} for turn in sample.messages]}


def _turns(messages: Iterable[Message]) -> list[dict[str, str]]:
    return [message.to_dict() for message in messages]


_SHAPES: Mapping[str, Callable[[Sample], Row]] = {
    "alpaca": _as_alpaca,
    "messages": _as_messages,
    "sharegpt": _as_sharegpt,
}

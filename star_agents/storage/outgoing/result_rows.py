"""Rows of a finished seed in the field's formats: pure, one seed at a time.

    messages            messages: [{role, content}]                                     TRL, Axolotl, LLaMA-Factory
    prompt-completion   prompt, completion: message lists                               TRL: the last answer is learned
    sharegpt            conversations: [{from: human | gpt | system, value}]            LLaMA-Factory, Axolotl
    alpaca              instruction, input, output, system; one turn                    LLaMA-Factory
    tools               messages with calls of tools, tools; only rows that hold them   TRL
    dpo                 prompt, chosen, rejected: message lists                         TRL
    sharegpt-dpo        conversations, chosen, rejected: {from, value}                  LLaMA-Factory
    messages-dpo        messages, chosen, rejected: {role, content}                     Axolotl

Every row of a format has the same columns of the same types, none of them null and no list empty at one time and filled
at another: `datasets` takes a column's type from the first rows it reads, and fails on a later one of another type. So
where a row comes from, which may lack numbers, stands as JSON text in one column, ``provenance``.

Tools, their calls and results stand in the texts of three roles (``records.tool_text``); in the format ``tools`` they
are what they are, in OpenAI's form: ``tool_calls``, turns of the role ``tool``, and ``tools`` as JSON text. Arguments
are objects there, since the chat templates of Llama, Qwen and Hermes write them as JSON, and would quote a text again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from star_agents.errors import UsageError
from star_agents.records import STAR, Document, Message, RowShape, Sample, Seed, Trial
from star_agents.records import Row as GivenRow
from star_agents.records.admitted import REFUSED
from star_agents.records.samples import plain_messages
from star_agents.records.seeds import without_part
from star_agents.storage.incoming.tool_dialogues import row_of_dialogue
from star_agents.storage.results import Header, Plain, Result, RowSource
from star_agents.text.plain_data import json_bytes

Row = dict[str, Any]

CLEARED = Sample(instruction="")
"""What retention leaves of a trial that no row is made of."""

_MEASURED = ("ifd_small", "ifd_large", "gap", "pi_dual", "pi_llm", "pi")
_SHAREGPT_NAMES = {"user": "human", "assistant": "gpt", "system": "system"}


def selected_rows(result: RowSource, format: str, *, reasoning: bool = False) -> Iterator[Row]:
    """The row of a seed for which something was selected, in a format of ``SAMPLE_SHAPES``.

    With ``reasoning`` it says what the model thought before its answer: empty where that is not known.
    """
    for place, given in _given(result, "sft"):
        row = SAMPLE_SHAPES[format](given["data"]["sample"])
        if reasoning:
            row["reasoning"] = _reasoning_behind(result, given)
        row["provenance"] = _provenance_of_row(result, place)
        yield row


def tool_rows(result: RowSource, skipped: Counter[str] | None = None, *, reasoning: bool = False) -> Iterator[Row]:
    """The rows of a seed that hold tools, in the format ``tools``; others are counted as ``without tools``."""
    for place, given in _given(result, "sft"):
        sample = Sample.from_dict(given["data"]["sample"])
        if sample.holds_tools:
            thoughts = {"reasoning": _reasoning_behind(result, given)} if reasoning else {}
            yield {**row_of_dialogue(sample), **thoughts, "provenance": _provenance_of_row(result, place)}
        elif skipped is not None:
            skipped["without tools"] += 1


def _reasoning_behind(result: RowSource, given: Plain) -> str:
    """What was thought before an answer that stands in one trial as it stands in the row."""
    trials = [result.trial_data(place) for place in given["from_trials"]]
    is_as_written = len(trials) == 1 and given["data"].get("sample") == trials[0]["sample"]
    return str(trials[0].get("reasoning", "")) if is_as_written else ""


def instruction_rows(result: RowSource) -> Iterator[Row]:
    """Instructions that are still to be answered, as the last recipe of a chain leaves them."""
    for place, given in _given(result, "instruction"):
        yield {**_as_messages(given["data"]["sample"]), "provenance": _provenance_of_row(result, place)}


def reward_rows(result: RowSource) -> Iterator[Row]:
    """Two answers to one prompt with the margin between them, for a reward model."""
    for place, given in _given(result, "reward"):
        row = _given_preference(result, place, "dpo")
        yield {**row, "margin": float(given["data"]["margin"])}


def _given(result: RowSource, shape: RowShape) -> list[tuple[int, Plain]]:
    """The rows of a shape that a recipe gave as plain data, each with its place."""
    return [(place, row) for place, row in enumerate(result.rows_data) if row["shape"] == shape]


def _given_preference(result: RowSource, place: int, format: str) -> Row:
    data = result.rows_data[place]["data"]
    prompt = Sample.from_dict(data["prompt"])
    answers = [Message(role="assistant", content=data[name]) for name in ("chosen", "rejected")]
    shaped = PREFERENCE_SHAPES[format](prompt.prompt, answers[0], answers[1])
    return {**shaped, "provenance": _provenance_of_row(result, place)}


def _provenance_of_row(result: RowSource, place: int) -> str:
    """Where a row that a recipe gave comes from: seed, recipe, what was drawn for it, and the trials behind it."""
    header, given = result.header, result.rows_data[place]
    if header.recipe == STAR and given["from_trials"]:
        told = _provenance(result, given["from_trials"][0])
    else:
        told = {
            **_origin(header),
            "recipe": header.recipe,
            "parent": header.parent,
            "round": header.round,
            "labels": without_part({**header.labels, **given["labels"]}),
            "trials": [
                {"arm": one["arm"], "role": one["role"], "models": one["models"], "prompts": one["prompts"]}
                | one["measures"]
                for one in result.trials_data(given["from_trials"])
            ],
        }
    if place in result.reviews:
        told["review"] = result.reviews[place].told
    return _text(told)


def rejected_row(result: Result) -> Iterator[Row]:
    """The row of a dropped seed."""
    if result.header.kind == "dropped":
        failures = [{"pair": trial.arm, "failure": str(trial.failure or "")} for trial in result.trials]
        yield {
            **_as_seed(result.seed),
            "reason": result.outcome.reason,
            "provenance": _text({**_origin(result.header), "failures": failures}),
        }


def refused_rows(result: Result) -> Iterator[Row]:
    """What admission refused of a seed: its rows and children, or itself, each with the reason."""
    for one in result.findings:
        if one.action == "refused" and (one.row is not None or one.kind == "seed"):
            told = one.objection
            yield {
                **(_as_seed(result.seed) if one.row is None else _refused_texts(one.row)),
                "kind": one.kind,
                "filter": told.filter,
                "reason": told.reason,
                "evidence": told.evidence,
                "points_at": told.points_at,
                "provenance": _text({**_origin(result.header), "arms": list(one.arms)}),
            }


def _refused_texts(row: GivenRow) -> Row:
    """The columns of a row that was refused, which a trainer takes for nothing but what it is."""
    if row.shape in ("sft", "instruction"):
        return _as_messages(row.data["sample"])
    prompt = Sample.from_dict(row.data["prompt"])
    answers = [Message(role="assistant", content=row.data[name]) for name in ("chosen", "rejected")]
    return PREFERENCE_SHAPES["dpo"](prompt.prompt, answers[0], answers[1])


def preference_rows(
    result: Result, format: str = "dpo", skipped: Counter[str] | None = None, *, reasoning: bool = False
) -> Iterator[Row]:
    """Preference pairs of one seed as ``dpo``, ``sharegpt-dpo`` or ``messages-dpo``, only where a verdict stands behind
    them (design, Eq. 1).

    The chosen candidate beat the base, or another candidate lost to it; where its row is spare, too. Both answers must
    answer the same prompt, or the pair would teach a preference among questions; pairs that do not are counted as
    ``different prompt``, equal answers as ``same text``, what retention has cleared as ``text cleared``, those with a
    trial that admission does not take as ``refused by admission``, and those whose better answer a person rejected or
    changed as ``answer not as people want it``.
    """
    for place, _ in _given(result, "preference"):
        thoughts_of: Row = {"chosen_reasoning": "", "rejected_reasoning": ""} if reasoning else {}
        yield {**_given_preference(result, place, format), **thoughts_of}
    if result.header.recipe != STAR:
        return
    # Base pairs stand first, and the first usable one is what the referee compared with.
    bases = (at for at, one in enumerate(result.trials) if one.role == "base" and not one.failure)
    base = next(bases, None)
    if base is None or any(one.kind == "seed" and one.action == "refused" for one in result.findings):
        return
    spare = (one.row.from_trials for one in result.findings if one.action == "spare" and one.row is not None)
    chosen_places = {*result.chosen, *chain.from_iterable(spare)}
    for judged in range(result.count_trials):
        said = result.trial_data(judged)["measures"].get("pi_llm")
        if judged == base or said is None or said == 0.5:
            continue
        won = said > 0.5
        if won != (judged in chosen_places or judged in result.withheld):
            continue
        reason = _why_no_preference(result.trials[judged], result.trials[base])
        if (judged if won else base) in result.withheld:
            reason = "answer not as people want it"
        if reason:
            if skipped is not None:
                skipped[reason] += 1
            continue
        chosen, rejected = (result.trials[at] for at in ((judged, base) if won else (base, judged)))
        row = _preference(result, judged, format, chosen=chosen, rejected=rejected)
        if reasoning:
            row |= {"chosen_reasoning": chosen.reasoning, "rejected_reasoning": rejected.reasoning}
        yield row


def _why_no_preference(one: Trial, other: Trial) -> str:
    if CLEARED in (one.sample, other.sample):
        return "text cleared"
    if REFUSED in {*one.notes, *other.notes}:
        return "refused by admission"
    if one.sample.prompt != other.sample.prompt:
        return "different prompt"
    return "same text" if one.sample.response == other.sample.response else ""


def _preference(result: Result, judged: int, format: str, *, chosen: Trial, rejected: Trial) -> Row:
    answers = [one.sample.messages[-1] for one in (chosen, rejected)]
    return {
        **PREFERENCE_SHAPES[format](result.trials[judged].sample.prompt, answers[0], answers[1]),
        "provenance": _text({**_provenance(result, judged), "chosen_pair": chosen.arm, "rejected_pair": rejected.arm}),
    }


def _provenance(result: RowSource, place: int) -> Row:
    """Where a sample comes from: seed, pair, models, prompts, scores, verdict, cost and config revision."""
    header, trial = result.header, result.trial_data(place)
    votes = [
        {"referee": one["judge"], "value": one["value"], "agreed": one["agreed"], "readable": one["readable"]}
        for one in result.judgements_data(place)
        if one["judge"]
    ]
    told, measures = _origin(header), trial["measures"]
    if header.parent:
        told["parent"], told["labels"] = header.parent, without_part(header.labels)
    told["kind"] = header.kind
    told["pair"] = trial["arm"]
    told["models"] = trial["models"]
    told["prompts"] = trial["prompts"]
    for name in _MEASURED:
        told[name] = measures.get(name)
    told["formula"] = (trial.get("notes") or {}).get("formula")
    told["judge_exam"] = result.judge_exam
    told["votes"] = votes
    return told


def _origin(header: Header) -> Row:
    told: Row = {"seed_id": header.seed_id, "source": header.source}
    if header.labels and header.part:
        told["part"] = header.part
    told["cost_usd"] = header.cost_usd
    told["revision"] = header.revision
    told["seq"] = header.seq
    return told


def _text(provenance: Row) -> str:
    return json_bytes(provenance).decode()


def _as_alpaca(data: Plain) -> Row:
    """Alpaca's columns, ``system`` empty where there is none."""
    sample = Sample.from_dict(data)
    system = [turn.content for turn in sample.history[:1] if turn.role == "system"]
    if len(sample.history) > len(system) or sample.holds_tools:
        raise UsageError(
            f"alpaca has no place for the conversation that leads to {sample.instruction[:40]!r}, "
            "and most trainers would not see it: export as messages or sharegpt"
        )
    return {
        "instruction": sample.instruction,
        "input": sample.input,
        "output": sample.response or "",
        "system": "".join(system),
    }


def _as_seed(seed: Seed) -> Row:
    if isinstance(seed.content, Document):
        return {"document": seed.content.text, "title": seed.content.title}
    return row_of_dialogue(seed.content) if seed.content.holds_tools else _as_messages(seed.content.to_dict())


def _as_messages(sample: Plain) -> Row:
    return {"messages": plain_messages(sample)}


def _as_prompt_completion(sample: Plain) -> Row:
    turns = plain_messages(sample)
    return {"prompt": turns[:-1] if turns[-1]["role"] == "assistant" else turns, "completion": turns[-1:]}


def _as_sharegpt(sample: Plain) -> Row:
    return {"conversations": [_sharegpt(turn["role"], turn["content"]) for turn in plain_messages(sample)]}


def _as_dpo(prompt: Sequence[Message], chosen: Message, rejected: Message) -> Row:
    return {"prompt": _turns(prompt), "chosen": _turns([chosen]), "rejected": _turns([rejected])}


def _as_sharegpt_dpo(prompt: Sequence[Message], chosen: Message, rejected: Message) -> Row:
    return {
        "conversations": [_sharegpt(turn.role, turn.content) for turn in prompt],
        "chosen": _sharegpt(chosen.role, chosen.content),
        "rejected": _sharegpt(rejected.role, rejected.content),
    }


def _as_messages_dpo(prompt: Sequence[Message], chosen: Message, rejected: Message) -> Row:
    return {"messages": _turns(prompt), "chosen": chosen.to_dict(), "rejected": rejected.to_dict()}


def _sharegpt(role: str, content: str) -> dict[str, str]:
    return {"from": _SHAREGPT_NAMES[role], "value": content}


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [message.to_dict() for message in messages]


TOOLS = "tools"
SAMPLE_SHAPES: Mapping[str, Callable[[Plain], Row]] = {
    "alpaca": _as_alpaca,
    "messages": _as_messages,
    "prompt-completion": _as_prompt_completion,
    "sharegpt": _as_sharegpt,
}
PREFERENCE_SHAPES: Mapping[str, Callable[[Sequence[Message], Message, Message], Row]] = {
    "dpo": _as_dpo,
    "sharegpt-dpo": _as_sharegpt_dpo,
    "messages-dpo": _as_messages_dpo,
}

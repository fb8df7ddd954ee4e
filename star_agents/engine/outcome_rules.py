"""What a recipe of somebody's own gives back, held to what the store, the dataset and the page can hold.

Checked before anything is committed: an outcome that cannot be written would end the line, and one that is written but
cannot be read would keep the dataset from being made for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from star_agents.errors import RecipeError
from star_agents.limits.numbers import MOST_MEASURED
from star_agents.records import (
    Claim,
    Document,
    Failure,
    Judgement,
    Message,
    NewArm,
    Outcome,
    RetiredArm,
    Reward,
    Row,
    Sample,
    Seed,
    Tool,
    ToolCall,
    Trial,
    Wording,
)
from star_agents.records.failures import one_line
from star_agents.records.messages import Role
from star_agents.records.outcomes import OutcomeKind
from star_agents.records.tool_text import why_no_dialogue
from star_agents.records.trials import FAILURE_KINDS, RowShape
from star_agents.text.plain_data import to_json
from star_agents.text.redaction import redactor

MOST_CHARACTERS = 64 << 20
"""Of all that one outcome holds, as JSON."""

MOST_ROUNDS = 1_000_000
"""Stages and rounds that may lie behind a seed."""
LONGEST_REASON = 1000
"""Characters of the reason for which a recipe drops a seed that are kept."""


class Breach(ValueError):
    """What is wrong with a part of an outcome."""


def check_outcome(given: object, name: str, seed: Seed, next_recipe: str) -> Outcome:
    """The outcome that a recipe gave, if everything in it is what it has to be.

    Args:
        given: What its coroutine returned.
        name: Of the recipe.
        seed: Of what it has to be the outcome.
        next_recipe: Who takes its children; empty for nobody.

    Raises:
        RecipeError: what is wrong, and in which part.
    """
    if not isinstance(given, Outcome):
        fix = "end with `return done(seed, ...)` or `return dropped(seed, reason)`"
        raise RecipeError(f"recipe {name} gave {_kind(given)} in place of an outcome; {fix}")
    # What the engine says of it is not for a recipe to say.
    given = replace(given, recipe=name, cost_usd=0.0, tried=(), drawn=(), is_fault=False, recalled=None, findings=())
    try:
        _check_itself(given)
        for trial in _all(given.trials, Trial, "trials"):
            _check_trial(trial)
        for judgement in _all(given.judgements, Judgement, "judgements"):
            _check_judgement(judgement)
        for reward in _all(given.earned, Reward, "earned"):
            _is_text(reward.pool, "the pool of a reward")
            _is_text(reward.arm, "the arm of a reward")
            _is_number(reward.value, f"the reward of {reward.arm!r}")
        for claim in _all(given.claims, Claim, "claims"):
            _check_claim(claim, trials=len(given.trials), children={child.id for child in given.children})
        for new in _all(given.added, NewArm, "added"):
            _check_new_arm(new)
        for gone in _all(given.retired, RetiredArm, "retired"):
            for text in (gone.pool, gone.arm, gone.reason):
                _is_text(text, "pool, arm or reason of a retired arm")
            _says_something(gone.reason, "the reason for which an arm is retired")
        for place, row in enumerate(_all(given.rows, Row, "rows")):
            _check_row(row, f"row {place + 1}", trials=len(given.trials))
        for child in _all(given.children, Seed, "children"):
            _check_child(child, seed, next_recipe)
        written = _written(given)
    except Breach as breach:
        raise RecipeError(f"recipe {name}: {breach}") from None
    given = _without_secrets(given) if any(map(redactor.may_hold, written)) else given
    return replace(given, reason=_told(given.reason))


def check_rewards(given: Outcome, name: str, carried: Mapping[str, str], drawn: Sequence[tuple[str, str]]) -> None:
    """Hold what an outcome's arms earn to what was drawn: one reward for each draw, from the outcome or its children.

    Args:
        given: With its pools as ``recipe.pool``.
        name: Of the recipe.
        carried: The labels of the seed, which speak of draws for its parents.
        drawn: Pool and arm of every draw for the seed.

    Raises:
        RecipeError: an arm earns by this seed that was not drawn for it, or more often than it was.
    """
    of_children = {
        label for child in given.children for label in child.drawn_labels.items() if carried.get(label[0]) != label[1]
    }
    earned = Counter((reward.pool, reward.arm) for reward in given.earned)
    draws = Counter(drawn)
    for pool, arm in [*earned, *sorted(of_children)]:
        rewards, labels = earned[pool, arm], (pool, arm) in of_children
        if rewards + labels <= draws[pool, arm]:
            continue
        what = f"arm {arm!r} of pool {pool!r}"
        if not draws[pool, arm]:
            doing = "rewards" if rewards else "labels a child with"
            raise RecipeError(f"recipe {name} {doing} {what}, which was not drawn for this seed; reward what was drawn")
        by = " and by the children that it labels" if labels else ""
        times = f"{draws[pool, arm]} time{'s' if draws[pool, arm] > 1 else ''}"
        raise RecipeError(
            f"recipe {name} rewards {what} {rewards} times{by}, and it was drawn {times}; give one reward for a draw"
        )


def _without_secrets(given: Outcome) -> Outcome:
    """The same without known secrets, wherever in it they stand."""
    struck = Outcome.from_dict(redactor.known_in(given.to_dict()))
    claims = tuple(replace(one, arms=redactor.known_in(one.arms)) for one in given.claims)  # No part of plain data.
    return replace(struck, children=tuple(map(_child_without_secrets, given.children)), claims=claims)


def _child_without_secrets(child: Seed) -> Seed:
    content = type(child.content).from_dict(redactor.known_in(child.content.to_dict()))
    labels, meta = redactor.known_in(child.labels), redactor.known_in(child.meta)
    return replace(child, content=content, labels=labels, meta=meta, source=redactor.known(child.source))


def _told(reason: str) -> str:
    """Why a seed is dropped, as logs and pages can show it: without secrets, and not as long as what was read."""
    reason = redactor.text(reason)
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"


def _check_itself(given: Outcome) -> None:
    _is_one_of(given.kind, get_args(OutcomeKind), "the kind of its outcome")
    _is_text(given.reason, "the reason for which it drops the seed")
    if given.kind == "dropped" and (given.rows or given.children):
        raise Breach("its outcome drops the seed and has rows or children; use `done`, or give none")
    if given.worth is not None:
        _is_number(given.worth, "what it says that the seed is worth")


def _check_new_arm(new: NewArm) -> None:
    for text in (new.pool, new.arm, new.what, *_all(new.evidence, str, "the evidence of a new arm")):
        _is_text(text, "pool, name, words or evidence of a new arm")
    _says_something(new.arm, "the name of a new arm")
    _is_mapping(new.data, "the data of a new arm", "a dict")


def _check_trial(trial: Trial) -> None:
    _is_text(trial.arm, "the arm of a trial")
    _is_text(trial.role, "the role of a trial")
    _check_content(trial.sample, "the sample of a trial", Sample)
    if not (trial.failure is None or isinstance(trial.failure, Failure)):
        raise Breach(f"the failure of a trial is {_kind(trial.failure)} and has to be a Failure")
    if trial.failure is not None:
        _is_one_of(trial.failure.kind, sorted(FAILURE_KINDS), "the kind of a trial's failure")
        _is_text(trial.failure.detail, "the detail of a trial's failure")
        if trial.failure.cost_usd is not None:
            _is_number(trial.failure.cost_usd, "the cost of a trial's failure")
    _is_mapping(trial.measures, "the measures of a trial", "a dict of numbers")
    for prompt in _all(trial.prompts, str, "the prompts of a trial"):
        _is_text(prompt, "a prompt's version of a trial")
    for name, value in trial.measures.items():
        _is_text(name, "the name of a measure")
        if value is not None:
            _is_number(value, f"measure {name!r} of a trial")
    _is_words(trial.models, "the models of a trial")
    _is_words(trial.notes, "the notes of a trial")
    _is_text(trial.reasoning, "the reasoning of a trial")
    if trial.cost_usd is not None:
        _is_number(trial.cost_usd, "the cost of a trial")


def _check_judgement(judgement: Judgement) -> None:
    _is_text(judgement.judge, "the judge of a judgement")
    for place in (judgement.left, judgement.right):
        if type(place) is not int or place < 0:
            raise Breach(f"a judgement is about trial {place!r}; give its place, from 0")
    if type(judgement.orders) is not int:
        raise Breach(f"a judgement was asked for in {judgement.orders!r} orders; give 1 or 2, or 0 for no order")
    _is_text(judgement.reason, "the reason of a judgement")
    for word, said in (("agreed", judgement.agreed), ("readable", judgement.readable)):
        if type(said) is not bool:
            raise Breach(f"`{word}` of a judgement is {_kind(said)} and has to be True or False")
    if judgement.cost_usd is not None:
        _is_number(judgement.cost_usd, "the cost of a judgement")
    _is_text(judgement.scale, "the scale of a judgement")
    _all(judgement.scores, (int, float), "the scores of a judgement")
    _all(judgement.rewards, (int, float), "the rewards of a judgement")
    for word, both in (("scores", judgement.scores), ("rewards", judgement.rewards)):
        if len(both) not in (0, 2):
            raise Breach(f"`{word}` of a judgement are {len(both)}; give two, the left answer's first, or none")
    if not judgement.rewards and (judgement.gap is not None or judgement.scale):
        raise Breach("a judgement has a gap or a scale and no rewards, of which both are made; give its rewards, too")
    told = (one for one in (judgement.value, judgement.gap) if one is not None)
    for value in (*judgement.scores, *judgement.rewards, *told):
        _is_number(value, "a score, a reward, the gap or the value of a judgement")


def _check_claim(claim: Claim, *, trials: int, children: Collection[str]) -> None:
    if not isinstance(claim.wording, Wording):
        raise Breach(f"the wording of a claim is {_kind(claim.wording)} and has to be a Wording")
    for text in (claim.wording.text, claim.wording.family, *_all(claim.wording.goes_with, str, "`goes_with`")):
        _is_text(text, "the wording of a claim")
    if type(claim.trial) is not int or not 0 <= claim.trial < trials:
        raise Breach(f"a claim is about trial {_shown(claim.trial)}, and there are {trials}, counted from 0")
    if claim.child and claim.child not in children:
        raise Breach("a claim names a child that the outcome does not have")
    _is_words(claim.arms, "the arms of a claim")
    _is_mapping(claim.measures_if_refused, "the measures of a claim", "a dict of numbers")
    for value in (one for one in claim.measures_if_refused.values() if one is not None):
        _is_number(value, "a measure of a claim")


def _check_row(row: Row, what: str, *, trials: int) -> None:
    _is_one_of(row.shape, get_args(RowShape), f"the shape of {what}")
    _is_words(row.labels, f"the labels of {what}")
    for place in _all(row.from_trials, object, f"`from_trials` of {what}"):
        if type(place) is not int or not 0 <= place < trials:
            raise Breach(f"{what} is from trial {place!r}, and there are {trials}, counted from 0")
    if row.shape in ("sft", "instruction"):
        sample = _sample_in(row.data, "sample", what)
        if row.shape == "sft" and not sample.is_answered:
            raise Breach(f"{what} is to fine-tune on and has no response")
        return
    _sample_in(row.data, "prompt", what)
    for name in ("chosen", "rejected"):
        _is_text(row.data.get(name), f"`{name}` of {what}")
        _says_something(row.data[name], f"`{name}` of {what}")
    if row.data["chosen"].strip() == row.data["rejected"].strip():
        raise Breach(f"`chosen` and `rejected` of {what} are the same text, which teaches nothing; leave the row out")
    if row.shape == "reward":
        _is_number(row.data.get("margin"), f"`margin` of {what}")
        if row.data["margin"] < 0:
            raise Breach(f"`margin` of {what} is below 0, by which the rejected answer is the better one; swap the two")


def _sample_in(data: Mapping[str, Any], name: str, what: str) -> Sample:
    try:
        sample = Sample.from_dict(data[name])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Breach(f"{what} holds no {name} as `Sample(...).to_dict()` gives it; make rows by `sft(...)`") from None
    _check_content(sample, f"the {name} of {what}", Sample)
    _says_something(sample.question, f"the instruction of {what}")
    _calls_well(sample, what)
    return sample


def _calls_well(sample: Sample, what: str) -> None:
    """Refuse what no trainer's template could write: a call of no tool, or one that is answered by nobody."""
    if not sample.holds_tools:
        return
    names = [tool.name for tool in sample.tools]
    called = {call.name for turn in sample.turns for call in turn.tool_calls}
    if unknown := sorted(called - set(names)):
        raise Breach(f"{what} calls {unknown[0]!r}, which is none of its tools: {', '.join(names) or 'there are none'}")
    if problem := why_no_dialogue(sample.turns):
        raise Breach(f"{what} is no dialogue with tools: {problem}")
    if len(names) != len(set(names)):
        raise Breach(f"{what} has two tools of one name")


def _says_something(text: str, what: str) -> None:
    if not text.strip():
        raise Breach(f"{what} is empty")


def _check_child(child: Seed, seed: Seed, next_recipe: str) -> None:
    if child.parent != seed.id or child.recipe != next_recipe:
        raise Breach("a child is not made by `bench.child(...)`, so that nobody would take it")
    _is_text(child.id, "the id of a child")
    _is_text(child.source, "the source of a child")
    _check_content(child.content, "the content of a child", (Sample, Document))
    text = child.content.text if isinstance(child.content, Document) else child.content.question
    _says_something(text, "the text of a child")
    if isinstance(child.content, Sample):
        _calls_well(child.content, "a child")
    _is_one_of(
        child.kind,
        ["document"] if isinstance(child.content, Document) else ["sample", "instruction"],
        "the kind of a child",
    )
    _is_words(child.labels, "the labels of a child")
    _is_mapping(child.meta, "the meta of a child", "a dict")
    if type(child.round) is not int or not 0 <= child.round <= MOST_ROUNDS:
        raise Breach(f"the round of a child is {_shown(child.round)} and has to be a whole number, as it was made")


def _check_content(content: object, what: str, kinds: type | tuple[type, ...]) -> None:
    if not isinstance(content, kinds):
        raise Breach(f"{what} is {_kind(content)} and has to be a Sample or a Document")
    if isinstance(content, Document):
        _is_text(content.text, f"the text of {what}")
        _is_text(content.title, f"the title of {what}")
    elif isinstance(content, Sample):
        _is_text(content.instruction, f"the instruction of {what}")
        _is_text(content.input, f"the input of {what}")
        if content.response is not None:
            _is_text(content.response, f"the response of {what}")
        for place, turns in (("history", content.history), ("tool_turns", content.tool_turns)):
            for turn in _all(turns, Message, f"the {place} of {what}"):
                _check_turn(turn, f"the {place} of {what}")
        for tool in _all(content.tools, Tool, f"the tools of {what}"):
            _check_tool(tool, f"a tool of {what}")


def _check_tool(tool: Tool, what: str) -> None:
    for text in (tool.name, tool.description, tool.parameters_json):
        _is_text(text, what)
    try:
        read = Tool.from_dict(tool.to_dict())
    except (TypeError, ValueError):
        read = None
    if read != tool:
        raise Breach(f"{what} has no name, or parameters that are no JSON schema; make it by `Tool.from_dict`")


def _check_turn(turn: Message, where: str) -> None:
    _is_one_of(turn.role, get_args(Role), f"a role in {where}")
    _is_text(turn.content, f"a turn in {where}")
    _is_text(turn.tool_call_id, f"the call that a turn in {where} answers")
    for call in _all(turn.tool_calls, ToolCall, f"the calls of a turn in {where}"):
        for text in (call.id, call.name, call.arguments):
            _is_text(text, f"a call in {where}")


def _written(given: Outcome) -> list[str]:
    """Its parts as JSON, if it is not too large. Also finds what is deep inside no plain data."""
    children = [[one.content.to_dict(), dict(one.labels), one.meta, one.source] for one in given.children]
    try:
        written = [to_json(part) for part in (given.to_dict(), *children)]
    except (TypeError, ValueError, AttributeError) as error:
        raise Breach(f"its outcome holds what is no plain data and cannot be written: {error}") from None
    if (characters := sum(map(len, written))) > MOST_CHARACTERS:
        raise Breach(f"its outcome holds {characters:,} characters, and {MOST_CHARACTERS:,} are possible")
    return written


def _all(given: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """Each of them, if all are of this kind."""
    if not isinstance(given, tuple):
        raise Breach(f"{what} is {_kind(given)} and has to be a tuple")
    if wrong := [one for one in given if not isinstance(one, kind)]:
        named = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise Breach(f"{what} holds {_kind(wrong[0])}, and each has to be a {named}")
    return given


def _is_mapping(given: object, what: str, kind: str) -> None:
    if not isinstance(given, Mapping):
        raise Breach(f"{what} are {_kind(given)} and have to be {kind}")


def _is_words(given: Any, what: str) -> None:
    _is_mapping(given, what, "a dict of texts")
    for name, value in given.items():
        _is_text(name, f"a name in {what}")
        _is_text(value, f"{name!r} in {what}")


def _is_text(given: object, what: str) -> None:
    if not isinstance(given, str):
        raise Breach(f"{what} is {_kind(given)} and has to be a text")


def _is_number(given: object, what: str) -> None:
    if not (isinstance(given, (int, float)) and abs(given) <= MOST_MEASURED):
        raise Breach(f"{what} is {_shown(given)} and has to be a number up to {MOST_MEASURED:g}")


def _shown(given: object) -> str:
    return str(given) if isinstance(given, float) else one_line(ascii(given), 40)


def _is_one_of(given: object, words: Collection[str], what: str) -> None:
    if given not in words:
        raise Breach(f"{what} is {_shown(given)}; there are: {', '.join(words)}")


def _kind(given: object) -> str:
    return "None" if given is None else type(given).__name__

"""Whatever a recipe writes into any field of what it gives back is refused, or is read back as it was given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from star_agents.engine.outcome_rules import check_outcome
from star_agents.errors import RecipeError
from star_agents.recipes.protocol import preference, sft
from star_agents.records import (
    Claim,
    Document,
    Failure,
    Judgement,
    Message,
    Outcome,
    Reward,
    Sample,
    Seed,
    Tool,
    ToolCall,
    Trial,
    Wording,
)
from star_agents.text.plain_data import from_json, to_json
from star_agents.text.redaction import redactor

ODD: tuple[Any, ...] = (
    *(None, 3, -1, True, 2.5, math.nan, math.inf, 1e300, 10**400, "x", "", " ", "\ud800", b"x", object()),
    *({}, [], [1], {"a": 1}, {1: "a"}, {"a": None}, (1,), ("x",), {"x"}, [["x"]]),
)
SEED = Seed.of(Document(text="text"))
SAMPLE = Sample(
    instruction="i",
    input="in",
    response="r",
    history=(Message(role="user", content="h"), Message(role="assistant", content="a")),
    tool_turns=(
        Message(role="assistant", content="", tool_calls=(ToolCall(id="1", name="add", arguments='{"a":1}'),)),
        Message(role="tool", content="2", tool_call_id="1"),
    ),
    tools=(Tool(name="add", description="Adds."),),
)
TRIAL = Trial(
    arm="plain",
    sample=SAMPLE,
    role="one",
    failure=Failure(kind="call", detail="why"),
    measures={"words": 1.0},
    models={"writer": "m"},
    prompts=("p@1",),
    reasoning="thoughts",
    notes={"n": "x"},
)
JUDGEMENT = Judgement(judge="j", left=0, right=0, scores=(1.0, 2.0), value=1.0, reason="since")
MEASURED = replace(JUDGEMENT, rewards=(1.0, 2.0), gap=-1.0, scale="s")
CHILD = SEED.child(SAMPLE, recipe="next", kind="sample", labels={"mine.style": "plain", "mine:page": "3"})
OUTCOME = Outcome(
    seed_id=SEED.id,
    kind="kept",
    rows=(
        sft(SAMPLE, from_trials=[0], labels={"a": "b"}),
        preference(SAMPLE, "c", "r"),
        preference(SAMPLE, "c", "r", margin=1),
    ),
    children=(CHILD,),
    trials=(TRIAL,),
    judgements=(JUDGEMENT, MEASURED),
    earned=(Reward(pool="style", arm="plain", value=1.0),),
    worth=0.5,
)


def altered(record: Any) -> Iterator[tuple[str, Any]]:
    """The same with one field, in itself or in what it holds, of another value."""
    for field in fields(record):
        value = getattr(record, field.name)
        for odd in ODD:
            yield f"{type(record).__name__}.{field.name} = {odd!r:.40}", replace(record, **{field.name: odd})
        inner = value[0] if isinstance(value, tuple) and value else value
        if hasattr(inner, "__dataclass_fields__"):
            for what, one in altered(inner):
                changed = (one, *value[1:]) if isinstance(value, tuple) else one
                yield f"{type(record).__name__}.{field.name}: {what}", replace(record, **{field.name: changed})


CHANGED = [
    *altered(OUTCOME),
    *((what, replace(OUTCOME, judgements=(one,))) for what, one in altered(MEASURED)),
]


def test_the_outcome_itself_is_taken_as_it_is() -> None:
    taken = check_outcome(OUTCOME, "mine", SEED, "next")
    assert taken == replace(OUTCOME, recipe="mine")


@pytest.mark.parametrize("part", range(20))
def test_a_field_of_any_other_value_is_refused_or_read_back_as_it_was_given(part: int) -> None:
    assert len(CHANGED) > 1000
    for what, given in CHANGED[part::20]:
        if what.startswith("Outcome.seed_id"):  # The seed that was worked is compared with, wherever it comes from.
            continue
        try:
            taken = check_outcome(given, "mine", SEED, "next")
        except RecipeError:
            continue  # What else it raises fails the test.
        read = Outcome.from_dict(from_json(to_json(taken.to_dict())))
        assert replace(read, children=taken.children) == taken, what
        for child in taken.children:
            assert type(child.content).from_dict(from_json(to_json(child.content.to_dict()))) == child.content, what
            assert all(isinstance(text, str) for text in (child.id, child.kind, child.recipe, child.parent)), what
            assert isinstance(child.round, int), what
            assert from_json(to_json(dict(child.labels))) == child.labels, what
            assert to_json(dict(child.meta)), what


def test_what_the_engine_says_of_an_outcome_is_not_for_a_recipe_to_say() -> None:
    given = replace(OUTCOME, is_fault=True, drawn=(("mine.style", "plain"),), recalled=3, cost_usd=7.0, recipe="star")
    taken = check_outcome(given, "mine", SEED, "next")
    assert (taken.is_fault, taken.drawn, taken.recalled, taken.cost_usd, taken.recipe) == (False, (), None, 0.0, "mine")


@pytest.mark.parametrize("text", ["Set \\underline{x} in LaTeX.", "The key is Zt7-kP2mWq9xLd4v."])
def test_what_is_claimed_to_be_new_stays_so_where_a_secret_is_struck_out_or_looked_for(text: str) -> None:
    redactor.keep(["Zt7-kP2mWq9xLd4v"])
    trial = replace(TRIAL, sample=Sample(instruction=text, response="So."))
    claim = Claim(wording=Wording(text=text), trial=0, arms={"style": "Zt7-kP2mWq9xLd4v"}, measures_if_refused={"k": 0})
    given = Outcome(seed_id=SEED.id, kind="kept", rows=(sft(SAMPLE),), trials=(trial,), claims=(claim,))
    assert check_outcome(given, "mine", SEED, "next").claims == (replace(claim, arms={"style": "***"}),)

"""Tool use: dialogues do what their kind of task demands, and become rows that chat templates write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from example_model import ExampleModel, example_of
from instruct_model import Asked
from lines import origin, read_jsonl
from test_agent_instruct import failures, outcome_of
from tiny_models import train_tokenizer

from star_agents.recipes.parts.tool_calls import arguments_flaw
from star_agents.recipes.parts.tool_dialogue import Demand, dialogue_flaw, task_flaw
from star_agents.recipes.skill_files import built_in_skill
from star_agents.records import Message, ToolCall

SKILL = built_in_skill("tool_use")
KINDS = {kind.name: kind for kind in SKILL.types}
SETTINGS = "skills: [tool_use], instructions_per_document: 7, types_per_document: 7, refine: {rounds: 0}"

QWEN = """\
{%- set system = messages[0].content if messages[0].role == 'system' else 'Help where you can.' -%}
{{- '<|im_start|>system\\n' ~ system }}
{%- if tools %}
    {{- '\\n\\n# Functions\\n\\nTheir signatures stand between <tools></tools>:\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' ~ (tool | tojson) }}{%- endfor %}
    {{- '\\n</tools>\\n\\nWrite each call as JSON between <tool_call></tool_call>.' }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in messages %}
    {%- if message.role == 'assistant' and message.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}{{- '\\n' ~ message.content }}{%- endif %}
        {%- for call in message.tool_calls %}
            {%- set call = call.function if call.function is defined else call %}
            {{- '\\n<tool_call>\\n{"name": "' ~ call.name ~ '", "arguments": ' ~ (call.arguments | tojson) ~ '}' }}
            {{- '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' ~ message.content ~ '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- elif message.role in ('user', 'assistant') %}
        {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
"""
"""In the manner of Qwen 2.5 and Hermes: tools in the system turn, calls in tags, results in a turn of the user."""
LLAMA = """\
{{- bos_token }}
{%- set named = '<|start_header_id|>' %}{%- set end = '<|end_header_id|>\\n\\n' %}
{{- named ~ 'system' ~ end ~ ('Environment: ipython\\n' if tools else '') ~ '<|eot_id|>' }}
{%- set ns = namespace(told=false) %}
{%- for message in messages %}
    {%- if message.role == 'tool' or message.role == 'ipython' %}
        {{- named ~ 'ipython' ~ end ~ (message.content | tojson) ~ '<|eot_id|>' }}
    {%- elif message.tool_calls %}
        {%- if message.tool_calls | length != 1 %}{{- raise_exception('one call a turn') }}{%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- named ~ 'assistant' ~ end ~ '{"name": "' ~ call.name ~ '", "parameters": ' }}
        {{- call.arguments | tojson ~ '}<|eot_id|>' }}
    {%- elif message.role == 'user' and tools and not ns.told %}
        {%- set ns.told = true %}
        {{- named ~ 'user' ~ end ~ 'Answer with one of these calls where it helps.\\n\\n' }}
        {%- for tool in tools %}{{- (tool | tojson(indent=4)) ~ '\\n\\n' }}{%- endfor %}
        {{- message.content ~ '<|eot_id|>' }}
    {%- else %}
        {{- named ~ message.role ~ end ~ (message.content | trim) ~ '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
"""
"""In the manner of Llama 3.1: tools before the first turn of the user, one call a turn, results as role ipython."""


async def test_each_kind_of_task_gives_a_dialogue_that_the_templates_of_two_models_write(tmp_path: Path) -> None:
    outcome = await outcome_of(tmp_path, ExampleModel(SKILL), SETTINGS)
    assert failures(outcome) == []
    rows = read_jsonl(tmp_path / "out" / "tools.jsonl")
    assert {origin(row)["labels"]["type"] for row in rows} == set(KINDS)
    for row in rows:
        turns, tools = row["messages"], json.loads(row["tools"])
        functions = [one["function"] for one in tools]
        calls = [one["function"] for turn in turns for one in turn.get("tool_calls") or ()]
        assert all(arguments_flaw(one["name"], one["arguments"], functions) == "" for one in calls)
        for template, arguments in ((QWEN, "arguments"), (LLAMA, "parameters")):
            tokenizer = train_tokenizer(chat_template=template)
            told = str(tokenizer.apply_chat_template(turns, tools=tools, tokenize=False))
            written = [f'{{"name": "{one["name"]}", "{arguments}": {json.dumps(one["arguments"])}}}' for one in calls]
            places = [told.index(text) for text in (turns[0]["content"], *written, turns[-1]["content"])]
            assert places == sorted(places)
            assert all(told.index(json.dumps(one["name"])) < places[0] for one in functions)


async def test_a_function_that_a_task_is_to_lack_is_taken_from_those_that_the_document_gave(tmp_path: Path) -> None:
    outcome = await outcome_of(tmp_path, ExampleModel(SKILL), SETTINGS)
    shown = {
        row.labels["type"]: {one["function"]["name"] for one in row.data["sample"]["tools"]} for row in outcome.rows
    }
    others = {"find_boats", "book_boat", "cancel_booking", "weather"}
    assert shown["api_missing"] == {*others, "order_taxi"}
    assert shown["several_apis_some_missing"] == {*others, "change_booking"}
    assert shown["several_apis_all_parameters"] == {*others, "change_booking", "order_taxi"}


GUESS = '<tool_call>{"name": "find_boats", "arguments": {"seats": 2, "day": "2025-05-02"}}</tool_call>'


@pytest.mark.parametrize(("then", "rows", "told"), [("For how many people?", 7, 0), (GUESS, 6, 1)])
async def test_who_calls_with_a_value_that_nobody_gave_is_told_so_once_and_then_refused(
    then: str, rows: int, told: int, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> str | None:
        guesses = "could we" in str(asked.frame("instruction"))
        return (then if asked.is_again else GUESS) if guesses else None

    model = ExampleModel(SKILL, answer=answer)
    outcome = await outcome_of(tmp_path, model, SETTINGS)
    assert (len(outcome.rows), len(failures(outcome))) == (rows, told)
    assert all("calls find_boats, though nobody gave its 'seats'" in one for one in failures(outcome))
    (again,) = (one for one in model.asked if one.is_again)
    assert (again.part, "nobody gave its 'seats'" in again.messages[-1][1]) == ("answer", True)


# What a dialogue is held to


def called(place: int, function: str, **arguments: Any) -> tuple[Message, Message]:
    """A call in a turn of its own, and what it gave."""
    call = ToolCall.of(f"c{place}", function, arguments)
    return (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="done", tool_call_id=call.id),
    )


def said(text: str) -> Message:
    return Message(role="assistant", content=text)


FIND = called(1, "find_boats", seats=4, day="2025-05-02")
BOOK = called(2, "book_boat", boat=7, day="2025-05-02", name="Noor")
WEATHER = called(3, "weather", lake="Orm", day="2025-05-02")
DONE = said("It is done.")


@pytest.mark.parametrize(
    ("kind", "turns", "told"),
    [
        ("single_api_all_parameters", (*FIND, DONE), ""),
        ("single_api_all_parameters", (*FIND, *called(4, "find_boats", seats=2, day="2025-05-02"), DONE), ""),
        ("single_api_all_parameters", FIND, ""),
        ("single_api_all_parameters", (DONE,), "ends after calls of 0 functions, and the task needs 1"),
        ("single_api_all_parameters", (*FIND, *BOOK), "calls book_boat, find_boats, and one function is enough"),
        ("single_api_all_parameters", called(1, "fly", to="Orm"), "calls 'fly', which is none of the tools"),
        ("single_api_all_parameters", called(1, "find_boats", seats=4), "has no 'day'"),
        ("single_api_all_parameters", called(1, "find_boats", seats="4", day="x"), "'seats' is no integer"),
        ("single_api_all_parameters", (FIND[0], DONE), "where the result of call 'c1' belongs"),
        ("single_api_all_parameters", (FIND[1], DONE), "that the turn before it does not make"),
        ("single_api_all_parameters", (FIND[0], replace(FIND[1], tool_call_id="c9")), "does not make"),
        (
            "single_api_superfluous_parameters",
            called(1, "cancel_booking", booking="B-204", guests=4),
            "has 'guests', which it cannot have",
        ),
        ("single_api_missing_parameters", (said("For how many people?"),), ""),
        ("single_api_missing_parameters", (said("何人ですか？"),), ""),
        ("single_api_missing_parameters", (DONE,), "does not end in a question"),
        ("single_api_missing_parameters", FIND, "calls find_boats, though nobody gave its 'seats'"),
        ("single_api_missing_parameters", WEATHER, "calls weather, though that cannot do what is asked"),
        ("several_apis_all_parameters", (*FIND, *BOOK, DONE), ""),
        ("several_apis_all_parameters", (*FIND, DONE), "calls of 1 functions, and the task needs 2"),
        ("several_apis_missing_parameters", (*WEATHER, said("Under which name?")), ""),
        ("several_apis_missing_parameters", (said("Under which name?"),), ""),
        ("several_apis_missing_parameters", (*WEATHER, DONE), "does not end in a question"),
        ("several_apis_missing_parameters", (*WEATHER, *BOOK), "calls book_boat, though nobody gave its 'name'"),
        ("api_missing", (said("I cannot do that."),), ""),
        ("api_missing", (said("Dafür gibt es keine Funktion."),), ""),
        ("api_missing", (DONE,), "does not end by saying that no function"),
        ("api_missing", BOOK, "calls book_boat, though that cannot do what is asked"),
        ("several_apis_some_missing", (*FIND, said("Boat 7 is free. I can't order a taxi.")), ""),
        ("several_apis_some_missing", (*FIND, said("Boat 7 is free, and the taxi comes.")), "does not end by saying"),
    ],
)
def test_a_dialogue_does_what_its_kind_of_task_demands(kind: str, turns: Sequence[Message], told: str) -> None:
    written = example_of(KINDS[kind]).written
    flaw = dialogue_flaw(turns, written, KINDS[kind].demand)
    assert (told in flaw) if told else flaw == ""


@pytest.mark.parametrize(
    ("demand", "lacks", "tools", "told"),
    [
        (Demand(functions="one"), "", 1, ""),
        (Demand(functions="one"), "weather", 1, "nothing may be lacking"),
        (Demand(functions="several"), "", 1, "needs several functions, and there is one"),
        (Demand(functions="one", lacks="function"), "fly", 1, ""),
        (Demand(functions="one", lacks="function"), "", 1, "does not name the function"),
        (Demand(functions="one", lacks="function"), "find_boats", 1, "which is there"),
        (Demand(functions="one", lacks="parameter"), "find_boats.seats", 1, ""),
        (
            Demand(functions="one", lacks="parameter"),
            "find_boats.motor",
            1,
            "'motor', which find_boats does not require",
        ),
        (Demand(functions="one", lacks="parameter"), "seats", 1, "not a function of the list, a dot, and a parameter"),
        (Demand(functions="one", lacks="parameter"), "book_boat.name", 1, "not a function of the list"),
    ],
)
def test_a_task_lacks_what_its_kind_says(demand: Demand, lacks: str, tools: int, told: str) -> None:
    written = example_of(KINDS["single_api_all_parameters"]).written
    flaw = task_flaw(replace(written, tools=written.tools[:tools], lacks=lacks), demand)
    assert (told in flaw) if told else flaw == ""


def test_without_a_demand_any_dialogue_will_do_whose_calls_are_valid() -> None:
    written = example_of(KINDS["api_missing"]).written
    assert dialogue_flaw((*FIND, *BOOK, DONE), written) == ""
    assert "none of the tools" in dialogue_flaw(called(1, "fly"), written)

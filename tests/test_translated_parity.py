"""LiteLLM's own sending and ours, of the same calls to the same server: what arrives and what comes of it is the same.

``shaped_replies.py`` holds the replies. Where LiteLLM is wrong the two differ; the tests under "Where LiteLLM is wrong"
say in what.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from call_outcomes import CallOutcome
from shaped_replies import failure
from translated_providers import INVOKED, MAIN, OTHERS, PROMPT, SHAPE, Both, both_ways, names

from star_agents.agents.answer import Call, Choice
from star_agents.agents.transports.plain_replies import as_openai_reply
from star_agents.records import Tool

in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    async with both_ways(tmp_path_factory.mktemp("google")) as found:
        yield found


@pytest.fixture(autouse=True)
def _fresh(both: Both) -> None:
    both.server.reply, both.server.status, both.server.headers = None, 200, {}


# What is asked, and what comes of an answer.

SYSTEM = {"role": "system", "content": "Be brief."}
HISTORY = (
    SYSTEM,
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Good day.\n"},
    {"role": "user", "content": "And   who\nare you?"},
)
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "reply",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"verdict": {"type": "string", "enum": ["A", "B"]}},
            "required": ["verdict"],
            "additionalProperties": False,
        },
    },
}
TOOL = Tool.of(
    "look_up",
    "Looks a word up.",
    {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)
CALLED = (
    {"role": "user", "content": "What is a quine?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "quine"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "A program that prints itself."},
)
CALLS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "system turn": {"messages": (SYSTEM, *PROMPT)},
    "history": {"messages": HISTORY},
    "schema": {"shape": {**SHAPE, "response_format": SCHEMA}},
    "json": {"shape": {**SHAPE, "response_format": {"type": "json_object"}}},
    "stop": {"shape": {**SHAPE, "stop": ["\n\n", "END"]}},
    "top_p": {"shape": {"top_p": 0.9, "max_tokens": 20}},
    "nothing set": {"shape": {}},
    "refused": {"shape": {**SHAPE, "logit_bias": {"5": 1}, "seed": 3}},
    "dropped": {"shape": {**SHAPE, "logit_bias": {"5": 1}, "seed": 3, "n": 1, "drop_params": True}},
    "headers": {"shape": {**SHAPE, "extra_headers": {"X-Mine": "yes"}}},
    "unknown": {"shape": {**SHAPE, "top_k": 40}},
    "several": {"n": 2},
    "no system turn": {"shape": {**SHAPE, "supports_system_message": False}, "messages": (SYSTEM, *PROMPT)},
}


@in_one_loop
@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("name", names())
async def test_the_same_request_arrives_and_its_answer_is_the_same(name: str, case: str, both: Both) -> None:
    if MAIN[name].theirs and case == "no system turn":
        pytest.skip("LiteLLM sends it whole, and fetches its token of the real Entra")
    both.told(name)
    theirs, ours = await both.compared(name, **CALLS[case])
    assert ours == theirs
    assert ours.error == "AgentRefused" or ours.choices[0].text == "Four."


@in_one_loop
@pytest.mark.parametrize("name", names(has_tools=True))
async def test_tools_are_offered_called_and_answered_alike(name: str, both: Both) -> None:
    shape = {**MAIN[name].shape, "tools": [TOOL.to_dict()]}
    both.told(name, text=None, end="tools", call=("look_up", {"word": "quine"}))
    theirs, ours = await both.compared(name, shape=shape, tools=(TOOL,))
    assert [one.name for one in ours.choices[0].tool_calls] == ["look_up"]
    assert _without_made_ids(ours) == _without_made_ids(theirs)
    both.told(name, text="It prints itself.")
    theirs, ours = await both.compared(name, shape=shape, tools=(TOOL,), messages=CALLED)
    assert ours == theirs


def _without_made_ids(one: CallOutcome) -> Any:
    """Where a provider sends no id of a call, LiteLLM makes one up."""
    return [(c.text, c.finish_reason, [(t.name, t.arguments) for t in c.tool_calls]) for c in one.choices]


REPLIES: Mapping[str, dict[str, Any]] = {
    "cut": {"text": "Four, as", "end": "length"},
    "filtered": {"text": "Fo", "end": "filter"},
    "empty": {"text": "", "completion": 1},
    "no text": {"text": None},
    "cached": {"prompt": 2000, "cached": 1024},
    "long": {"text": "Four. " * 20_000, "completion": 60},
    "marked thought": {"text": "<think>Two and two.</think>\n\nFour."},
}


@in_one_loop
@pytest.mark.parametrize("case", REPLIES)
@pytest.mark.parametrize("name", names())
async def test_the_same_reply_is_the_same_answer(name: str, case: str, both: Both) -> None:
    both.told(name, **REPLIES[case])
    theirs, ours = await both.compared(name)
    if name in LOSES_THE_COST:
        assert 0 < (ours.cost_usd or 0.0) <= (theirs.cost_usd or 0.0)
        theirs = replace(theirs, cost_usd=ours.cost_usd)
    if name in LOSES_THE_END and (end := REPLIES[case].get("end")):
        word = {"filter": "stop" if name == "ollama" else "content_filter"}  # Ollama has no filter
        assert ours.choices[0].finish_reason == word.get(end, end)
        assert theirs.choices[0].finish_reason == "stop"
        theirs = replace(theirs, choices=(replace(theirs.choices[0], finish_reason=ours.choices[0].finish_reason),))
    assert ours == theirs
    assert ours.choices


@in_one_loop
@pytest.mark.parametrize("name", names())
async def test_a_plain_reply_is_read_without_litellm(name: str, both: Both) -> None:
    translator = both.endpoint(name).translator
    assert translator is not None
    one = await translator.translation(MAIN[name].shape, PROMPT, 1)
    both.told(name, thought="Two and two." if MAIN[name].thinks else "", cached=4)
    assert (
        as_openai_reply(one, both.server.reply, request_body=one.request(PROMPT).data, offers_tools=False) is not None
    )


@in_one_loop
@pytest.mark.parametrize("name", names(thinks=True))
async def test_thoughts_are_the_same_and_stand_in_no_answer(name: str, both: Both) -> None:
    both.told(name, thought="Two and two.", completion=6)
    theirs, ours = await both.compared(name)
    assert ours == theirs
    assert (ours.choices[0].text, ours.choices[0].reasoning) == ("Four.", "Two and two.")


_FLEX = {"promptTokenCount": 9, "candidatesTokenCount": 4, "trafficType": "ON_DEMAND_FLEX"}
_ASKED = {"service_tier": "flex"}
TIERS = [(_ASKED, {}), (_ASKED, {"service_tier": "default"}), ({}, {"service_tier": "priority"})]


@in_one_loop
@pytest.mark.parametrize(("asked", "more"), [*TIERS, ({}, {"usageMetadata": _FLEX})])
@pytest.mark.parametrize("name", ["gpt-5", "gemini"])
async def test_a_tier_of_service_costs_what_litellm_says(
    name: str, asked: dict[str, Any], more: dict[str, Any], both: Both
) -> None:
    both.told(name, more=more)
    theirs, ours = await both.compared(name, shape={**SHAPE, **asked})
    assert ours == theirs


LOSES_THE_COST = {"fireworks"}
"""LiteLLM whole says 0 dollars; asked for the price of the same tokens, it knows it, and that cached ones cost half."""
LOSES_THE_END = {"cohere", "ollama"}
"""LiteLLM whole does not look why Cohere's replies ended, nor those of Ollama's ``/api/generate``: it says ``stop``."""
LOSES_RETRY_AFTER = {"cohere"}
"""LiteLLM hands on no header of theirs; ours waits as long as the provider asks."""
FAILURES: Mapping[str, tuple[int, str, str]] = {
    "429": (429, "Slow down.", "rate_limit_error"),
    "400 too long": (400, "This model's maximum context length is 8192 tokens.", "invalid_request_error"),
    "400": (400, "temperature: must be below 1", "invalid_request_error"),
    "401": (401, "No such key.", "authentication_error"),
    "404": (404, "There is no such model.", "not_found_error"),
    "500": (500, "It broke.", "api_error"),
    "503": (503, "Overloaded.", "overloaded_error"),
}


@in_one_loop
@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("name", names())
async def test_the_same_failure_is_the_same_error_with_the_same_advice(name: str, case: str, both: Both) -> None:
    status, message, kind = FAILURES[case]
    both.endpoints.clear()  # tokens that are refused are new, else they would be fetched anew
    both.server.status, both.server.headers = status, {"Retry-After": "7"} if status == 429 else {}
    both.server.reply = failure(MAIN[name].form, status, message, kind)
    theirs, ours = await both.compared(name)
    if name in LOSES_RETRY_AFTER:
        theirs = replace(theirs, retry_after=ours.retry_after)
    assert ours == theirs
    assert ours.error
    assert ours.retry_after == (7.0 if status == 429 else None)


@in_one_loop
@pytest.mark.parametrize("name", [name for name in OTHERS if name not in INVOKED])
async def test_every_provider_on_the_list_is_asked_and_read_alike(name: str, both: Both) -> None:
    both.told(name, prompt=11, completion=5)
    theirs, ours = await both.compared(name, messages=HISTORY)
    assert ours == theirs
    assert ours.choices == (Choice(text="Four.", finish_reason="stop"),)


@in_one_loop
@pytest.mark.parametrize("name", INVOKED)
async def test_every_family_of_bedrocks_invoke_is_asked_and_read_alike(name: str, both: Both) -> None:
    both.server.reply = INVOKED[name]
    theirs, ours = await both.compared(name, messages=HISTORY)
    assert ours == theirs
    assert [one.text for one in ours.choices] == ["Four."]


@in_one_loop
@pytest.mark.parametrize("name", ["bedrock", "cohere", "ollama"])
async def test_no_header_costs_an_answer(name: str, both: Both) -> None:
    both.told(name)
    both.server.headers = {"X-Region": "Zürich", "Content-Type": "application/json; charset=utf-16"}
    call = Call(endpoint=both.endpoint(name), messages=PROMPT, shape=SHAPE, timeout_s=20.0)
    assert (await both.ways["translated"].complete(call)).choices[0].text == "Four."

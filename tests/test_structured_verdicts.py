"""Verdicts bound to a JSON schema, wherever a server does that, and text where it does not: on real sockets."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai_server import Answer, Body, Fault, Handler, Move, OpenAIServer

from star_agents.agents.client import AgentClient
from star_agents.agents.judging.referee import verdict_form
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentRefused
from star_agents.records import Message, Reply

CODE = "7c9e2b41"
FORM = verdict_form(CODE, "Reply with this JSON object.", with_reason=True)
QUESTION = [Message(role="system", content="You judge."), Message(role="user", content="A or B?")]
OBJECT = json.dumps({"code": CODE, "reason": "It is right.", "verdict": "A"})

Agent = Callable[[OpenAIServer], AgentConfig]


def openai(server: OpenAIServer) -> AgentConfig:
    return AgentConfig(model="openai/m", api_base=server.url, retries=0)


def vllm(server: OpenAIServer) -> AgentConfig:
    return AgentConfig(model="hosted_vllm/m", api_base=server.url, retries=0)


def ollama(server: OpenAIServer) -> AgentConfig:
    return AgentConfig(model="ollama_chat/m", api_base=server.root, retries=0)


def through_litellm(server: OpenAIServer) -> AgentConfig:
    return AgentConfig(model="openai/gpt-4o", api_base=server.url, transport="litellm", retries=0)


@asynccontextmanager
async def judge_on(handler: Handler, agent: Agent) -> AsyncIterator[tuple[AgentClient, OpenAIServer]]:
    async with OpenAIServer(handler) as server:
        client = AgentClient({"judge": agent(server)}, rng=random.Random(0))
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(client: AgentClient, form: ReplyForm | None = FORM) -> Reply:
    return await client.ask("judge", QUESTION, temperature=0.0, max_tokens=64, form=form)


def schema_in(body: Body) -> dict[str, Any] | None:
    """The schema of a request, wherever this server's dialect has it."""
    if "format" in body:
        found: dict[str, Any] = body["format"]
        return found
    asked = body.get("response_format")
    return asked["json_schema"]["schema"] if asked else None


def obeys(body: Body) -> Answer:
    return Answer(text=OBJECT if schema_in(body) else "Let me see.")


@pytest.mark.parametrize("agent", [openai, vllm, ollama])
async def test_a_server_of_ours_is_asked_with_a_schema_whose_lengths_bound_the_reasons(agent: Agent) -> None:
    async with judge_on(obeys, agent) as (client, server):
        reply = await ask(client)
        assert (reply.text, client.binding("judge")) == (OBJECT, "schema")
        (request,) = server.requests
    schema = schema_in(request.body)
    assert schema == FORM.schema
    assert list(schema["properties"]) == schema["required"] == ["code", "reason", "verdict"]
    assert schema["properties"]["code"]["enum"] == [CODE]
    assert "maxLength" in schema["properties"]["reason"]
    assert request.body["messages"][-1]["content"] == "A or B?\nReply with this JSON object."
    assert request.body["messages"][0]["content"] == "You judge."


async def test_litellms_providers_are_asked_with_the_schema_that_every_one_of_them_takes() -> None:
    """OpenAI's strict mode and Anthropic's structured output refuse the length of a string with status 400."""
    async with judge_on(obeys, through_litellm) as (client, server):
        assert (await ask(client)).text == OBJECT
        (request,) = server.requests
    assert request.body["response_format"]["json_schema"]["strict"] is True
    schema = schema_in(request.body)
    assert schema is not None
    assert "maxLength" not in json.dumps(schema)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("status", [400, 404, 422, 500, 501])
@pytest.mark.parametrize("agent", [openai, vllm, ollama, through_litellm])
async def test_a_server_that_refuses_schemas_is_asked_for_text_in_the_same_call_and_remembered(
    agent: Agent, status: int
) -> None:
    def refuses(body: Body) -> Move:
        return Fault(status=status, message="response_format is not supported") if schema_in(body) else Answer(text="B")

    async with judge_on(refuses, agent) as (client, server):
        assert (await ask(client)).text == "B"
        assert client.binding("judge") == "refused"
        refused = len(server.requests) - 1
        assert len(server.charged) == 1
        assert (await ask(client)).text == "B"
        assert len(server.requests) == refused + 2, "it is not asked again for what it refused"
        last = server.requests[-1].body
    assert (last["messages"][-1]["content"], "format" in last, "response_format" in last) == ("A or B?", False, False)


async def test_a_server_that_only_refuses_lengths_gets_the_schema_without_them() -> None:
    def strict(body: Body) -> Move:
        return Fault(status=400, message="maxLength") if "maxLength" in json.dumps(schema_in(body)) else obeys(body)

    async with judge_on(strict, vllm) as (client, server):
        assert [(await ask(client)).text for _ in range(2)] == [OBJECT, OBJECT]
        assert (len(server.requests), client.binding("judge")) == (3, "schema")


async def test_a_server_that_ignores_the_schema_is_known_for_it_and_its_text_comes_back() -> None:
    async with judge_on(lambda body: Answer(text="I think A."), openai) as (client, _):
        assert ((await ask(client)).text, client.binding("judge")) == ("I think A.", "ignored")


async def test_a_schema_that_a_server_does_not_bear_leaves_others_bound() -> None:
    """OpenAI's strict mode refuses an object whose keys nobody names, such as the parameters of a function."""

    def strict(body: Body) -> Move:
        return Fault(status=400, message="additionalProperties") if '"tools"' in json.dumps(body) else obeys(body)

    tools = {"type": "object", "properties": {"tools": {"type": "array", "items": {"type": "object"}}}}
    async with judge_on(strict, openai) as (client, server):
        with_tools = ReplyForm(schema=tools, request="Reply with tools.")
        assert [(await ask(client, with_tools)).text for _ in range(2)] == ["Let me see."] * 2
        assert len(server.requests) == 3 + 1, "it is remembered what it refused"
        assert (await ask(client)).text == OBJECT
        another = verdict_form("0f1e2d3c", "Reply with this JSON object.", with_reason=True)
        assert (await ask(client, another)).text == OBJECT, "codes and numbers make no other shape"
        assert (len(server.requests), client.binding("judge")) == (3 + 1 + 1 + 1, "schema")


async def test_one_refusal_of_a_schema_that_was_taken_before_changes_nothing_for_the_next_call() -> None:
    calls = 0

    def once(body: Body) -> Move:
        nonlocal calls
        calls += 1
        return Fault(status=400, message="odd") if 2 <= calls <= 3 else obeys(body)

    async with judge_on(once, openai) as (client, _):
        said = [(await ask(client)).text for _ in range(3)]
        assert (said, client.binding("judge")) == ([OBJECT, "Let me see.", OBJECT], "schema")


async def test_a_request_that_is_refused_as_text_too_fails_and_proves_nothing_about_schemas() -> None:
    def never(body: Body) -> Move:
        return Fault(status=400, message="this model is not for you")

    async with judge_on(never, openai) as (client, server):
        with pytest.raises(AgentRefused, match="not for you"):
            await ask(client)
        assert client.binding("judge") == "unknown"
        server.handler = obeys
        assert (await ask(client)).text == OBJECT


async def test_a_wrong_key_is_not_taken_for_a_refused_schema() -> None:
    async with judge_on(lambda body: Fault(status=401, message="no"), openai) as (client, server):
        with pytest.raises(AgentRefused):
            await ask(client)
        assert len(server.requests) == 1


async def test_a_users_own_response_format_gives_way_while_the_agent_judges_and_holds_while_it_writes() -> None:
    def agent(server: OpenAIServer) -> AgentConfig:
        extra = {"response_format": {"type": "json_object"}}
        return AgentConfig(model="openai/m", api_base=server.url, extra=extra, retries=0)

    async with judge_on(lambda body: Answer(text=OBJECT), agent) as (client, server):
        await ask(client)
        await ask(client, form=None)
        judging, writing = (request.body["response_format"]["type"] for request in server.requests)
    assert (judging, writing) == ("json_schema", "json_object")


async def test_the_bound_of_a_call_holds_the_schema_too_and_its_key_does_not() -> None:
    def priced(server: OpenAIServer) -> AgentConfig:
        return openai(server).model_copy(update={"input_cost_per_token": 1.0, "output_cost_per_token": 0.0})

    async with judge_on(obeys, priced) as (client, _):
        with_form = client.worst_case("judge", QUESTION, 64, FORM).usd
        without = client.worst_case("judge", QUESTION, 64).usd
        assert with_form is not None
        assert without is not None
        assert with_form > without + len(json.dumps(FORM.schema))
        assert "response_format" not in client.parameters("judge", temperature=0.0, max_tokens=64)


def test_the_second_try_asks_for_no_reasons_so_that_nothing_can_be_cut() -> None:
    short = verdict_form(CODE, "Again.", with_reason=False)
    assert list(short.schema["properties"]) == ["code", "verdict"]

"""LiteLLM's own sending and ours, of the same calls to the same server: what arrives and what comes of it is the same.

``shaped_replies.py`` holds the replies. Where LiteLLM is wrong the two differ; the tests under "Where LiteLLM is wrong"
say in what.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from call_outcomes import CallOutcome, outcome_of
from shaped_replies import FORMS, Told, failure

from star_agents.agents.answer import Call, Choice, Transport
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.agents.transports.plain_replies import in_openais_form
from star_agents.agents.transports.translated import TranslatedTransport
from star_agents.agents.transports.translated_routes import TRANSLATED
from star_agents.config.models import AgentConfig
from star_agents.records import Tool

KEY = "sk-canary-2f81c6d0"
AWS = {"AWS_ACCESS_KEY_ID": "AKIACANARY", "AWS_SECRET_ACCESS_KEY": "secret-canary", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One model, and where its server is."""

    model: str
    form: str = "openai"
    path: str = "/v1"
    """Of the address that agents.yaml would hold."""
    at: str = ""
    """User and password of the address."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    thinks: bool = True
    """Whether replies of its form can hold thoughts."""
    has_tools: bool = True


_ODD = {"user": "somebody"}
"""A parameter that the direct way does not take: LiteLLM writes the call, or ``plain_requests`` in its words."""
MAIN = {
    "openai": Provider(model="openai/gpt-4o", settings={"extra": _ODD}),
    "openai by LiteLLM": Provider(model="openai/gpt-4o", settings={"extra": {**_ODD, "logit_bias": {"7": 1}}}),
    "gpt-5": Provider(model="openai/gpt-5.1", settings={"extra": _ODD}),
    "password": Provider(model="openai/gpt-4o-mini", at="somebody:pa%2Fss@"),
    "azure": Provider(model="azure/gpt-4o", path="", settings={"api_version": "2026-01-01"}),
    "anthropic": Provider(model="anthropic/claude-sonnet-4-5", form="anthropic", path=""),
    "anthropic by LiteLLM": Provider(
        model="anthropic/claude-sonnet-4-5", form="anthropic", path="", settings={"extra": {"top_k": 40}}
    ),
    "gemini": Provider(model="gemini/gemini-2.5-flash", form="gemini", path=""),
    "bedrock": Provider(model="bedrock/anthropic.claude-3-5-haiku-20241022-v1:0", form="converse", path=""),
    "mistral": Provider(model="mistral/mistral-small-latest"),
    "groq": Provider(model="groq/openai/gpt-oss-20b"),
    "together": Provider(model="together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    "fireworks": Provider(model="fireworks_ai/accounts/fireworks/models/deepseek-v3p2"),
    "openrouter": Provider(model="openrouter/openai/gpt-4o"),
    "deepseek": Provider(model="deepseek/deepseek-chat"),
    "xai": Provider(model="xai/grok-4.20-0309-reasoning"),
    "cohere": Provider(model="cohere_chat/command-r-08-2024", form="cohere", path="/v2/chat", thinks=False),
    "ollama": Provider(model="ollama/m", form="ollama", path="", thinks=False, has_tools=False),
    "ollama_chat": Provider(model="ollama_chat/m", form="ollama_chat", path="", settings={"extra": {"tfs_z": 1.0}}),
}
"""Those that everything is tried with."""
OTHERS = {
    name: Provider(model=f"{name}/m", settings={"extra": _ODD})
    for name in sorted(TRANSLATED - {one.model.partition("/")[0] for one in MAIN.values()} - {"cohere"})
}


@dataclass
class Server:
    """Replies whatever it is told to, and keeps what it was asked."""

    reply: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """As it is told."""
        if request.path == "/api/show":
            return web.json_response({}, status=404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = {"path": request.path_qs, "headers": headers, "body": json.loads(await request.read())}
        self.asked.append({**told, "method": request.method})
        kind = {"Content-Type": "application/json"}
        return web.Response(body=json.dumps(self.reply), status=self.status, headers={**kind, **self.headers})


@dataclass(frozen=True)
class Both:
    """The server, and the two ways to it."""

    server: Server
    ways: Mapping[str, Transport]
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def endpoint(self, name: str) -> Endpoint:
        """A provider's model at the server."""
        if name not in self.endpoints:
            one = MAIN.get(name) or OTHERS[name]
            key = None if name == "bedrock" else "os.environ/A_KEY"
            base = self.server.url.replace("://", f"://{one.at}") + one.path
            agent = AgentConfig(model=one.model, api_base=base, api_key=key, **one.settings)
            (found,) = resolve(litellm_env.load, {"it": agent}, {"A_KEY": KEY}, {})["it"]
            assert found.way == "translated", (found.way, found.why_litellm)
            self.endpoints[name] = found
        return self.endpoints[name]

    async def compared(self, name: str, **more: Any) -> tuple[CallOutcome, CallOutcome]:
        """What comes of a call by each way; what arrives is the same, or this fails."""
        self.server.asked.clear()
        outcomes = [await self._outcome(way, name, **more) for way in self.ways.values()]
        assert len(self.server.asked) in (0, 2), self.server.asked
        arrived = [_arrived(one) for one in self.server.asked]
        assert arrived[1:] == arrived[:1]
        return outcomes[0], outcomes[1]

    async def _outcome(self, way: Transport, name: str, **more: Any) -> CallOutcome:
        endpoint = self.endpoint(name)
        call = Call(**{"endpoint": endpoint, "messages": PROMPT, "shape": SHAPE, "timeout_s": 20.0, **more})
        return await outcome_of(call, way, key=KEY)


PROMPT = ({"role": "user", "content": "Wie viel ist 2 + 2? 🙂"},)
SHAPE = {"temperature": 0.5, "max_tokens": 64}
_THE_SENDERS_OWN = {"user-agent", "accept", "accept-encoding", "content-length", "host", "connection"}
"""Each sender names itself, and says what it can unpack."""
_NO_KIND = "application/octet-stream"
"""What LiteLLM's client says of JSON to Ollama, since its configs say nothing; we say what it is."""
_SIGNED = {"authorization", "x-amz-date"}
"""A signature has a time in it."""


def _arrived(asked: Mapping[str, Any]) -> dict[str, Any]:
    headers = {
        name: value
        for name, value in asked["headers"].items()
        if name not in _THE_SENDERS_OWN and not name.startswith("x-stainless")
    }
    if headers.get("content-type") == _NO_KIND:
        headers["content-type"] = "application/json"
    if "x-amz-date" in headers:
        headers |= dict.fromkeys(_SIGNED, "signed")
    return {**asked, "headers": headers}


in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def both() -> AsyncIterator[Both]:
    """One server, one pool, and both ways."""
    server, environ = Server(), pytest.MonkeyPatch()
    for name, value in AWS.items():
        environ.setenv(name, value)
    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    pool, whole = HttpPool(), LiteLLMTransport(litellm_env.load, lambda: None)
    yield Both(server, {"litellm": whole, "translated": TranslatedTransport(pool, litellm_env.load, whole)})
    await pool.aclose()
    await litellm_env.close_connections()
    await runner.cleanup()
    environ.undo()


@pytest.fixture(autouse=True)
def _fresh(both: Both) -> None:
    both.server.reply, both.server.status, both.server.headers = None, 200, {}


def told(both: Both, name: str, **more: Any) -> None:
    """Let the server tell this, in the provider's form."""
    one = MAIN.get(name) or OTHERS[name]
    both.server.reply = FORMS[one.form](Told(**more))


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
@pytest.mark.parametrize("name", MAIN)
async def test_the_same_request_arrives_and_its_answer_is_the_same(name: str, case: str, both: Both) -> None:
    told(both, name)
    theirs, ours = await both.compared(name, **CALLS[case])
    assert ours == theirs
    assert ours.error == "AgentRefused" or ours.choices[0].text == "Four."


@in_one_loop
@pytest.mark.parametrize("name", [name for name, one in MAIN.items() if one.has_tools])
async def test_tools_are_offered_called_and_answered_alike(name: str, both: Both) -> None:
    shape = {**SHAPE, "tools": [TOOL.to_dict()]}
    told(both, name, text=None, end="tools", call=("look_up", {"word": "quine"}))
    theirs, ours = await both.compared(name, shape=shape, tools=(TOOL,))
    assert [one.name for one in ours.choices[0].tool_calls] == ["look_up"]
    assert _without_made_ids(ours) == _without_made_ids(theirs)
    told(both, name, text="It prints itself.")
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
@pytest.mark.parametrize("name", MAIN)
async def test_the_same_reply_is_the_same_answer(name: str, case: str, both: Both) -> None:
    told(both, name, **REPLIES[case])
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
@pytest.mark.parametrize("name", MAIN)
async def test_a_plain_reply_is_read_without_litellm(name: str, both: Both) -> None:
    translator = both.endpoint(name).translator
    assert translator is not None
    one = await translator.translation(SHAPE, PROMPT, 1)
    told(both, name, thought="Two and two." if MAIN[name].thinks else "", cached=4)
    assert in_openais_form(one, both.server.reply, asked=one.request(PROMPT).data, offers_tools=False) is not None


@in_one_loop
@pytest.mark.parametrize("name", [name for name, one in MAIN.items() if one.thinks])
async def test_thoughts_are_the_same_and_stand_in_no_answer(name: str, both: Both) -> None:
    told(both, name, thought="Two and two.", completion=6)
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
    told(both, name, more=more)
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
@pytest.mark.parametrize("name", MAIN)
async def test_the_same_failure_is_the_same_error_with_the_same_advice(name: str, case: str, both: Both) -> None:
    status, message, kind = FAILURES[case]
    both.server.status, both.server.headers = status, {"Retry-After": "7"} if status == 429 else {}
    both.server.reply = failure(MAIN[name].form, status, message, kind)
    theirs, ours = await both.compared(name)
    if name in LOSES_RETRY_AFTER:
        theirs = replace(theirs, retry_after=ours.retry_after)
    assert ours == theirs
    assert ours.error
    assert ours.retry_after == (7.0 if status == 429 else None)


@in_one_loop
@pytest.mark.parametrize("name", OTHERS)
async def test_every_provider_on_the_list_is_asked_and_read_alike(name: str, both: Both) -> None:
    told(both, name, prompt=11, completion=5)
    theirs, ours = await both.compared(name, messages=HISTORY)
    assert ours == theirs
    assert ours.choices == (Choice(text="Four.", finish_reason="stop"),)


@in_one_loop
@pytest.mark.parametrize("name", ["bedrock", "cohere", "ollama"])
async def test_no_header_costs_an_answer(name: str, both: Both) -> None:
    told(both, name)
    both.server.headers = {"X-Region": "Zürich", "Content-Type": "application/json; charset=utf-16"}
    call = Call(endpoint=both.endpoint(name), messages=PROMPT, shape=SHAPE, timeout_s=20.0)
    assert (await both.ways["translated"].complete(call)).choices[0].text == "Four."

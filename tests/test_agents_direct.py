"""What is special to the direct way: its connections, its limits, its secrets, and which endpoints it takes."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from openai_server import Answer, Fault, Hang, OpenAIServer, Raw

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.direct import DirectHttpTransport
from star_agents.agents.transports.direct_routes import Dialect, Route
from star_agents.agents.transports.http import HttpPool
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentRefused, AgentUnavailable
from star_agents.text.redaction import redactor

KEY = "sk-canary-2f81c6d0"


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def direct() -> AsyncIterator[DirectHttpTransport]:
    pool = HttpPool(largest=10_000)
    yield DirectHttpTransport(pool)
    await pool.aclose()


def call(server: OpenAIServer, *, dialect: Dialect = "openai", n: int = 1) -> Call:
    path = "/api/chat" if dialect == "ollama" else "/v1/chat/completions"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    route = Route(url=server.root + path, headers=headers, model="m", dialect=dialect)
    endpoint = Endpoint(model="openai/m", params={"api_key": KEY}, price=None, route=route)
    hello = [{"role": "user", "content": "Hello there."}]
    return Call(endpoint=endpoint, messages=hello, shape={"max_tokens": 9}, n=n, timeout_s=20.0)


async def failure(direct: DirectHttpTransport, call: Call) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is what the tests look at
        await direct.complete(call)
    return caught.value


# Connections.


async def test_one_call_after_another_uses_one_connection(server: OpenAIServer, direct: DirectHttpTransport) -> None:
    for _ in range(5):
        await direct.complete(call(server))
    server.handler = lambda body: Fault(status=429)
    await failure(direct, call(server))
    await failure(direct, call(server))
    assert len(server.requests) == 7
    assert len({request.peer for request in server.requests}) == 1


async def test_a_cancelled_call_closes_its_connection_and_leaves_the_others_alone(
    server: OpenAIServer, direct: DirectHttpTransport
) -> None:
    release = asyncio.Event()
    server.handler = lambda body: Hang(release=release)
    calls = [asyncio.create_task(direct.complete(call(server))) for _ in range(4)]
    await server.until(lambda s: s.in_flight == 4)
    for cancelled in calls[:3]:
        cancelled.cancel()
    await server.until(lambda s: s.in_flight == 1)
    release.set()
    assert (await calls[3]).choices[0].text == "late"
    assert all(
        isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*calls[:3], return_exceptions=True)
    )


async def test_a_time_out_of_the_caller_is_the_only_one_and_closes_the_connection(
    server: OpenAIServer, direct: DirectHttpTransport
) -> None:
    server.handler = lambda body: Hang(release=asyncio.Event())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await direct.complete(call(server))
    await server.until(lambda s: s.in_flight == 0)


async def test_a_thousand_calls_are_in_flight_at_once(server: OpenAIServer, direct: DirectHttpTransport) -> None:
    release = asyncio.Event()
    server.handler = lambda body: Hang(release=release)
    calls = [asyncio.create_task(direct.complete(call(server))) for _ in range(1000)]
    await server.until(lambda s: s.in_flight == 1000)
    release.set()
    assert {answer.choices[0].text for answer in await asyncio.gather(*calls)} == {"late"}


async def test_closing_leaves_no_session_and_a_later_call_opens_a_new_one(server: OpenAIServer) -> None:
    pool = HttpPool()
    direct = DirectHttpTransport(pool)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        await pool.aclose()
        for _ in range(2):
            await direct.complete(call(server))
            await pool.aclose()
            await pool.aclose()
        del direct, pool
        gc.collect()
    assert [str(warning.message) for warning in heard if issubclass(warning.category, ResourceWarning)] == []
    assert len({request.peer for request in server.requests}) == 2


async def test_nobody_listening_and_a_cut_connection_are_errors_of_the_connection(direct: DirectHttpTransport) -> None:
    async with OpenAIServer() as server:
        gone = call(server)
    error = await failure(direct, gone)
    assert isinstance(error, aiohttp.ClientConnectorError)
    ours = translate(error, agent="it", model="openai/m")
    assert isinstance(ours, AgentUnavailable)
    assert "is the server at `api_base` up?" in str(ours)


# Replies.


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_and_says_where_it_leads(
    server: OpenAIServer, direct: DirectHttpTransport, status: int
) -> None:
    async with OpenAIServer() as elsewhere:
        place = f"{elsewhere.url}/chat/completions"
        server.handler = lambda body: Raw(status=status, headers={"Location": place})
        ours = translate(await failure(direct, call(server)), agent="it", model="openai/m")
        assert elsewhere.requests == []
    assert isinstance(ours, AgentRefused)
    assert place in str(ours)
    assert "`api_base`" in str(ours)


@pytest.mark.parametrize(
    "reply",
    [
        Raw(body=b" " * 10_001),
        Raw(body=b" " * 200_000, says_length=False),
        Raw(body=gzip.compress(b" " * 200_000, mtime=0), headers={"Content-Encoding": "gzip"}),
        Raw(status=500, body=b" " * 200_000, says_length=False),
    ],
    ids=["said", "unsaid", "packed", "an error"],
)
async def test_a_reply_beyond_the_limit_is_refused(
    server: OpenAIServer, direct: DirectHttpTransport, reply: Raw
) -> None:
    server.handler = lambda body: reply
    assert "longer than 10000 bytes" in str(await failure(direct, call(server)))
    await server.until(lambda s: s.in_flight == 0)


async def test_a_packed_reply_is_read(server: OpenAIServer, direct: DirectHttpTransport) -> None:
    told = {"choices": [{"message": {"content": "Four."}, "finish_reason": "stop"}]}
    packed = gzip.compress(json.dumps(told).encode())
    server.handler = lambda body: Raw(body=packed, headers={"Content-Encoding": "gzip"})
    assert (await direct.complete(call(server))).choices[0].text == "Four."


async def test_as_many_answers_come_back_as_the_server_gives(server: OpenAIServer, direct: DirectHttpTransport) -> None:
    server.handler = lambda body: Answer(text="a", others=("b", "c"))
    assert [choice.text for choice in (await direct.complete(call(server, n=3))).choices] == ["a", "b", "c"]
    server.handler = lambda body: Answer(text="a", gives_n=False)
    assert [choice.text for choice in (await direct.complete(call(server, n=3))).choices] == ["a"]


async def test_ollama_is_asked_in_its_own_words_and_for_one_answer(
    server: OpenAIServer, direct: DirectHttpTransport
) -> None:
    server.handler = lambda body: Answer(text="4", prompt_tokens=7, completion_tokens=1)
    answer = await direct.complete(call(server, dialect="ollama", n=3))
    assert (len(answer.choices), answer.prompt_tokens, answer.completion_tokens) == (1, 7, 1)
    assert server.requests[0].body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello there."}],
        "options": {"num_predict": 9},
        "stream": False,
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "too hot", "code": 400}}', "too hot"),
        ('{"object": "error", "message": "too hot"}', "too hot"),
        ('{"error": "too hot", "error_type": "validation"}', "too hot"),
        ('{"detail": "too hot"}', "too hot"),
        ('{"detail": [{"msg": "too hot"}]}', '[{"msg": "too hot"}]'),
        ('"too hot"', "too hot"),
        ("too hot", "too hot"),
        ("", "status 400"),
    ],
)
def test_an_error_says_what_the_server_says_without_the_json_around_it(body: str, said: str) -> None:
    assert str(HttpFailure(400, body, {})) == said


# Secrets.


async def test_the_key_arrives_and_stands_in_no_text_of_ours(server: OpenAIServer, direct: DirectHttpTransport) -> None:
    server.handler = lambda body: Raw(status=401, body=f'{{"error": "who is {KEY}?"}}'.encode())
    asked = call(server)
    error = await failure(direct, asked)
    assert server.requests[0].authorization == f"Bearer {KEY}"
    assert KEY not in f"{asked!r} {asked.endpoint!r} {asked.endpoint.route!r}"
    redactor.keep([KEY])
    assert KEY not in str(translate(error, agent="it", model="m"))


# Which endpoints it takes.


def route(model: str, environ: Mapping[str, str] | None = None, **settings: Any) -> Route | None:
    agents = {"it": AgentConfig(model=model, **settings)}
    return resolve(litellm_env.load, agents, {"A_KEY": KEY, **(environ or {})}, {})["it"][0].route


BASE = "http://10.0.0.1:8000"


@pytest.mark.parametrize(
    ("model", "base", "url", "name"),
    [
        ("openai/org/m", f"{BASE}/v1/", f"{BASE}/v1/chat/completions", "org/m"),
        ("hosted_vllm/org/m", f"{BASE}/v1", f"{BASE}/v1/chat/completions", "org/m"),
        ("hosted_vllm/org/m", f"{BASE}/v1/", f"{BASE}/v1/chat/completions", "org/m"),
        ("llamafile/m", f"{BASE}/v1", f"{BASE}/v1/chat/completions", "m"),
        ("lm_studio/m", f"{BASE}/v1", f"{BASE}/v1/chat/completions", "m"),
        ("huggingface/tgi", BASE, f"{BASE}/v1/chat/completions", "tgi"),
        ("huggingface/tgi", f"{BASE}/v1", f"{BASE}/v1/chat/completions", "tgi"),
        ("ollama_chat/qwen:7b", BASE, f"{BASE}/api/chat", "qwen:7b"),
        ("ollama_chat/qwen:7b", f"{BASE}/", f"{BASE}/api/chat", "qwen:7b"),
        ("ollama_chat/qwen:7b", None, "http://localhost:11434/api/chat", "qwen:7b"),
        (
            "openai/gpt-4o-mini",
            "https://api.openai.com/v1",
            "https://api.openai.com/v1/chat/completions",
            "gpt-4o-mini",
        ),
    ],
)
def test_servers_that_speak_openais_protocol_or_ollamas_are_asked_directly(
    model: str, base: str | None, url: str, name: str
) -> None:
    found = route(model, api_base=base)
    assert found is not None
    assert (found.url, found.model) == (url, name)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("openai/m", {"transport": "litellm"}),
        ("openai/gpt-4o-mini", {"api_base": None}),
        ("anthropic/claude-sonnet-4-5", {}),
        ("azure/m", {}),
        ("ollama/m", {}),
        ("groq/m", {}),
        ("openai/gpt-5-mini", {}),
        ("openai/o3-mini", {}),
        ("openai/responses/m", {}),
        ("openai/m", {"api_version": "2026-01-01"}),
        ("openai/m", {"api_base": "http://me:secret@10.0.0.1/v1"}),
        ("openai/m", {"api_base": f"{BASE}/v1?tenant=1"}),
        ("openai/m", {"api_base": "https://eu.api.openai.com/v1"}),
        ("openai/m", {"extra": {"drop_params": True}}),
        ("openai/m", {"extra": {"something_new": 1}}),
        ("openai/m", {"extra": {"seed": None}}),
        ("openai/m", {"extra": {"service_tier": "flex"}}),
        ("openai/m", {"extra": {"metadata": {"a": "b"}}}),
        ("openai/m", {"extra": {"extra_body": {"model": "other"}}}),
        ("openai/gpt-4o", {"extra": {"reasoning_effort": "low"}}),
        ("llamafile/m", {"extra": {"reasoning_effort": "low"}}),
        ("ollama_chat/m", {"extra": {"presence_penalty": 0.1}}),
        ("ollama_chat/m", {"extra": {"response_format": {"type": "json_object"}}}),
    ],
)
def test_everything_else_goes_through_litellm_whole(model: str, settings: dict[str, Any]) -> None:
    assert route(model, **{"api_base": f"{BASE}/v1", **settings}) is None


def test_a_key_is_found_where_litellm_finds_it() -> None:
    def authorization(model: str, environ: Mapping[str, str] | None = None, **settings: Any) -> str | None:
        found = route(model, environ, api_base=BASE, **settings)
        assert found is not None
        return found.headers.get("Authorization")

    assert authorization("hosted_vllm/m", api_key="os.environ/A_KEY") == f"Bearer {KEY}"
    assert authorization("openai/m") == "Bearer none"
    assert authorization("huggingface/m", {"HF_TOKEN": "hf_123"}) == "Bearer hf_123"
    assert authorization("ollama_chat/m") is None


def test_a_proxy_of_the_environment_is_used_unless_it_is_one_only_others_can_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:secret@10.0.0.9:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.2")
    proxied, plain = route("openai/m", api_base=f"{BASE}/v1"), route("openai/m", api_base="http://10.0.0.2/v1")
    assert (proxied and proxied.proxy, plain and plain.proxy) == ("http://user:secret@10.0.0.9:3128", None)
    assert "secret" not in repr(proxied)
    monkeypatch.setenv("http_proxy", "socks5://10.0.0.9:1080")
    assert route("openai/m", api_base=f"{BASE}/v1") is None

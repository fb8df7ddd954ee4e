"""One suite of misbehaving providers against every way a prompt can go: each limit holds on all, or on none.

The ways are our own, both dialects, and LiteLLM's through each kind of client that it has: the OpenAI SDK's, its own
handler's, and a sync one's in a thread.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from aiohttp import web

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import resolve
from star_agents.agents.replies.body import BOUNDS, LARGEST
from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.direct import DirectTransport
from star_agents.agents.transports.litellm import StockTransport
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentError, AgentRefused, AgentUnavailable
from star_agents.limits.json_structure import JsonBounds, JsonMeter, TooMuchJson, measure

KEY = "sk-canary-7d0b3a91"
PROMPT = "The prompt that goes nowhere else."
GZIP = {"Content-Encoding": "gzip"}

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "direct": ("openai/m", {}),
    "direct, Ollama": ("ollama_chat/m", {}),
    "OpenAI's SDK": ("openai/m", {"transport": "litellm"}),
    "Azure": ("azure/m", {"api_version": "2026-01-01"}),
    "LiteLLM's handler": ("hosted_vllm/m", {"transport": "litellm"}),
    "Anthropic": ("anthropic/claude-sonnet-4-5", {}),
    "Gemini": ("gemini/gemini-2.5-flash", {}),
    "Mistral": ("mistral/m", {}),
    "Cohere": ("cohere_chat/command-r", {}),
    "Ollama": ("ollama/m", {}),
    "Ollama's chat through LiteLLM": ("ollama_chat/m", {"transport": "litellm"}),
}


@dataclass
class Server:
    """Answers every path alike, and remembers who asked."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    endless: bytes = b""
    """Sent again and again after the body, until the client hangs up."""
    pause_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.path} {(await request.read()).decode()} {request.headers.get('Authorization')}")
        response = web.StreamResponse(status=self.status, headers={"Content-Type": "application/json", **self.headers})
        await response.prepare(request)
        try:
            await response.write(self.body)
            while self.endless:
                await response.write(self.endless)
                await asyncio.sleep(self.pause_s)
        except (ConnectionError, asyncio.CancelledError):
            self.hung_up.set()
            raise
        await response.write_eof()
        return response


async def started(server: Server) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await started(server)
    yield server
    await runner.cleanup()
    await litellm_env.close_connections()


@pytest.fixture(params=WAYS)
async def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask(server: Server, way: str) -> None:
    """Send once."""
    model, settings = WAYS[way]
    agent = AgentConfig(model=model, api_base=server.url, api_key="os.environ/A_KEY", **settings)
    (endpoint,) = resolve(litellm_env.load, {"it": agent}, {"A_KEY": KEY}, {})["it"]
    assert (endpoint.route is not None) == way.startswith("direct")
    call = Call(endpoint=endpoint, messages=[{"role": "user", "content": PROMPT}], shape={}, timeout_s=20.0)
    direct = DirectTransport()
    try:
        await (direct if endpoint.route is not None else StockTransport(litellm_env.load)).complete(call)
    finally:
        await direct.aclose()


async def failure(server: Server, way: str) -> AgentError:
    """What sending once comes to."""
    try:
        await ask(server, way)
    except Exception as error:
        return translate(error, agent="it", model="m")
    raise AssertionError("it was taken in")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_carries_neither_prompt_nor_key_to_another_host(server: Server, way: str, status: int) -> None:
    elsewhere = Server()
    runner = await started(elsewhere)
    server.status, server.headers = status, {"Location": f"{elsewhere.url}/v1/chat/completions"}
    ours = await failure(server, way)
    assert elsewhere.asked == []
    assert len(server.asked) == 1
    assert isinstance(ours, AgentRefused)
    assert elsewhere.url in str(ours)
    assert "`api_base`" in str(ours)
    await runner.cleanup()


async def test_a_body_without_end_is_hung_up_on(server: Server, way: str) -> None:
    server.endless = b" " * (1 << 20)
    ours = await failure(server, way)
    await asyncio.wait_for(server.hung_up.wait(), 30)
    assert isinstance(ours, AgentUnavailable)
    assert f"the reply is longer than {LARGEST} bytes" in str(ours)


def packed(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(megabytes)), packer.flush()])


BOMB = packed(1000)


async def test_a_megabyte_of_gzip_stays_within_the_limit_once_unpacked(server: Server, way: str) -> None:
    server.headers, server.body = GZIP, BOMB
    await failure(server, way)  # what is loaded at first does not count
    tracemalloc.start()
    try:
        ours = await failure(server, way)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"the reply is longer than {LARGEST} bytes" in str(ours)
    assert peak < 4 * LARGEST


async def test_gzip_that_holds_nothing_however_long_is_hung_up_on(server: Server, way: str) -> None:
    """Empty blocks of deflate: they come without end and unpack to no byte."""
    packer = zlib.compressobj(9, wbits=31)
    server.headers, server.body = GZIP, packer.compress(b"{") + packer.flush(zlib.Z_FULL_FLUSH)
    server.endless = b"\x00\x00\x00\xff\xff" * 200_000
    assert f"longer than {LARGEST} bytes" in str(await failure(server, way))
    await asyncio.wait_for(server.hung_up.wait(), 30)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress"])
async def test_what_is_packed_in_a_way_that_nobody_asked_for_is_refused(
    server: Server, way: str, encoding: str
) -> None:
    server.headers, server.body = {"Content-Encoding": encoding}, gzip.compress(gzip.compress(b"{}"))
    assert f"the reply is packed as '{encoding}'" in str(await failure(server, way))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" + b"[]," * 4_000_000 + b"[]]", f"more than {BOUNDS.containers:,} lists and objects"),
        (b"[" + b"1," * 8_000_000 + b"1]", f"more than {BOUNDS.elements:,} elements"),
        (b"{" + b'"":1,' * 1_500_000 + b'"":1}', f"more than {BOUNDS.keys:,} keys"),
        (b"[" * 200_000 + b"]" * 200_000, f"more than {BOUNDS.depth:,} levels"),
    ],
    ids=["containers", "numbers", "keys", "depth"],
)
async def test_a_reply_that_costs_more_to_read_than_it_weighs_is_refused(
    server: Server, way: str, body: bytes, said: str
) -> None:
    server.body = body
    ours = await failure(server, way)
    assert isinstance(ours, AgentUnavailable)
    assert said in str(ours)


async def test_a_reply_that_trickles_ends_at_the_callers_deadline(server: Server, way: str) -> None:
    """A byte now and then keeps every time-out for a single read quiet."""
    server.body, server.endless, server.pause_s = b"{", b" ", 0.01
    with pytest.raises(TimeoutError), anyio.fail_after(0.3):
        await ask(server, way)
    await asyncio.wait_for(server.hung_up.wait(), 30)


async def test_an_error_without_end_is_bounded_like_an_answer(server: Server, way: str) -> None:
    server.status, server.endless = 500, b"x" * (1 << 20)
    assert f"longer than {LARGEST} bytes" in str(await failure(server, way))


@pytest.mark.parametrize("said", ["[" * 3000, "x" * (1 << 20)], ids=["nested", "long"])
@pytest.mark.parametrize("status", [400, 200])
async def test_what_an_error_says_costs_little_to_read(server: Server, way: str, status: int, said: str) -> None:
    """LiteLLM searches it for secrets, ten times over, with patterns that take a second for a megabyte."""
    server.status, server.body = status, json.dumps({"error": {"message": said, "type": "x", "code": "y"}}).encode()
    await failure(server, way)  # what is loaded at first does not count
    began = time.process_time()
    ours = await failure(server, way)
    assert time.process_time() - began < 2
    assert said[:100] in str(ours)
    assert len(str(ours)) < 1000


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]])
async def test_an_honest_reply_that_is_packed_is_read_on_every_way(server: Server, pack: Any) -> None:
    message = {"role": "assistant", "content": "Four."}
    told: dict[str, Any] = {"object": "chat.completion", "id": "x", "model": "m", "created": 1}
    told["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    server.headers = {"Content-Encoding": "gzip" if pack is gzip.compress else "deflate"}
    server.body = pack(json.dumps(told).encode())
    for way in ("direct", "OpenAI's SDK", "LiteLLM's handler"):
        await ask(server, way)


# Sync requests of LiteLLM.


async def test_litellm_never_waits_for_a_server_on_the_event_loop(server: Server) -> None:
    """For a model that it does not know it would ask Ollama's /api/show right there."""
    litellm = litellm_env.load()
    found = litellm.get_model_info(model="ollama/unheard-of", api_base=server.url)
    assert server.asked == []
    assert found["key"] == "unheard-of"


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (BOMB, GZIP, "longer than"),
        (b"[" * 200_000, {}, "levels"),
    ],
)
async def test_its_sync_requests_in_threads_have_the_same_limits(
    server: Server, body: bytes, headers: dict[str, str], said: str
) -> None:
    server.body, server.headers = body, headers
    with pytest.raises(ValueError, match=said):
        await asyncio.to_thread(litellm_env.load().module_level_client.post, f"{server.url}/api/show", json={})


async def test_its_sync_requests_follow_no_redirect(server: Server) -> None:
    server.status, server.headers = 307, {"Location": f"{server.url}/elsewhere"}
    with pytest.raises(Exception, match="redirects to"):
        await asyncio.to_thread(litellm_env.load().module_level_client.post, f"{server.url}/api/show", json={})
    assert len(server.asked) == 1


# The meter.


def test_structure_is_measured_the_same_however_the_text_is_cut() -> None:
    text = json.dumps([{"a": 'x [[{,:"\\" \\\\'}, [1, {"b,": []}]], separators=(",", ":")).encode()
    exact = JsonBounds(depth=4, containers=5, keys=2, elements=2)
    for size in range(1, len(text) + 1):
        meter = JsonMeter(exact)
        for start in range(0, len(text), size):
            meter.feed(text[start : start + size])
    for name in ("depth", "containers", "keys", "elements"):
        less = {"depth": 4, "containers": 5, "keys": 2, "elements": 2}
        less[name] -= 1
        with pytest.raises(TooMuchJson):
            measure(text, JsonBounds(**less))

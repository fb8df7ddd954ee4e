"""One suite of misbehaving providers against every way a prompt can go: each limit holds on all, or on none."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import pytest_asyncio
from transport_ways import COUNTS, TEXT, WAYS, Server, ask, honest, started

from star_agents.agents.replies.body import BOUNDS, LARGEST
from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.errors import AgentError, AgentRefused, AgentUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")
GZIP = {"Content-Encoding": "gzip"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    """Two that are started once: starting takes longer than most of what is tried on them."""
    both = Server(), Server()
    runners = [await started(one) for one in both]
    yield both
    for runner in runners:
        await runner.cleanup()
    await litellm_env.close_connections()


@pytest.fixture
def server(servers: tuple[Server, Server]) -> Server:
    """The one that is asked."""
    servers[0].reset()
    return servers[0]


@pytest.fixture
def elsewhere(servers: tuple[Server, Server]) -> Server:
    """One that nobody should ask."""
    servers[1].reset()
    return servers[1]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def failure(server: Server, way: str) -> AgentError:
    """What sending once comes to."""
    try:
        await ask(server.url, way)
    except Exception as error:
        return translate(error, agent="it", model="m")
    raise AssertionError("it was taken in")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_carries_neither_prompt_nor_key_to_another_host(
    server: Server, elsewhere: Server, way: str, status: int
) -> None:
    server.status, server.headers = status, {"Location": f"{elsewhere.url}/v1/chat/completions"}
    ours = await failure(server, way)
    assert elsewhere.asked == []
    assert len(server.asked) == 1
    assert isinstance(ours, AgentRefused)
    assert elsewhere.url in str(ours)
    assert "`api_base`" in str(ours)


async def test_a_body_without_end_is_hung_up_on(server: Server, way: str) -> None:
    server.endless = b" " * (1 << 20)
    ours = await failure(server, way)
    await asyncio.wait_for(server.hung_up.wait(), 30)
    assert isinstance(ours, AgentUnavailable)
    assert f"the reply is longer than {LARGEST} bytes" in str(ours)


def packed(megabytes: int) -> bytes:
    """Gzip of zeros that lacks its end: nobody may come as far. Each megabyte is one block, which stands for itself."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    return head + megabytes * (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH))


PACKET, BOMB = packed(1), packed(1000)


async def test_a_megabyte_of_gzip_stays_within_the_limit_once_unpacked(server: Server, way: str) -> None:
    server.headers, server.body = GZIP, PACKET
    await failure(server, way)  # what is loaded at first does not count
    server.body = BOMB
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
    litellm_env.load()  # takes seconds once
    with anyio.fail_after(55):  # without the limit it is read for ever
        assert f"longer than {LARGEST} bytes" in str(await failure(server, way))
        await server.hung_up.wait()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress"])
async def test_what_is_packed_in_a_way_that_nobody_asked_for_is_refused(
    server: Server, way: str, encoding: str
) -> None:
    server.headers, server.body = {"Content-Encoding": encoding}, gzip.compress(gzip.compress(b"{}"))
    assert f"the reply is packed as '{encoding}'" in str(await failure(server, way))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" + b"[]," * (BOUNDS.containers + 1) + b"[]]", f"more than {BOUNDS.containers:,} lists and objects"),
        (b"[" + b"1," * (BOUNDS.elements + 1) + b"1]", f"more than {BOUNDS.elements:,} elements"),
        (b"{" + b'"":1,' * (BOUNDS.keys + 1) + b'"":1}', f"more than {BOUNDS.keys:,} keys"),
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
    with pytest.raises(TimeoutError), anyio.fail_after(0.1):
        await ask(server.url, way)
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
    server.headers = {"Content-Encoding": "gzip" if pack is gzip.compress else "deflate"}
    for way in WAYS:
        server.body = pack(json.dumps(honest(way)).encode())
        answer = await ask(server.url, way)
        assert [one.text for one in answer.choices] == [TEXT]


# Counts beside an answer.

IMPOSSIBLE = (
    '"many"',
    '""',
    "1e30",
    "1e999",
    "NaN",
    "-7",
    "2.5",
    "true",
    "[]",
    "[5]",
    '{"a": 1}',
    "9" * 5_000,
    str(2**63),
)


async def test_counts_that_can_be_so_are_believed_on_every_way(server: Server, way: str) -> None:
    server.body = json.dumps(honest(way)).encode()
    answer = await ask(server.url, way)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.usage_doubt) == (*COUNTS, "")
    assert [(one.text, one.finish_reason) for one in answer.choices] == [(TEXT, "stop")]


@pytest.mark.parametrize("wrong", IMPOSSIBLE, ids=lambda text: text[:8])
async def test_a_count_that_cannot_be_costs_no_answer_on_any_way(server: Server, way: str, wrong: str) -> None:
    for counts in (("?", COUNTS[1]), (COUNTS[0], "?"), ("?", "?")):
        server.body = json.dumps(honest(way, *counts)).replace('"?"', wrong).encode()
        answer = await ask(server.url, way)
        assert [(one.text, one.finish_reason) for one in answer.choices] == [(TEXT, "stop")]
        assert (answer.prompt_tokens, answer.completion_tokens) == (0, 0), "of half a count nothing is known"
        assert answer.usage_doubt
        assert len(answer.usage_doubt) < 250


@pytest.mark.parametrize("usage", ['"many"', "[]", "[[5]]", "5", "-1", "true", "1e999"])
async def test_something_else_in_place_of_the_counts_costs_no_answer(server: Server, way: str, usage: str) -> None:
    reply = honest(way)
    place = next((name for name in ("usage", "usageMetadata") if name in reply), "")
    if not place:
        return  # Ollama's stand in the reply itself
    server.body = json.dumps({**reply, place: "?"}).replace('"?"', usage).encode()
    answer = await ask(server.url, way)
    assert [one.text for one in answer.choices] == [TEXT]
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 0)
    assert answer.usage_doubt


@pytest.mark.parametrize("is_null", [True, False], ids=["null", "left out"])
async def test_counts_that_were_not_sent_cost_no_answer(server: Server, way: str, is_null: bool) -> None:
    counts = ("usage", "usageMetadata", *(("prompt_eval_count", "eval_count") if is_null else ()))
    reply = honest(way)
    kept = {name: value for name, value in reply.items() if name not in counts}
    server.body = json.dumps({**reply, **dict.fromkeys(reply.keys() & set(counts))} if is_null else kept).encode()
    answer = await ask(server.url, way)
    assert [one.text for one in answer.choices] == [TEXT]
    if kept != reply:
        assert (answer.prompt_tokens, answer.completion_tokens, answer.usage_doubt) == (0, 0, "")


BESIDE = ("id", "object", "created", "model", "system_fingerprint", "service_tier", "provider_specific_fields")
BESIDE_A_MESSAGE = ("role", "refusal", "annotations", "audio", "function_call", "provider_specific_fields")
IN_OPENAIS_FORM = ("direct", "OpenAI's SDK", "Azure", "LiteLLM's handler", "Mistral")


@pytest.mark.parametrize("way", IN_OPENAIS_FORM)
@pytest.mark.parametrize("wrong", ["word", 5, 1e300, True, [1], {"a": 1}], ids=str)
async def test_no_field_beside_an_answer_in_openais_form_costs_it(server: Server, way: str, wrong: Any) -> None:
    for name in BESIDE + BESIDE_A_MESSAGE:
        reply = honest(way)
        place = reply if name in BESIDE else reply["choices"][0]["message"]
        place[name] = wrong
        server.body = json.dumps(reply).encode()
        answer = await ask(server.url, way)
        assert [(one.text, one.finish_reason) for one in answer.choices] == [(TEXT, "stop")], name
        assert (answer.prompt_tokens, answer.completion_tokens) == COUNTS


@pytest.mark.parametrize("way", IN_OPENAIS_FORM)
async def test_a_message_without_a_role_is_an_answer_all_the_same(server: Server, way: str) -> None:
    reply = honest(way)
    del reply["choices"][0]["message"]["role"]
    server.body = json.dumps(reply).encode()
    assert [one.text for one in (await ask(server.url, way)).choices] == [TEXT]


# How often it is sent.


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_nothing_is_sent_a_second_time_behind_our_back(server: Server, way: str, status: int) -> None:
    """Each of those might be paid, and our budgets know of one."""
    server.status, server.body = status, b'{"error": {"message": "no"}}'
    await failure(server, way)
    assert len(server.asked) == 1


# Sync requests of LiteLLM.


@pytest.mark.timeout(55, method="signal")  # who waits holds up the server too, which stands on the same event loop
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

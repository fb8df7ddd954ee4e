"""Calls over HTTP to the test server, and to an in-process function.

The rules of a fan-out that runs for weeks, and what holds each:

 1 one retry owner            test_a_failing_provider_is_tried_as_often_as_configured_and_not_once_more; test_config
 2 the time-out owned twice   test_a_hanging_provider_fails_in_time_and_the_connection_is_closed
 3 limits that queue          test_calls_beyond_the_limit_queue_and_none_is_turned_away, test_agents_gate
 4 ramp, no task per call     workers pull from the store (engine.py); tools/bench/calls lag
 5 health per deployment      test_agents_breaker, test_agents_gate
 6 all down: wait             test_outages
 7 429 per deployment         test_agents_limit, test_outages; tools/bench/calls faults
 8 errors as values           test_one_failing_call_leaves_the_others_alone
 9 cancelled is cancelled     test_a_cancelled_call_is_no_failure_of_the_providers_and_closes_the_connection
10 journal before use         test_kill_anywhere, test_storage_crash
11 idempotent keys            test_line (the second run sends nothing), test_replicates
12 budgets reserved           test_agents_budgets, test_agents_budget_queue, test_line_budgets; tools/bench/calls budget
13 reconcile by difference    test_many_edits_under_load_lose_no_call, test_edits_under_load
14 many clients               tools/bench/calls deployments
15 a seam in this process     in_process.py takes the place of CustomLLM: nothing of LiteLLM's is needed for a function
16 LiteLLM's own short way    not used: direct.py is shorter, and held by test_agents_parity
17 replicates by n            test_replicates
18 no tokenizer on the loop   prices.most_tokens counts bytes; test_the_worst_case_bounds_the_cost_of_any_text
19 callbacks                  test_agents_lifecycle, test_litellm_probes
20 no streaming               nothing streams; `extra: {stream: true}` is refused (test_config)
21 environment before import  test_agents_lifecycle, test_litellm_probes
22 order of shutdown          test_drain
23 pinned                     test_litellm_probes
24 soak                       tools/bench/calls soak, test_soak
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from budget_limits import dollars
from openai_server import Answer, Body, Cut, Fault, Garbage, Hang, OpenAIServer, vector

from star_agents.agents.budgets import Budgets, Charge
from star_agents.agents.client import AgentClient
from star_agents.agents.local_network import is_local
from star_agents.config.models import AgentConfig, Config, DeploymentConfig
from star_agents.engine.agent_exchange import agents_exchanged
from star_agents.errors import (
    AgentError,
    AgentRateLimited,
    AgentRefused,
    AgentUnavailable,
    BudgetExhausted,
    ConfigError,
)
from star_agents.events import CallEnded
from star_agents.records import Message

HELLO = [Message(role="user", content="Hello there.")]
CANARY = "sk-canary-2f81c6d0"
PAIR = {"instruction": "keep", "response": "a"}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


def config(server: OpenAIServer, model: str = "openai/test-model", **settings: Any) -> AgentConfig:
    return AgentConfig(model=model, api_base=server.url, **settings)


class Nap:
    """Sleeps not at all and remembers for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def clients(agents: Mapping[str, AgentConfig], **options: Any) -> AsyncIterator[AgentClient]:
    options.setdefault("sleep", Nap())
    client = AgentClient(agents, rng=random.Random(1), **options)
    try:
        yield client
    finally:
        await client.aclose()


def in_turn(*moves: Any) -> Callable[[Body], Any]:
    """Play the moves one after another; the last one again and again."""
    rest = list(moves)
    return lambda body: rest.pop(0) if len(rest) > 1 else rest[0]


@dataclass(frozen=True)
class Told:
    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 3
    completion_tokens: int = 5


# One call.


async def test_a_reply_says_who_answered_what_and_how_long_it_was(server: OpenAIServer) -> None:
    server.handler = lambda body: Answer(text="Good day.", prompt_tokens=7, completion_tokens=3)
    async with clients({"qwen": config(server, temperature=0.5, top_p=0.9, extra={"seed": 4})}) as client:
        reply = await client.ask("qwen", HELLO)
    assert (reply.text, reply.finish_reason, reply.agent, reply.model) == (
        "Good day.",
        "stop",
        "qwen",
        "openai/test-model",
    )
    assert (reply.prompt_tokens, reply.completion_tokens, reply.deployment) == (7, 3, "qwen/0")
    sent = server.requests[0].body
    assert sent["messages"] == [{"role": "user", "content": "Hello there."}]
    assert (sent["temperature"], sent["top_p"], sent["seed"], sent["max_tokens"]) == (0.5, 0.9, 4, 2048)


async def test_a_call_may_override_temperature_and_length_and_leave_them_to_the_provider(server: OpenAIServer) -> None:
    async with clients({"qwen": config(server, temperature=0.5)}) as client:
        await client.ask("qwen", HELLO, temperature=0.0, max_tokens=9)
        await client.ask("qwen", HELLO, temperature=None, max_tokens=None)
    first, second = (request.body for request in server.requests)
    assert (first["temperature"], first["max_tokens"]) == (0.0, 9)
    assert {"temperature", "max_tokens", "top_p"} & second.keys() == set()


async def test_a_cut_reply_an_empty_one_and_hidden_reasoning_come_back_as_they_are(server: OpenAIServer) -> None:
    server.handler = in_turn(
        Answer(text="Once upon a", finish_reason="length"),
        Answer(text=""),
        Answer(text=" 4 ", extra={"reasoning_content": "2 + 2 is 4"}),
    )
    async with clients({"qwen": config(server)}) as client:
        cut, empty, reasoned = [await client.ask("qwen", HELLO) for _ in range(3)]
    assert (cut.text, cut.finish_reason) == ("Once upon a", "length")
    assert (empty.text, empty.finish_reason) == ("", "stop")
    assert (reasoned.text, reasoned.reasoning) == ("4", "2 + 2 is 4")


async def test_an_agent_with_several_deployments_uses_them_and_says_which(server: OpenAIServer) -> None:
    deployments = tuple(DeploymentConfig(model=f"openai/m{i}", api_base=server.url) for i in range(2))
    agent = AgentConfig(deployments=deployments)
    async with clients({"duo": agent}) as client:
        replies = [await client.ask("duo", HELLO) for _ in range(30)]
    assert {(reply.deployment, reply.model) for reply in replies} == {("duo/0", "openai/m0"), ("duo/1", "openai/m1")}


async def test_embeddings_come_back_in_order(server: OpenAIServer) -> None:
    async with clients({"embedder": config(server, "openai/text-embedder")}) as client:
        embedded = await client.embed("embedder", ["one", "two"])
    assert embedded.vectors == [vector("one"), vector("two")]
    assert server.requests[0].path == "/v1/embeddings"


async def test_an_in_process_provider_gets_the_call_even_under_the_name_of_a_known_model() -> None:
    asked: list[tuple[str, Sequence[Mapping[str, str]], int | None]] = []

    def respond(model: str, messages: Sequence[Mapping[str, str]], max_tokens: int | None) -> Told:
        asked.append((model, messages, max_tokens))
        return Told("hi", "length")

    async with clients({"local": AgentConfig(model="offline/gpt-4o-mini")}, providers={"offline": respond}) as client:
        reply = await client.ask("local", HELLO, max_tokens=11)
    assert asked == [("gpt-4o-mini", [{"role": "user", "content": "Hello there."}], 11)]
    assert (reply.text, reply.finish_reason, reply.model) == ("hi", "length", "offline/gpt-4o-mini")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cost_usd) == (3, 5, 0.0)


async def test_a_call_in_process_that_raises_is_an_unavailable_agent() -> None:
    def respond(model: str, messages: Sequence[Mapping[str, str]], max_tokens: int | None) -> Told:
        raise RuntimeError("out of ideas")

    agents = {"local": AgentConfig(model="offline/x", retries=0)}
    async with clients(agents, providers={"offline": respond}) as client:
        with pytest.raises(AgentUnavailable, match="out of ideas"):
            await client.ask("local", HELLO)


# What goes wrong, and how often it is tried.


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
async def test_a_failing_provider_is_tried_as_often_as_configured_and_not_once_more(
    server: OpenAIServer, status: int
) -> None:
    server.handler = lambda body: Fault(status=status, message="upstream is tired")
    nap = Nap()
    async with clients({"qwen": config(server, retries=2)}, sleep=nap) as client:
        with pytest.raises(AgentUnavailable) as failure:
            await client.ask("qwen", HELLO)
    assert len(server.requests) == 3
    assert len(nap.seconds) == 2
    assert 0.25 <= nap.seconds[0] <= 0.5 <= nap.seconds[1] <= 1.0
    for part in ("agent qwen", "openai/test-model", "upstream is tired", "gave up after 3 tries"):
        assert part in str(failure.value)
    assert not failure.value.certainly_unpaid


@pytest.mark.parametrize(
    "move",
    [
        Cut(),
        Garbage(),
        Garbage(body=b'{"a": 1}', content_type="application/json"),
        Garbage(body=b'{"choices": []}', content_type="application/json"),
    ],
    ids=["cut", "html", "no choices", "empty choices"],
)
async def test_a_broken_reply_is_tried_again(server: OpenAIServer, move: Any) -> None:
    server.handler = in_turn(move, Answer(text="better"))
    async with clients({"qwen": config(server)}) as client:
        assert (await client.ask("qwen", HELLO)).text == "better"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault(status=400, message="no such parameter"), "parameters"),
        (Fault(status=401, message="bad key"), "api_key"),
        (Fault(status=402, message="pay first"), "top it up"),
        (Fault(status=403, message="not yours"), "api_key"),
        (Fault(status=404, message="no such model"), "`model` and `api_base`"),
        (Fault(status=413, message="too large"), "more context"),
        (Fault(status=422, message="odd"), "parameters"),
        (Fault(status=400, code="context_length_exceeded", message="maximum context length is 10 tokens"), "context"),
        (Fault(status=429, code="insufficient_quota", message="You exceeded your current quota"), "top it up"),
    ],
)
async def test_a_refused_request_is_never_tried_again_and_says_what_to_do(
    server: OpenAIServer, fault: Fault, advice: str
) -> None:
    server.handler = lambda body: fault
    async with clients({"qwen": config(server)}) as client:
        with pytest.raises(AgentRefused) as refusal:
            await client.ask("qwen", HELLO)
    assert len(server.requests) == 1
    assert refusal.value.certainly_unpaid
    for part in ("agent qwen", "openai/test-model", fault.message, advice):
        assert part in str(refusal.value)


async def test_nobody_listening_is_an_unavailable_agent(server: OpenAIServer) -> None:
    agent = AgentConfig(model="openai/x", api_base="http://127.0.0.1:9/v1", retries=1)
    async with clients({"qwen": agent}) as client:
        with pytest.raises(AgentUnavailable, match="gave up after 2 tries"):
            await client.ask("qwen", HELLO)


async def test_a_rate_limit_waits_as_told_and_uses_up_no_retry(server: OpenAIServer) -> None:
    server.handler = in_turn(
        Fault(status=429, retry_after="7"),
        Fault(status=429, retry_after="0.5"),
        Fault(status=429),
        Answer(text="there"),
    )
    nap = Nap()
    async with clients({"qwen": config(server, retries=0)}, sleep=nap) as client:
        assert (await client.ask("qwen", HELLO)).text == "there"
    assert nap.seconds[:2] == [7.0, 0.5]
    assert 1.0 <= nap.seconds[2] <= 2.0


async def test_a_rate_limit_that_never_ends_is_given_up_in_time(server: OpenAIServer) -> None:
    server.handler = lambda body: Fault(status=429, retry_after="40")
    nap = Nap()
    async with clients({"qwen": config(server, give_up_after_s=100)}, sleep=nap) as client:
        with pytest.raises(AgentRateLimited, match=r"gave up after 3 tries, 8\d s") as failure:
            await client.ask("qwen", HELLO)
    assert nap.seconds == [40.0, 40.0]
    assert failure.value.retry_after == 40.0


async def test_the_slot_is_given_back_while_a_call_waits(server: OpenAIServer) -> None:
    waiting, go_on = anyio.Event(), anyio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await go_on.wait()

    server.handler = in_turn(Fault(status=429), Answer(text="second"), Answer(text="first"))
    texts: list[str] = []

    async def ask(client: AgentClient) -> None:
        texts.append((await client.ask("qwen", HELLO)).text)

    async with (
        clients({"qwen": config(server, max_concurrency=1)}, sleep=sleep) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(ask, client)
        await waiting.wait()
        await ask(client)
        go_on.set()
    assert texts == ["second", "first"]


async def test_calls_beyond_the_limit_queue_and_none_is_turned_away(server: OpenAIServer) -> None:
    full, release = anyio.Event(), anyio.Event()

    async def handler(body: Body) -> Answer:
        if server.in_flight == 4:
            full.set()
        await release.wait()
        return Answer(text="ok")

    server.handler = handler
    async with (
        clients({"qwen": config(server, max_concurrency=4, retries=0)}) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(20):
            group.start_soon(client.ask, "qwen", HELLO)
        await full.wait()
        release.set()
    assert (server.peak, len(server.charged)) == (4, 20)


async def test_a_hanging_provider_fails_in_time_and_the_connection_is_closed(server: OpenAIServer) -> None:
    server.handler = lambda body: Hang(release=asyncio.Event())
    async with clients({"qwen": config(server, timeout_s=0.3, retries=0)}) as client:
        with anyio.fail_after(60), pytest.raises(AgentUnavailable, match="timeout_s"):
            await client.ask("qwen", HELLO)
        await server.until(lambda s: s.in_flight == 0)


async def test_a_cancelled_call_is_no_failure_of_the_providers_and_closes_the_connection(server: OpenAIServer) -> None:
    server.handler = lambda body: Hang(release=asyncio.Event())
    reports: list[CallEnded] = []
    nap = Nap()
    async with clients({"qwen": config(server)}, on_call=reports.append, sleep=nap) as client:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(client.ask, "qwen", HELLO)
            await server.until(lambda s: s.in_flight == 5)
            group.cancel_scope.cancel()
        await server.until(lambda s: s.in_flight == 0)
    assert len(server.requests) == 5
    assert nap.seconds == []
    assert [report.outcome for report in reports] == ["cancelled"] * 5


async def test_one_failing_call_leaves_the_others_alone(server: OpenAIServer) -> None:
    server.handler = lambda body: Fault(status=400) if "bad" in body["messages"][0]["content"] else Answer(text="ok")
    ends: list[str] = []

    async def ask(client: AgentClient, text: str) -> None:
        try:
            ends.append((await client.ask("qwen", [Message(role="user", content=text)])).text)
        except AgentError:
            ends.append("failed")

    async with clients({"qwen": config(server)}) as client, anyio.create_task_group() as group:
        for text in ("good", "bad", "good"):
            group.start_soon(ask, client, text)
    assert sorted(ends) == ["failed", "ok", "ok"]


async def test_every_call_is_reported_once_with_its_retries(server: OpenAIServer) -> None:
    server.handler = in_turn(Fault(), Answer(text="ok", prompt_tokens=4, completion_tokens=2), Fault(status=400))
    reports: list[CallEnded] = []
    async with clients({"qwen": config(server)}, on_call=reports.append) as client:
        await client.ask("qwen", HELLO)
        with pytest.raises(AgentRefused):
            await client.ask("qwen", HELLO)
    done, refused = reports
    assert (done.agent, done.model, done.outcome, done.retries) == ("qwen", "openai/test-model", "ok", 1)
    assert (done.prompt_tokens, done.completion_tokens) == (4, 2)
    assert done.seconds > 0
    assert (refused.outcome, refused.cost_usd) == ("refused", 0.0)


# Money.


async def test_a_price_from_the_config_is_what_a_call_costs(server: OpenAIServer) -> None:
    server.handler = lambda body: Answer(text="ok", prompt_tokens=1000, completion_tokens=100)
    agent = config(server, input_cost_per_token=1e-6, output_cost_per_token=1e-5)
    async with clients({"qwen": agent}) as client:
        assert (await client.ask("qwen", HELLO)).cost_usd == pytest.approx(0.002)
        assert client.budgets.spent("qwen") == pytest.approx(0.002)


async def test_a_price_that_litellm_knows_needs_no_config(server: OpenAIServer) -> None:
    server.handler = lambda body: Answer(text="ok", prompt_tokens=4_000, completion_tokens=1)
    async with clients({"gpt": config(server, "openai/gpt-4o-mini")}) as client:
        assert (await client.ask("gpt", HELLO)).cost_usd == pytest.approx(1.5e-7 * 4_000 + 6e-7)
        bound = client.worst_case("gpt", HELLO, 100).usd
        assert bound == pytest.approx(1.5e-7 * (12 + 32) + 6e-7 * 100)


async def test_an_unknown_price_is_unknown_and_not_zero(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.root)
    remote = AgentConfig(model="openai/qwen", api_base="http://models.example/v1")
    async with clients({"qwen": remote}) as client:
        assert (await client.ask("qwen", HELLO)).cost_usd is None
        assert client.worst_case("qwen", HELLO, 10).usd is None
        assert (client.budgets.spent(), client.budgets.unknown_calls("qwen")) == (0.0, 1)
        assert client.budgets.spent("qwen", "tokens") > 0


LOCAL = (
    "http://127.1.2.3:8000/v1 http://[::1]:8000 http://[::ffff:10.0.0.1]/v1 localhost:11434 http://vllm:8000 "
    "http://192.168.1.7 https://172.31.0.1/v1 http://gpu.local:1/v1 http://a.b.internal http://0.0.0.0:1"
)
ELSEWHERE = (
    "https://api.openai.com/v1 http://8.8.8.8 http://172.32.0.1 http://localhost.evil.example http://[ "
    "http://11.0.0.1:80 http://[2001:db8::1]/v1 http://"
)


@pytest.mark.parametrize("base", LOCAL.split())
def test_a_server_on_this_machine_or_in_a_private_network_is_local(base: str) -> None:
    assert is_local(base)


@pytest.mark.parametrize("base", ELSEWHERE.split())
def test_every_other_server_is_not(base: str) -> None:
    assert not is_local(base)


async def test_a_local_server_without_a_price_counts_as_free_and_a_price_that_is_given_wins(
    server: OpenAIServer,
) -> None:
    agents = {"near": config(server), "priced": config(server, output_cost_per_token=1e-3)}
    async with clients(agents) as client:
        assert (await client.ask("near", HELLO)).cost_usd == 0.0
        assert (await client.ask("priced", HELLO)).cost_usd != 0.0
        near, priced = client.endpoints["near"][0].price, client.endpoints["priced"][0].price
    assert near is not None
    assert priced is not None
    assert (near.is_free, near.is_assumed, priced.is_assumed) == (True, True, False)


async def test_the_worst_case_bounds_the_cost_of_any_text(server: OpenAIServer) -> None:
    agent = config(server, input_cost_per_token=1.0, output_cost_per_token=2.0)
    async with clients({"qwen": agent}) as client:
        assert client.worst_case("qwen", [Message(role="user", content="é" * 10)], 5) == Charge(
            20 + 32 + 10, tokens=20 + 32 + 5
        )
        assert client.worst_case("qwen", HELLO, None) == Charge(None, tokens=None)


async def test_a_call_that_could_pass_the_budget_is_not_sent(server: OpenAIServer) -> None:
    agent = config(server, input_cost_per_token=1e-3, output_cost_per_token=1e-3, max_tokens=100)
    reports: list[CallEnded] = []
    async with clients({"qwen": agent}, budgets=Budgets(dollars(0.1)), on_call=reports.append) as client:
        with pytest.raises(BudgetExhausted, match="budget_usd"):
            await client.ask("qwen", HELLO)
    assert server.requests == []
    assert reports[0].outcome == "budget"


async def test_many_calls_at_once_hold_a_small_budget(server: OpenAIServer) -> None:
    server.handler = lambda body: Answer(text="ok", prompt_tokens=40, completion_tokens=10)
    agent = config(server, input_cost_per_token=1e-3, output_cost_per_token=1e-3, max_tokens=10)
    ends: list[bool] = []

    async def ask(client: AgentClient) -> None:
        try:
            await client.ask("qwen", HELLO)
            ends.append(True)
        except BudgetExhausted:
            ends.append(False)

    async with clients({"qwen": agent}, budgets=Budgets(dollars(0.5))) as client:
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(ask, client)
        assert client.budgets.spent() == pytest.approx(0.05 * sum(ends))
        assert 0 < client.budgets.spent() <= 0.5
        assert client.budgets.reserved() == 0.0


async def test_a_failed_call_that_may_have_been_billed_keeps_its_reservation(server: OpenAIServer) -> None:
    server.handler = in_turn(Fault(status=400), Fault(status=500))
    agent = config(server, input_cost_per_token=0.0, output_cost_per_token=1.0, max_tokens=3, retries=0)
    async with clients({"qwen": agent}) as client:
        with pytest.raises(AgentRefused):
            await client.ask("qwen", HELLO)
        assert client.budgets.spent() == 0.0
        with pytest.raises(AgentUnavailable):
            await client.ask("qwen", HELLO)
        assert client.budgets.spent() == 3.0


# Configuration.


async def test_parameters_hold_what_shapes_the_answer_and_nothing_else(server: OpenAIServer) -> None:
    agent = config(server, temperature=0.7, top_p=0.9, max_tokens=64, extra={"reasoning_effort": "low"}, retries=9)
    async with clients({"qwen": agent}) as client:
        assert client.parameters("qwen") == {
            "models": ["openai/test-model"],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 64,
            "reasoning_effort": "low",
        }
        judging = client.parameters("qwen", temperature=0.0, max_tokens=512)
        assert (judging["temperature"], judging["max_tokens"]) == (0.0, 512)
        assert "max_tokens" not in client.parameters("qwen", max_tokens=None)


async def test_an_edit_adds_changes_and_removes_agents(server: OpenAIServer) -> None:
    async with clients({"a": config(server, "openai/a1"), "b": config(server, "openai/b")}) as client:
        await client.ask("a", HELLO)
        await client.reconfigure({"a": config(server, "openai/a2"), "c": config(server, "openai/c")})
        assert [(await client.ask(name, HELLO)).model for name in ("a", "c")] == ["openai/a2", "openai/c"]
        with pytest.raises(AgentRefused, match=r"agent b is not in agents\.yaml \(there: a, c\)"):
            await client.ask("b", HELLO)
    assert [request.body["model"] for request in server.requests] == ["a1", "a2", "c"]


async def test_a_call_in_flight_ends_on_the_agent_it_began_on_retries_included(server: OpenAIServer) -> None:
    release = anyio.Event()

    async def handler(body: Body) -> Answer | Fault:
        if len(server.requests) == 1:
            await release.wait()
            return Fault(status=503)
        return Answer(text="ok")

    server.handler = handler
    models: list[str] = []

    async def ask(client: AgentClient) -> None:
        models.append((await client.ask("a", HELLO)).model)

    async with clients({"a": config(server, "openai/old")}) as client, anyio.create_task_group() as group:
        group.start_soon(ask, client)
        await server.until(lambda s: s.in_flight == 1)
        await client.reconfigure({"b": config(server, "openai/new")})
        release.set()
    assert models == ["openai/old"]
    assert [request.body["model"] for request in server.requests] == ["old", "old"]


async def test_a_changed_limit_takes_effect_at_once_on_the_same_deployments(server: OpenAIServer) -> None:
    release = anyio.Event()

    async def handler(body: Body) -> Answer:
        await release.wait()
        return Answer(text="ok")

    server.handler = handler
    async with clients({"a": config(server, max_concurrency=1)}) as client, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(client.ask, "a", HELLO)
        await server.until(lambda s: s.in_flight == 1)
        await client.reconfigure({"a": config(server, max_concurrency=3)})
        await server.until(lambda s: s.in_flight == 3)
        release.set()


class CountedEnviron(dict[str, str]):
    """Counts how often a variable is looked up."""

    looked_up = 0

    def get(self, name: str, default: Any = None) -> Any:
        self.looked_up += 1
        return super().get(name, default)


@pytest.mark.parametrize("model", ["openai/m", "anthropic/claude-haiku-4-5", "groq/m"])
async def test_an_edit_leaves_an_agent_alone_whose_endpoints_stay_whichever_way_its_calls_go(model: str) -> None:
    there = AgentConfig(model=model, api_base="http://127.0.0.1:9", api_key="os.environ/A_KEY")
    async with clients({"a": there}, environ={"A_KEY": CANARY}) as client:
        before = client.endpoints["a"]
        await client.reconfigure({"a": there.model_copy(update={"max_concurrency": 3}), "b": there})
        assert client.endpoints["a"] is before


async def test_an_edit_is_resolved_once_and_taken_back_without_asking_again(server: OpenAIServer) -> None:
    def edition(model: str) -> Config:
        agents = {"a": {"model": model, "api_base": server.url, "api_key": "os.environ/A_KEY"}}
        return Config.model_validate({"agents": agents, "star": {"base_pairs": (PAIR,), "selection": "base"}})

    environ, old, new = CountedEnviron(A_KEY=CANARY), edition("openai/old"), edition("openai/new")
    async with clients(old.agents, environ=environ) as client:
        before, after = client.endpoints, client.resolve(new.agents)
        environ.looked_up = 0
        with pytest.raises(ZeroDivisionError):
            async with agents_exchanged(client, old, new, after):
                assert client.endpoints == after
                raise ZeroDivisionError
        assert client.endpoints == before
        assert environ.looked_up == 0


async def test_many_edits_under_load_lose_no_call(server: OpenAIServer) -> None:
    done: list[str] = []

    async def work(client: AgentClient) -> None:
        done.extend([(await client.ask("a", HELLO)).text for _ in range(8)])

    async with clients({"a": config(server, "openai/m0", retries=0)}) as client, anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(work, client)
        for edit in range(20):
            await client.reconfigure({"a": config(server, f"openai/m{edit % 3}", retries=0)})
            seen = len(server.requests)
            await server.until(lambda s, seen=seen: len(s.requests) > seen or len(s.charged) == 64)  # type: ignore[misc]  # bound per edit
    assert len(done) == 64


async def test_a_broken_edit_changes_nothing(server: OpenAIServer) -> None:
    async with clients({"a": config(server, "openai/a")}, environ={}) as client:
        with pytest.raises(ConfigError) as refusal:
            await client.reconfigure(
                {
                    "a": config(server, "openai/other", api_key="os.environ/UNSET_KEY"),
                    "b": AgentConfig(model="nonsense"),
                }
            )
        assert [problem.field for problem in refusal.value.problems] == ["agents.a.api_key", "agents.b.model"]
        assert (await client.ask("a", HELLO)).model == "openai/a"


def test_a_key_variable_that_is_not_set_is_refused_when_the_client_is_built() -> None:
    agents = {"gpt": AgentConfig(model="openai/gpt-4o-mini", api_key="os.environ/MY_KEY")}
    with pytest.raises(ConfigError, match=r"agents\.gpt\.api_key: the environment variable MY_KEY is not set"):
        AgentClient(agents, environ={})


# Keys.


async def test_a_key_is_sent_and_shown_nowhere(server: OpenAIServer) -> None:
    server.handler = lambda body: Fault(status=401, message=f"Incorrect API key provided: {CANARY}")
    agent = config(server, api_key="os.environ/MY_KEY")
    reports: list[CallEnded] = []
    async with clients({"gpt": agent}, environ={"MY_KEY": CANARY}, on_call=reports.append) as client:
        with pytest.raises(AgentRefused) as refusal:
            await client.ask("gpt", HELLO)
        shown = [*traceback.format_exception(refusal.value), repr(client._groups["gpt"]), str(reports)]
        shown += [str(client.parameters("gpt")), repr(client)]
    assert server.requests[0].authorization == f"Bearer {CANARY}"
    assert "Incorrect API key provided: ***" in str(refusal.value)
    assert refusal.value.__context__ is None
    assert not any(CANARY in text for text in shown)


async def test_the_users_openai_key_is_not_sent_to_another_server(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    async with clients({"local": config(server)}) as client:
        await client.ask("local", HELLO)
    assert CANARY not in server.requests[0].authorization

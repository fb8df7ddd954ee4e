"""What we rely on in LiteLLM, one fact per test, against a real local server.

None of our own calling code is in the way here. An upgrade that changes a fact fails its test, and the docstring or
the name says who has to be looked at then. That an in-process provider is never bypassed, and what a closed client
leaves behind, stands in ``test_agents_client.py`` and ``test_agents_lifecycle.py``.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import re
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from openai_server import Answer, Fault, Hang, OpenAIServer

from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.errors import AgentRateLimited

REPOSITORY = Path(__file__).resolve().parents[1]
HELLO = [{"role": "user", "content": "Hello there."}]


@pytest.fixture(scope="module")
def litellm() -> ModuleType:
    return litellm_env.load()


@pytest.fixture
async def server(litellm: ModuleType) -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(lambda body: Answer(text="ok")) as server:
        yield server
        await litellm_env.close_connections()


@contextmanager
def routers(litellm: ModuleType, **options: Any) -> Iterator[Any]:
    """A Router built as ``deployment_groups.py`` builds it, but for ``options``."""
    ours = {"model_list": [], "num_retries": 0, "disable_cooldowns": True, "enable_pre_call_checks": False}
    router = litellm.Router(**{**ours, **options})
    try:
        yield router
    finally:
        router.discard()


def deploy(litellm: ModuleType, router: Any, server: OpenAIServer, *ids: str, group: str = "a", **params: Any) -> None:
    """Register deployments of one group; each one's model is named like its id."""
    for id in ids:
        values = {"model": f"openai/{id}", "api_base": server.url, "api_key": "none", **params}
        router.upsert_deployment(
            litellm.types.router.Deployment(model_name=group, litellm_params=values, model_info={"id": id})
        )


def models(server: OpenAIServer) -> list[str]:
    return [str(request.body["model"]) for request in server.requests]


# The version.


def test_litellm_is_the_one_exact_version_that_the_probes_passed_with() -> None:
    pins = {
        file: re.findall(r"^\W*litellm\s*(.*?)\"?,?$", (REPOSITORY / file).read_text(encoding="utf-8"), re.MULTILINE)
        for file in ("pyproject.toml", "tools/constraints.txt")
    }
    exact = f"=={importlib.metadata.version('litellm')}"
    assert [pin for pin in pins["pyproject.toml"] if pin[:1] in "=<>~!"] == [exact]
    assert [pin for pin in pins["tools/constraints.txt"] if pin[:1] in "=<>~!"] == [exact]


def test_no_file_installs_a_release_that_stole_credentials() -> None:
    files = [REPOSITORY / "pyproject.toml", *REPOSITORY.glob("tools/**/*.txt"), *REPOSITORY.glob(".ci/*")]
    stolen = re.compile(r"litellm\S*\s*[=~<>]=\s*1\.82\.[78]\b")
    assert [str(file) for file in files if file.is_file() and stolen.search(file.read_text(encoding="utf-8"))] == []


# Importing.

WATCHED_IMPORT = """
import sys
sys.path.insert(0, {root!r})
reached = []
sys.addaudithook(
    lambda event, arguments: reached.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None
)
from star_agents.agents.transports import litellm_env
litellm = litellm_env.load()
litellm.Router(model_list=[], num_retries=0)
print(reached, len(litellm.model_cost) > 1000)
"""


def test_loading_litellm_our_way_reaches_for_no_network_and_knows_its_prices() -> None:
    code = WATCHED_IMPORT.format(root=str(REPOSITORY))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[] True"


# Who tries again: we do (retry.py).


@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 500, 503])
async def test_without_retries_a_failing_call_is_sent_once(
    litellm: ModuleType, server: OpenAIServer, status: int
) -> None:
    server.handler = lambda body: Fault(status=status)
    with routers(litellm) as router:
        deploy(litellm, router, server, "one")
        with pytest.raises(Exception, match="told to fail"):
            await router.acompletion(model="one", messages=HELLO)
    assert len(server.requests) == 1


async def test_without_retries_a_call_that_times_out_is_sent_once_and_ends_in_time(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    server.handler = lambda body: Hang(release=asyncio.Event())
    with routers(litellm) as router:
        deploy(litellm, router, server, "one")
        with anyio.fail_after(60), pytest.raises(litellm.Timeout):
            await router.acompletion(model="one", messages=HELLO, timeout=0.2)
    assert len(server.requests) == 1


async def test_retries_of_a_deployment_override_the_router_which_is_why_config_has_no_such_key(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    server.handler = lambda body: Fault(status=500, retry_after="0.01")
    with routers(litellm) as router:
        deploy(litellm, router, server, "one", num_retries=1)
        with pytest.raises(litellm.InternalServerError):
            await router.acompletion(model="a", messages=HELLO)
    assert len(server.requests) == 2


# Who waits: we do (gate.py).


async def test_with_cooldowns_off_failures_never_take_a_deployment_away(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    server.handler = lambda body: Fault(status=429)
    with routers(litellm) as router:
        deploy(litellm, router, server, "one", "two")
        for _ in range(12):
            with pytest.raises(litellm.RateLimitError, match="told to fail"):
                await router.acompletion(model="a", messages=HELLO)
        server.handler = lambda body: Answer(text="ok")
        assert {router.get_available_deployment(model="a")["model_info"]["id"] for _ in range(60)} == {"one", "two"}
        assert (await router.acompletion(model="a", messages=HELLO)).choices[0].message.content == "ok"
    assert len(server.requests) == 13


async def test_with_cooldowns_on_the_router_fails_calls_that_it_never_sent(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    server.handler = lambda body: Fault(status=429)
    with routers(litellm, disable_cooldowns=False) as router:
        deploy(litellm, router, server, "one", "two")
        for _ in range(12):
            with pytest.raises((litellm.RateLimitError, litellm.types.router.RouterRateLimitError)):
                await router.acompletion(model="a", messages=HELLO)
    assert len(server.requests) < 12


async def test_max_parallel_requests_turns_calls_away_instead_of_queueing_them(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    release = asyncio.Event()
    server.handler = lambda body: Hang(release=release, then=Answer(text="ok"))
    with routers(litellm) as router:
        deploy(litellm, router, server, "one", max_parallel_requests=2)
        calls = [asyncio.ensure_future(router.acompletion(model="one", messages=HELLO)) for _ in range(6)]
        turned_away, _ = await asyncio.wait(calls, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        release.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert turned_away
    assert sum(isinstance(end, litellm.RateLimitError) for end in ends) == 4
    assert len(server.charged) == 2


async def test_more_than_500_calls_to_one_host_are_in_flight_at_once(litellm: ModuleType, server: OpenAIServer) -> None:
    """LiteLLM's own connection limit would queue the rest unseen; ``litellm_env`` lifts it."""
    release, calls = asyncio.Event(), 505
    server.handler = lambda body: Hang(release=release, then=Answer(text="ok"))
    with routers(litellm) as router:
        deploy(litellm, router, server, "one")
        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(lambda: router.acompletion(model="one", messages=HELLO))
            await server.until(lambda s: s.in_flight == calls)
            release.set()
    assert server.peak == calls


# Choosing a deployment (deployment_groups.py).


async def test_the_id_of_a_deployment_reaches_that_deployment_whatever_its_group(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    with routers(litellm) as router:
        deploy(litellm, router, server, "a#1/0", "a#1/1", "a#1/2", group="a#1")
        for index in (2, 0, 1, 1):
            await router.acompletion(model=f"a#1/{index}", messages=HELLO)
    assert models(server) == ["a#1/2", "a#1/0", "a#1/1", "a#1/1"]


async def test_a_reply_names_its_deployment_and_what_litellm_makes_of_the_cost(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    server.handler = lambda body: Answer(text="ok", prompt_tokens=1000, completion_tokens=100)
    with routers(litellm) as router:
        deploy(litellm, router, server, "one", model="openai/gpt-4o-mini")
        hidden = (await router.acompletion(model="a", messages=HELLO))._hidden_params
    assert hidden["model_id"] == "one"
    assert hidden["response_cost"] == pytest.approx(1000 * 1.5e-7 + 100 * 6e-7)


async def test_the_router_picks_among_all_of_a_group_and_of_no_other(litellm: ModuleType, server: OpenAIServer) -> None:
    with routers(litellm) as router:
        deploy(litellm, router, server, "one", "two", "three")
        deploy(litellm, router, server, "other", group="b")
        assert picked(router) == {"one", "two", "three"}


async def test_a_pick_honours_a_new_and_a_deleted_deployment_at_once(litellm: ModuleType, server: OpenAIServer) -> None:
    with routers(litellm) as router:
        deploy(litellm, router, server, "one")
        assert picked(router) == {"one"}
        deploy(litellm, router, server, "two")
        assert router.has_model_id("two")
        assert picked(router) == {"one", "two"}
        router.delete_deployment(id="one")
        assert not router.has_model_id("one")
        assert picked(router) == {"two"}


def picked(router: Any) -> set[str]:
    return {router.get_available_deployment(model="a")["model_info"]["id"] for _ in range(100)}


async def test_calls_in_flight_end_on_a_deployment_that_was_deleted_meanwhile(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    release = asyncio.Event()
    server.handler = lambda body: Hang(release=release, then=Answer(text="ok"))
    with routers(litellm) as router:
        deploy(litellm, router, server, "one", "two")
        calls = [asyncio.ensure_future(router.acompletion(model="one", messages=HELLO)) for _ in range(10)]
        await server.until(lambda s: s.in_flight == 10)
        router.delete_deployment(id="one")
        release.set()
        replies = await asyncio.gather(*calls)
    assert [reply.choices[0].message.content for reply in replies] == ["ok"] * 10


# Cancelling.


async def by_task(call: Awaitable[object], server: OpenAIServer) -> None:
    task = asyncio.ensure_future(call)
    await server.until(lambda s: s.in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_asyncio_timeout(call: Awaitable[object], server: OpenAIServer) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await call


async def by_anyio_scope(call: Awaitable[object], server: OpenAIServer) -> None:
    with anyio.move_on_after(0.3) as scope:
        await call
    assert scope.cancelled_caught


@pytest.mark.parametrize("cancel", [by_task, by_asyncio_timeout, by_anyio_scope])
async def test_a_cancelled_call_closes_its_connection(
    litellm: ModuleType, server: OpenAIServer, cancel: Callable[[Awaitable[object], OpenAIServer], Awaitable[None]]
) -> None:
    with routers(litellm) as router:
        deploy(litellm, router, server, "one")
        await router.acompletion(model="one", messages=HELLO)  # so that 0.3 s are enough to arrive
        server.handler = lambda body: Hang(release=asyncio.Event())
        await cancel(router.acompletion(model="one", messages=HELLO), server)
        await server.until(lambda s: s.in_flight == 0)
    assert len(server.requests) == 2


# What an error and a price look like.


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.25", 0.25)])
async def test_a_rate_limit_brings_its_retry_after_header(
    litellm: ModuleType, server: OpenAIServer, header: str, seconds: float
) -> None:
    server.handler = lambda body: Fault(status=429, retry_after=header)
    with routers(litellm) as router:
        deploy(litellm, router, server, "one")
        with pytest.raises(litellm.RateLimitError) as limited:
            await router.acompletion(model="one", messages=HELLO)
    ours = translate(limited.value, agent="a", model="openai/one")
    assert isinstance(ours, AgentRateLimited)
    assert ours.retry_after == seconds


def test_a_listed_model_has_a_price_for_both_directions_and_its_lengths(litellm: ModuleType) -> None:
    entry = litellm.model_cost["gpt-4o-mini"]
    assert (entry["input_cost_per_token"], entry["output_cost_per_token"]) == (1.5e-7, 6e-7)
    assert (entry["max_input_tokens"], entry["max_output_tokens"]) == (128_000, 16_384)
    assert (entry["litellm_provider"], entry["mode"]) == ("openai", "chat")


async def test_registering_an_unknown_model_gives_it_neither_a_price_nor_a_mode(
    litellm: ModuleType, server: OpenAIServer
) -> None:
    """The Router writes entries into the list that prices are read from (endpoints.py, model_lists.py)."""
    with routers(litellm) as router:
        deploy(litellm, router, server, "first", "second", model="openai/nobody-knows-me")
        await router.acompletion(model="first", messages=HELLO)
    entries = [litellm.model_cost.get(name) or {} for name in ("nobody-knows-me", "openai/nobody-knows-me")]
    assert not any(entry.get("input_cost_per_token") or entry.get("mode") for entry in entries)


# What is left behind.


async def test_twenty_routers_that_were_discarded_leave_the_callback_lists_as_they_were(litellm: ModuleType) -> None:
    lists = [name for name in vars(litellm) if name.endswith(("callback", "callbacks"))]
    before = {name: len(value) for name in lists if isinstance(value := getattr(litellm, name), list)}
    assert before.keys() >= {"callbacks", "success_callback", "failure_callback", "_async_success_callback"}
    for _ in range(20):
        with routers(litellm):
            pass
    assert {name: len(getattr(litellm, name)) for name in before} == before


async def test_discarded_routers_die_once_the_class_forgets_them(litellm: ModuleType, server: OpenAIServer) -> None:
    dead: list[weakref.ref[Any]] = []
    for _ in range(4):
        with routers(litellm) as router:
            deploy(litellm, router, server, "one")
            await router.acompletion(model="one", messages=HELLO)
            dead.append(weakref.ref(router))
        del router
    await litellm_env.close_connections()
    litellm.Router._cached_get_model_group_info.cache_clear()
    gc.collect()
    # What LiteLLM starts with the first call of a process may hold that call's router: one, however many follow.
    assert [ref() for ref in dead[1:]] == [None] * 3

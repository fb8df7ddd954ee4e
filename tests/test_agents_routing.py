"""LiteLLM's Router chooses by our strategy, once, and sends where ``transport: litellm`` says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_server import Answer, OpenAIServer

from star_agents.agents.client import AgentClient
from star_agents.agents.idle_first import IdleFirst
from star_agents.agents.transports import litellm_env
from star_agents.config.models import AgentConfig, DeploymentConfig
from star_agents.records import Message

HELLO = [Message(role="user", content="Hello?")]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(lambda body: Answer(text="ok")) as server:
        yield server
        await litellm_env.close_connections()


def agent(server: OpenAIServer, count: int, transport: str = "auto") -> AgentConfig:
    deployments = tuple(DeploymentConfig(model=f"openai/m{index}", api_base=server.url) for index in range(count))
    return AgentConfig.model_validate({"deployments": deployments, "transport": transport, "retries": 0})


def asked(server: OpenAIServer) -> list[str]:
    return [str(request.body["model"]) for request in server.requests]


@pytest.mark.parametrize("transport", ["auto", "litellm"])
async def test_the_router_gives_each_call_the_deployment_with_the_fewest_in_flight(
    server: OpenAIServer, transport: str
) -> None:
    client = AgentClient({"a": agent(server, 3, transport)})
    async with client.admit("a", HELLO) as first, client.admit("a", HELLO) as second:
        await first.send()
        await client.ask("a", HELLO)
        await second.send()
        await client.ask("a", HELLO)
    assert asked(server) == ["m0", "m2", "m1", "m0"]
    await client.aclose()


@pytest.mark.parametrize("transport", ["auto", "litellm"])
async def test_a_deployment_is_chosen_once_a_call_and_by_the_router(server: OpenAIServer, transport: str) -> None:
    client = AgentClient({"a": agent(server, 2, transport)})
    router, chosen = client._groups.routing.router, []
    ours = router.get_available_deployment

    def heard(*args: object, **more: object) -> object:
        chosen.append(found := ours(*args, **more))
        return found

    router.get_available_deployment = heard
    for _ in range(4):
        await client.ask("a", HELLO)
    assert [one["litellm_params"]["model"] for one in chosen] == [f"openai/{model}" for model in asked(server)]
    assert len(chosen) == 4
    await client.aclose()


async def test_transport_litellm_is_the_routers_acompletion_and_auto_is_not(server: OpenAIServer) -> None:
    one = {"model": "openai/m", "api_base": server.url}
    client = AgentClient(
        {"whole": AgentConfig.model_validate({**one, "transport": "litellm"}), "short": AgentConfig.model_validate(one)}
    )
    router = client._groups.routing.router
    await client.ask("short", HELLO)
    assert router.success_calls == {}
    await client.ask("whole", HELLO)
    assert router.success_calls == {"openai/m": 1}
    await client.aclose()


async def test_an_agent_without_a_choice_on_the_short_way_is_not_on_the_router(server: OpenAIServer) -> None:
    client = AgentClient({"a": AgentConfig(model="openai/m", api_base=server.url)})
    await client.ask("a", HELLO)
    assert client._groups.routing._router is None
    await client.aclose()


async def test_a_transport_that_is_edited_takes_effect_and_leaves_nothing_on_the_router(server: OpenAIServer) -> None:
    client = AgentClient({"a": agent(server, 2, "litellm")})
    router = client._groups.routing.router
    for transport, sent in (("litellm", 1), ("auto", 1), ("litellm", 2)):
        await client.reconfigure({"a": agent(server, 2, transport)})
        await client.ask("a", HELLO)
        assert (sum(router.success_calls.values()), len(router.model_list)) == (sent, 2)
    await client.reconfigure({})
    assert (router.model_list, client._groups.routing._by_id) == ([], {})
    await client.aclose()


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_first_is_always_one_of_the_least_loaded_whatever_happened(count: int, seed: int) -> None:
    free, known, dice = IdleFirst(count), dict.fromkeys(range(count), 0), Random(seed)
    for _ in range(60):
        index = dice.randrange(count)
        if dice.random() < 0.3:
            free.remove(index)
            known.pop(index, None)
        else:
            known[index] = max(0, known.get(index, dice.randrange(9)) + dice.choice((-1, 1)))
            free.put(index, known[index])
        assert len(free) == len(known)
        if known:
            assert known[free.first()] == min(known.values())
        else:
            with pytest.raises(LookupError):
                free.first()

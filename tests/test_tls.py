"""Certificates of https servers: checked unless the user says otherwise, which is honoured on every way, and told."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lines import config_for, seeds, take_in_seeds
from openai_server import Answer, OpenAIServer

from star_agents.agents.client import AgentClient
from star_agents.agents.tls_check import tls_notes
from star_agents.agents.transports import litellm_env
from star_agents.config.models import AgentConfig
from star_agents.engine.wiring import open_engine
from star_agents.errors import AgentUnavailable
from star_agents.events import ConnectionNoted, Event
from star_agents.observe.bus import Bus
from star_agents.records import Message
from star_agents.storage.store import Store

OWN = Path(__file__).parent / "tls_certificate.pem"
"""A certificate that nobody has signed, for 127.0.0.1, and its key."""
HELLO = [Message(role="user", content="Hello there.")]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(OWN)
    async with OpenAIServer(lambda body: Answer(text="Good day."), tls=tls) as server:
        yield server


@asynccontextmanager
async def a_client(url: str, transport: str) -> AsyncIterator[AgentClient]:
    settings = {"api_base": url, "transport": transport, "retries": 0}
    client = AgentClient({"a": AgentConfig.model_validate({"model": "hosted_vllm/m", **settings})})
    try:
        yield client
    finally:
        await client.aclose()  # LiteLLM keeps connections that were opened under these variables in its globals.


async def answer(url: str, transport: str) -> str:
    async with a_client(url, transport) as client:
        return (await client.ask("a", HELLO)).text


each_way = pytest.mark.parametrize("transport", ["auto", "litellm"])


@pytest.fixture(autouse=True)
async def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_VERIFY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    await litellm_env.close_connections()


@each_way
async def test_a_certificate_that_nobody_has_signed_is_refused_and_nothing_is_sent(
    server: OpenAIServer, transport: str
) -> None:
    with pytest.raises(AgentUnavailable, match=r"(?i)certificate"):
        await answer(server.url, transport)
    assert server.requests == []


@each_way
@pytest.mark.parametrize("said", ["false", "False"])
async def test_ssl_verify_false_is_honoured(
    server: OpenAIServer, transport: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_VERIFY", said)
    assert await answer(server.url, transport) == "Good day."


@each_way
@pytest.mark.parametrize("name", ["SSL_VERIFY", "SSL_CERT_FILE"])
async def test_a_certificate_of_ones_own_is_trusted_where_its_file_is_named(
    server: OpenAIServer, transport: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(OWN))
    assert await answer(server.url, transport) == "Good day."


def test_what_is_not_checked_and_what_is_not_there_is_told() -> None:
    assert tls_notes({}) == []
    assert tls_notes({"SSL_VERIFY": "true", "SSL_CERT_FILE": str(OWN)}) == []
    assert tls_notes({"SSL_VERIFY": str(OWN)}) == []
    (unchecked,) = tls_notes({"SSL_VERIFY": "False", "SSL_CERT_FILE": "/nowhere.pem"})
    assert "no certificate of any https server is checked" in unchecked
    for name in ("SSL_VERIFY", "SSL_CERT_FILE"):
        (missing,) = tls_notes({name: "/nowhere.pem"})
        assert missing.startswith(f"{name}: there is no file /nowhere.pem")


async def test_a_line_that_opens_with_certificates_unchecked_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_VERIFY", "false")
    bus, heard = Bus(), list[Event]()
    bus.subscribe(heard.append)
    async with OpenAIServer() as server, await Store.open(tmp_path) as store:
        config = config_for(server.url)
        async with open_engine(config, store, bus=bus, seeds_expected=1, ends_when_empty=True) as line:
            await take_in_seeds(line, seeds(1), "test")
    (noted,) = [event for event in heard if isinstance(event, ConnectionNoted)]
    assert noted.message == tls_notes({"SSL_VERIFY": "false"})[0]

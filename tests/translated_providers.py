"""Providers whose calls LiteLLM translates, a server that replies as each of them would, and both ways to it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from call_outcomes import CallOutcome, outcome_of
from shaped_replies import FORMS, Told

from star_agents.agents.answer import Call, Transport
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.agents.transports.translated import TranslatedTransport
from star_agents.agents.transports.translated_routes import TRANSLATED
from star_agents.config.models import AgentConfig

KEY = "sk-canary-2f81c6d0"
AWS = {"AWS_ACCESS_KEY_ID": "AKIACANARY", "AWS_SECRET_ACCESS_KEY": "secret-canary", "AWS_REGION": "us-east-1"}
TOKEN = "token-canary-77d1e0b4"
"""What the server gives out as a token."""
PROMPT = ({"role": "user", "content": "Wie viel ist 2 + 2? 🙂"},)
SHAPE = {"temperature": 0.5, "max_tokens": 64}
ENTRA = {"tenant_id": "a-tenant", "client_id": "a-client", "client_secret": "client-secret-canary"}


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
    theirs: Mapping[str, Any] = field(default_factory=dict)
    """What LiteLLM's own way has in their place: a token that our way fetches."""
    has_key: bool = True
    shape: Mapping[str, Any] = field(default_factory=lambda: SHAPE)
    """Parameters that it takes."""
    thinks: bool = True
    """Whether replies of its form can hold thoughts."""
    has_tools: bool = True


_ODD = {"user": "somebody"}
"""A parameter that the direct way does not take: LiteLLM writes the call, or ``plain_requests`` in its words."""
_DATED = {"api_version": "2026-01-01"}
_BY_TOKEN: dict[str, Any] = {"has_key": False, "path": "", "settings": {**_DATED, "extra": ENTRA}}
_WITH_TOKEN = {**_DATED, "extra": {"azure_ad_token": TOKEN}}
_HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"
MAIN = {
    "openai": Provider(model="openai/gpt-4o", settings={"extra": _ODD}),
    "openai by LiteLLM": Provider(model="openai/gpt-4o", settings={"extra": {**_ODD, "logit_bias": {"7": 1}}}),
    "gpt-5": Provider(model="openai/gpt-5.1", settings={"extra": _ODD}),
    "password": Provider(model="openai/gpt-4o-mini", at="somebody:pa%2Fss@"),
    "azure": Provider(model="azure/gpt-4o", path="", settings=_DATED),
    "azure-v1": Provider(model="azure/gpt-4o", path="", settings={"api_version": "v1"}),
    "azure-o3": Provider(model="azure/o3-mini", path="", settings=_DATED, shape={"max_completion_tokens": 64}),
    "azure-entra": Provider(model="azure/gpt-4o", theirs=_WITH_TOKEN, **_BY_TOKEN),
    "azure-o3-entra": Provider(
        model="azure/o3-mini", theirs=_WITH_TOKEN, shape={"max_completion_tokens": 64}, **_BY_TOKEN
    ),
    "anthropic": Provider(model="anthropic/claude-sonnet-4-5", form="anthropic", path=""),
    "anthropic by LiteLLM": Provider(
        model="anthropic/claude-sonnet-4-5", form="anthropic", path="", settings={"extra": {"top_k": 40}}
    ),
    "gemini": Provider(model="gemini/gemini-2.5-flash", form="gemini", path=""),
    "vertex": Provider(model="vertex_ai/gemini-2.5-flash", form="gemini", path="", has_key=False),
    "vertex-claude": Provider(model="vertex_ai/claude-sonnet-4-5@20250929", form="anthropic", path="", has_key=False),
    "vertex-llama": Provider(model="vertex_ai/meta/llama-3.3-70b-instruct-maas", path="", has_key=False),
    "bedrock": Provider(model=f"bedrock/{_HAIKU}", form="converse", path="", has_key=False),
    "invoke": Provider(model=f"bedrock/invoke/{_HAIKU}", form="anthropic", path="", has_key=False),
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
_LLAMA = {"generation": "Four.", "prompt_token_count": 9, "generation_token_count": 4, "stop_reason": "stop"}
_TITAN = {"inputTextTokenCount": 9, "results": [{"tokenCount": 4, "outputText": "Four.", "completionReason": "FINISH"}]}
INVOKED: Mapping[str, Any] = {
    "meta.llama3-70b-instruct-v1:0": _LLAMA,
    "qwen.qwen3-32b-v1:0": _LLAMA,
    "mistral.mistral-7b-instruct-v0:2": {"outputs": [{"text": "Four.", "stop_reason": "stop"}]},
    "us.amazon.nova-pro-v1:0": FORMS["converse"](Told()),
    "amazon.titan-text-express-v1": _TITAN,
    "cohere.command-r-v1:0": {"text": "Four.", "finish_reason": "COMPLETE"},
    "moonshot.kimi-k2-thinking": FORMS["openai"](Told()),
    "ai21.jamba-instruct-v1:0": {"completions": [{"data": {"text": "Four."}}]},
}
"""Models of Bedrock's ``invoke``, each with a reply in the form of its own."""
OTHERS |= {one: Provider(model=f"bedrock/invoke/{one}", path="", has_key=False) for one in INVOKED}
needs_google = pytest.mark.skipif(importlib.util.find_spec("google.auth") is None, reason="google-auth is an extra")


def names(of: Mapping[str, Provider] = MAIN, **traits: bool) -> list[Any]:
    """Those of these traits, for a parametrised test."""
    found = [name for name, one in of.items() if all(getattr(one, trait) is value for trait, value in traits.items())]
    return [pytest.param(one, marks=needs_google if one.startswith("vertex") else ()) for one in found]


@dataclass
class Server:
    """Replies whatever it is told to, and keeps what it was asked; beside that it gives out tokens."""

    reply: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """As it is told."""
        if request.path == "/api/show":
            return web.json_response({}, status=404)
        if request.path.endswith("/token"):
            return web.json_response({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
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
    endpoints: dict[tuple[str, str], Endpoint] = field(default_factory=dict)

    def endpoint(self, name: str, way: str = "translated") -> Endpoint:
        """A provider's model at the server."""
        if (name, way) not in self.endpoints:
            one = MAIN.get(name) or OTHERS[name]
            key = "os.environ/A_KEY" if one.has_key else None
            base = self.server.url.replace("://", f"://{one.at}") + one.path
            settings = one.theirs if one.theirs and way == "litellm" else one.settings
            agent = AgentConfig(model=one.model, api_base=base, api_key=key, **settings)
            (found,) = resolve(litellm_env.load, {"it": agent}, {"A_KEY": KEY}, {})["it"]
            assert found.way == "translated", (found.way, found.why_litellm)
            self.endpoints[name, way] = found
        return self.endpoints[name, way]

    async def compared(self, name: str, **more: Any) -> tuple[CallOutcome, CallOutcome]:
        """What comes of a call by each way; what arrives is the same, or this fails."""
        self.server.asked.clear()
        outcomes = [await self._outcome(way, name, **more) for way in self.ways]
        assert len(self.server.asked) in (0, 2), self.server.asked
        arrived = [_arrived(one) for one in self.server.asked]
        assert arrived[1:] == arrived[:1]
        return outcomes[0], outcomes[1]

    async def _outcome(self, way: str, name: str, **more: Any) -> CallOutcome:
        one, endpoint = MAIN.get(name) or OTHERS[name], self.endpoint(name, way)
        by = (one.theirs if way == "litellm" else one.settings) if one.theirs else {}
        shape = {**by.get("extra", {}), **more.pop("shape", one.shape)}
        given = {"endpoint": endpoint, "messages": PROMPT, "shape": shape, "timeout_s": 20.0, **more}
        return await outcome_of(Call(**given), self.ways[way], key=KEY)

    def told(self, name: str, **more: Any) -> None:
        """Let the server tell this, in the provider's form."""
        self.server.reply = FORMS[(MAIN.get(name) or OTHERS[name]).form](Told(**more))


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


@asynccontextmanager
async def both_ways(folder: Path) -> AsyncIterator[Both]:
    """One server, one pool, and both ways; the credentials of AWS, Google and Entra are in the environment."""
    server, environ = Server(), pytest.MonkeyPatch()
    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    google = {"VERTEXAI_PROJECT": "a-project", "VERTEXAI_LOCATION": "us-central1", "AZURE_AUTHORITY_HOST": server.url}
    if importlib.util.find_spec("google.auth") is not None:
        google["GOOGLE_APPLICATION_CREDENTIALS"] = str(service_account(folder, server.url))
    for name, value in {**AWS, **google}.items():
        environ.setenv(name, value)
    pool, whole = HttpPool(), LiteLLMTransport(litellm_env.load, lambda: None)
    yield Both(server, {"litellm": whole, "translated": TranslatedTransport(pool, litellm_env.load, whole)})
    await pool.aclose()
    await litellm_env.close_connections()
    await runner.cleanup()
    environ.undo()


def service_account(folder: Path, url: str, **more: Any) -> Path:
    """A file of a service account of Google's, whose tokens are fetched at an address."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  comes with google-auth
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    told = {"type": "service_account", "project_id": "a-project", "private_key_id": "1"}
    told |= {"private_key": key.private_bytes(*kinds).decode(), "client_email": "it@a-project.example"}
    file = folder / "service_account.json"
    file.write_text(json.dumps({**told, "client_id": "1", "token_uri": f"{url}/token", **more}))
    return file

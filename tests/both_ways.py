"""One server, and both ways to it: through LiteLLM and directly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai_server import Move, OpenAIServer

from star_agents.agents.answer import Answer, Call, Choice, Transport
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.direct import DirectHttpTransport
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.config.models import AgentConfig

WAYS = ("litellm", "direct")
HELLO = ({"role": "user", "content": "What is the capital of France?"},)


@dataclass(frozen=True)
class BothWays:
    """The server, what it is called by each model, and the two transports."""

    server: OpenAIServer
    transports: Mapping[str, Transport]
    router: Any
    """LiteLLM's: what it does not know of a model it asks Ollama for, on this very loop, and waits for ever."""
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    async def answer(
        self,
        way: str,
        move: Move,
        *,
        model: str = "hosted_vllm/m",
        shape: Mapping[str, Any] | None = None,
        n: int = 1,
        messages: tuple[Mapping[str, str], ...] = HELLO,
    ) -> Answer:
        """What one way makes of a reply."""
        self.server.handler = lambda body: move
        endpoint = self.endpoint(model)
        call = Call(endpoint=endpoint, messages=messages, shape=shape or {}, n=n, timeout_s=20.0)
        return await self.transports[way].complete(call)

    async def choice(self, way: str, move: Move, **more: Any) -> Choice:
        """The one choice of a reply."""
        (choice,) = (await self.answer(way, move, **more)).choices
        return choice

    def endpoint(self, model: str) -> Endpoint:
        """A model at the server."""
        if model not in self.endpoints:
            base = self.server.root if model.startswith("ollama") else self.server.url
            agent = AgentConfig(model=model, api_base=base, api_key="os.environ/A_KEY")
            endpoint = resolve(litellm_env.load, {"it": agent}, {"A_KEY": "sk-test"}, {})["it"][0]
            deployment = litellm_env.load().types.router.Deployment(
                model_name=model, litellm_params=dict(endpoint.params), model_info={"id": model}
            )
            self.router.upsert_deployment(deployment)
            self.endpoints[model] = endpoint
        return self.endpoints[model]


@asynccontextmanager
async def opened() -> AsyncIterator[BothWays]:
    """Both ways, for as long as the block lasts."""
    router = litellm_env.load().Router(model_list=[], num_retries=0, disable_cooldowns=True)
    async with OpenAIServer() as server:
        pool = HttpPool()
        direct = DirectHttpTransport(pool)
        try:
            yield BothWays(
                server, {"litellm": LiteLLMTransport(litellm_env.load, lambda: router), "direct": direct}, router
            )
        finally:
            await pool.aclose()
            router.discard()
            await litellm_env.close_connections()

"""The batches of one agent: what a call of its looks like in them, and what a reply is that comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from star_agents.agents.batching.anthropic import AnthropicBatches
from star_agents.agents.batching.azure import AzureBatches
from star_agents.agents.batching.gemini import GeminiBatches
from star_agents.agents.batching.http import BatchHttp
from star_agents.agents.batching.mistral import MistralBatches
from star_agents.agents.batching.openai import OpenAIBatches
from star_agents.agents.batching.protocol import BatchedCall, BatchProvider
from star_agents.agents.batching.routes import BatchRoute, Protocol
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.receipts import cost_of, replies
from star_agents.agents.replies.structured_output import ReplyForm, bound_loosely
from star_agents.agents.translate import translate
from star_agents.agents.transports.direct import openai_answer
from star_agents.config.batching import BatchConfig
from star_agents.errors import AgentError, AgentUnavailable
from star_agents.records import Message, Reply, Tool

_PERHAPS_THE_FORM = frozenset({400, 404, 405, 415, 422})


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentBatching:
    """The batches of one agent."""

    agent: str
    settings: BatchConfig
    endpoint: Endpoint
    provider: BatchProvider

    def call(
        self,
        key: str,
        messages: Sequence[Message],
        shape: Mapping[str, Any],
        form: ReplyForm | None,
        tools: Sequence[Tool],
    ) -> BatchedCall:
        """A call as it goes by batch; ``form`` and tools as ``AgentClient.admit`` has them."""
        call = BatchedCall(
            key=key, messages=[message.to_dict() for message in messages], shape=shape, tools=tuple(tools)
        )
        if form is None or tools:
            return call
        bound = bound_loosely(call.call(self.endpoint), form)
        return BatchedCall(key=key, messages=bound.messages, shape=bound.shape)

    def reply(self, key: str, request: Mapping[str, Any], body: Mapping[str, Any]) -> Reply | None:
        """What came back for a call, at the price of batches; ``None`` where it cannot be read."""
        call = BatchedCall.from_dict(key, request).call(self.endpoint)
        try:
            answer = openai_answer(body, call)
        except (LookupError, TypeError, ValueError, AttributeError, HttpFailure):
            return None
        cost_usd = cost_of(answer, self.endpoint.batch_price)
        return replies(answer, cost_usd, 1, agent=self.agent, endpoint=self.endpoint, index=0)[0]

    def goes_alone(self, request: Mapping[str, Any], failure: Mapping[str, Any]) -> bool:
        """Whether an error may be for a schema or for tools: the ordinary way says them in other words where they are
        refused."""
        asks_for_more = bool(request["tools"]) or "response_format" in request["shape"]
        return self.settings.fall_back and asks_for_more and failure.get("status") in _PERHAPS_THE_FORM

    def error(self, failure: Mapping[str, Any]) -> AgentError:
        """The error that a call came back with, as one of ours."""
        http = HttpFailure(int(failure.get("status") or 500), str(failure.get("said") or ""), {})
        error = translate(http, agent=self.agent, model=self.endpoint.model)
        if isinstance(error, AgentUnavailable):
            error.certainly_unpaid = True
        return error


def batches_at(http: BatchHttp, route: BatchRoute) -> BatchProvider:
    """The batches of an endpoint, in the protocol that it speaks."""
    return _PROVIDERS[route.protocol](http, route)


_PROVIDERS: Mapping[Protocol, Callable[[BatchHttp, BatchRoute], BatchProvider]] = {
    "openai": OpenAIBatches,
    "azure": AzureBatches,
    "mistral": MistralBatches,
    "gemini": GeminiBatches,
    "anthropic": AnthropicBatches,
}

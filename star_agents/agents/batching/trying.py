"""Can an agent's calls go by batch? Its provider is asked for its list of batches, which costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import anyio

from star_agents.agents.batching.agent import batches_at
from star_agents.agents.batching.http import BatchHttp
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.translate import translate
from star_agents.config.models import AgentConfig
from star_agents.text.figures import duration

_PATIENCE_S = 30.0


class BatchTrial(NamedTuple):
    """What is said of an agent that goes by batch."""

    ok: bool
    detail: str


async def try_batches(
    agents: Mapping[str, AgentConfig], endpoints: Mapping[str, Sequence[Endpoint]]
) -> list[BatchTrial]:
    """Of each agent whose calls go by batch, how they do and for how much; agents that send each alone are left out."""
    http = BatchHttp()
    try:
        return [
            await _try(name, agent, endpoints[name][0], http)
            for name, agent in agents.items()
            if agent.transport == "batch"
        ]
    finally:
        await http.aclose()


async def _try(name: str, agent: AgentConfig, endpoint: Endpoint, http: BatchHttp) -> BatchTrial:
    route = endpoint.batch
    assert route is not None, "an agent that goes by batch and has nowhere to go is refused before"
    try:
        with anyio.fail_after(_PATIENCE_S):
            await batches_at(http, route).reach()
    except Exception as error:
        told = translate(error, agent=name, model=endpoint.model)
        return BatchTrial(False, f"its calls are to go by batch, and the provider's batches cannot be had: {told}")
    settings = agent.batch
    return BatchTrial(
        True,
        f"agent {name}: calls of seeds go in batches of up to {settings.max_requests:,}, or after "
        f"{duration(settings.max_wait_s)}; answers come within 24 hours, at {_price(endpoint)}",
    )


def _price(endpoint: Endpoint) -> str:
    full, batched = endpoint.price, endpoint.batch_price
    if batched is None:
        return "a price that nobody knows (`batch: {price: 0.5}` says that it is half)"
    if full is None or not full.completion:
        return "no cost" if batched.is_free else f"${1e6 * batched.completion:g} per million tokens written"
    return f"{batched.completion / full.completion:.0%} of the ordinary price"

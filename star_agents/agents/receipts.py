"""What an answer comes to, as replies of an agent: who wrote them, what they took and what they cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from star_agents.agents.admitted_call import Receipt
from star_agents.agents.answer import Answer, Embedded
from star_agents.agents.deployment_groups import DeploymentGroup
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.prices import Price, cost
from star_agents.agents.replicates import shares
from star_agents.agents.replies.usage import embedding_tokens
from star_agents.records import Reply

_LARGEST = 3.4e38
"""Of a float32."""


def receipt(group: DeploymentGroup, index: int, answer: Answer, count: int) -> Receipt[list[Reply]]:
    """What an answer of one of the endpoints comes to: at most as many replies as were asked for."""
    endpoint = group.endpoints[index]
    cost_usd = cost_of(answer, endpoint.price)
    return Receipt(
        result=replies(answer, cost_usd, count, agent=group.name, endpoint=endpoint, index=index),
        model=endpoint.model,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        count=answer.count,
        cost_usd=cost_usd,
    )


def cost_of(answer: Answer, price: Price | None) -> float | None:
    """US dollars at a price; ``None`` where nobody knows."""
    is_counted = answer.completion_tokens or not any(choice.text for choice in answer.choices)
    return cost(
        price,
        answer.prompt_tokens if is_counted else 0,  # Half of a count would be half of a price.
        answer.completion_tokens,
        answer.listed_usd,
        answer.cached_tokens,
    )


def replies(
    answer: Answer, cost_usd: float | None, count: int, *, agent: str, endpoint: Endpoint, index: int
) -> list[Reply]:
    """One reply per choice; tokens and cost are shared out to the last one."""
    return [
        Reply(
            text=choice.text,
            finish_reason=choice.finish_reason,
            reasoning=choice.reasoning,
            flaw=choice.flaw,
            tool_calls=choice.tool_calls,
            usage_doubt=answer.usage_doubt,
            answered_as=answer.answered_as,
            agent=agent,
            model=endpoint.model,
            prompt_tokens=share.prompt_tokens,
            completion_tokens=share.completion_tokens,
            cost_usd=share.cost_usd,
            deployment=f"{agent}/{index}",
        )
        for choice, share in zip(answer.choices[:count], shares(answer, cost_usd, count), strict=False)
    ]


def receipt_of_vectors(group: DeploymentGroup, index: int, response: Any, texts: Sequence[str]) -> Receipt[Embedded]:
    """What LiteLLM's response to a request for vectors comes to.

    Raises ValueError where it has not one vector of numbers per text.
    """
    endpoint = group.endpoints[index]
    rows = sorted(response.data, key=lambda row: int(row["index"]))
    if len(rows) != len(texts):
        raise ValueError(f"{len(rows)} vectors for {len(texts)} texts")
    prompt_tokens = embedding_tokens(getattr(response.usage, "prompt_tokens", None), texts)
    cost_usd = cost(endpoint.price, prompt_tokens, 0, (response._hidden_params or {}).get("response_cost"))
    embedded = Embedded(
        vectors=[_numbers(row["embedding"]) for row in rows],
        model=endpoint.model,
        prompt_tokens=prompt_tokens,
        cost_usd=cost_usd,
        deployment=f"{group.name}/{index}",
    )
    return Receipt(
        result=embedded, model=endpoint.model, prompt_tokens=prompt_tokens, completion_tokens=0, cost_usd=cost_usd
    )


def _numbers(vector: Any) -> list[float]:
    """A vector as a provider sends it; raises ValueError where it is something else, or has what no float32 holds."""
    if not isinstance(vector, list) or not vector:
        raise ValueError("an embedding is not a list of numbers")
    for number in vector:
        if type(number) not in (int, float) or not abs(number) <= _LARGEST:
            raise ValueError("an embedding holds something that is not a finite number")
    return vector

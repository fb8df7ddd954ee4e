"""What the rest of the program sees of one call, so that two ways to a provider can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.agents.answer import Call, Choice, Transport
from star_agents.agents.receipts import cost_of
from star_agents.agents.translate import translate
from star_agents.errors import AgentRateLimited


@dataclass(frozen=True)
class CallOutcome:
    """Its answer, or its error."""

    choices: tuple[Choice, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    error: str = ""
    advice: str = ""
    retry_after: float | None = None


async def outcome_of(call: Call, way: Transport, *, key: str) -> CallOutcome:
    """Send a call; no error may say its key."""
    try:
        answer = await way.complete(call)
    except Exception as error:
        ours = translate(error, agent="it", model=call.endpoint.model)
        assert key not in str(ours)
        retry_after = ours.retry_after if isinstance(ours, AgentRateLimited) else None
        return CallOutcome(error=type(ours).__name__, advice=str(ours).rpartition("]; ")[2], retry_after=retry_after)
    usd = cost_of(answer, call.endpoint.price)
    return CallOutcome(
        choices=answer.choices,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cached_tokens=answer.cached_tokens,
        cost_usd=None if usd is None else round(usd, 12),
    )

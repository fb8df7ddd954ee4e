"""Several answers to one prompt in one request: who pays which part of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.agents.answer import Answer


@dataclass(frozen=True, slots=True)
class Share:
    """What one reply carries of its request's tokens and cost."""

    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


def shares(answer: Answer, cost_usd: float | None, count: int) -> list[Share]:
    """Share a request out among the first ``count`` of its choices, so that the parts add up to the whole.

    Providers count all choices together. The first reply carries the prompt, which is paid for once; completion tokens
    are split by the lengths of the texts, thoughts included, and the cost by the tokens carried.
    """
    choices = answer.choices[:count]
    if len(choices) == 1:
        return [Share(answer.prompt_tokens, answer.completion_tokens, cost_usd)]
    completions = _split(answer.completion_tokens, [len(choice.text) + len(choice.reasoning) for choice in choices])
    prompts = [answer.prompt_tokens, *[0] * (len(choices) - 1)]
    tokens = answer.prompt_tokens + answer.completion_tokens
    return [
        Share(
            prompt,
            completion,
            None if cost_usd is None else cost_usd * ((prompt + completion) / tokens if tokens else 1 / len(choices)),
        )
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def _split(total: int, weights: list[int]) -> list[int]:
    """Whole parts of ``total`` in proportion to ``weights``; what rounding leaves over goes to the first ones."""
    whole = sum(weights)
    parts = [total * weight // whole if whole else total // len(weights) for weight in weights]
    for index in range(total - sum(parts)):
        parts[index % len(parts)] += 1
    return parts

"""The way to agents on this machine: a function answers, through the same gates, budgets and retries.

The offline agents come in this way, and local models, which answer in processes of their own. No model name can lead
past it: the function has its provider prefix to itself.
"""

from __future__ import annotations

from star_agents.agents.answer import Answer, Call
from star_agents.agents.provider import Background
from star_agents.agents.replies.reading import read_choice
from star_agents.agents.sampling import longest_reply


class InProcessTransport:
    """Calls the endpoint's own function."""

    async def complete(self, call: Call) -> Answer:
        """Ask once; raises whatever the function raises."""
        respond = call.endpoint.respond
        if respond is None:
            raise ValueError(f"{call.endpoint.model} has no provider on this machine")
        model, max_tokens = call.endpoint.model.partition("/")[2], longest_reply(call.shape)
        if isinstance(respond, Background):
            answer = await respond.complete(model, call.messages, call.shape)
        else:
            answer = respond(model, call.messages, max_tokens)
        prompt = [message["content"] for message in call.messages]
        return Answer(
            choices=(
                read_choice(
                    {"content": answer.text},
                    answer.finish_reason,
                    prompt,
                    max_tokens=max_tokens,
                    offers_tools=bool(call.tools),
                ),
            ),
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
        )

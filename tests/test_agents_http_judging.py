"""The whole room together: prompts, client and referee against the test server's own brain."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence

from openai_server import OpenAIServer

from star_agents.agents.client import AgentClient
from star_agents.agents.judging.referee import judge
from star_agents.agents.prompts import Prompts
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.config.models import AgentConfig
from star_agents.records import Message, Reply, Sample


def stands_above(candidate: Sample, base: Sample) -> bool:
    """How the server's brain ranks answers: by the hash of their JSON form."""
    first, second = (
        hashlib.sha256(json.dumps(s.response, ensure_ascii=False).encode()).digest() for s in (candidate, base)
    )
    return first > second


async def test_a_seed_is_rewritten_answered_and_judged_over_http() -> None:
    prompts = Prompts()
    async with OpenAIServer() as server:
        client = AgentClient({"all": AgentConfig(model="openai/m", api_base=server.url)}, rng=random.Random(0))
        base = Sample(instruction="Name a prime.", response="Nine.")
        rewritten = await client.ask("all", prompts.rewrite(base))
        assert rewritten.text == "Name a prime. Give your reasons."
        asked = Sample(instruction=rewritten.text)
        answer = await client.ask("all", prompts.respond(asked))
        candidate = Sample(instruction=asked.instruction, response=answer.text)

        async def ask(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
            return await client.ask(agent, messages, temperature=0.0, max_tokens=512, form=form)

        options = {"candidate": candidate, "base": base, "referees": ["all"], "prompts": prompts}
        own = await judge(ask, nonce=lambda step: f"c0de{step}", **options)  # type: ignore[arg-type]  # as written above
        paper = await judge(ask, nonce=str, prompt="paper", **options)  # type: ignore[arg-type]  # as written above
        await client.aclose()
    assert own.value == float(stands_above(candidate, base))
    assert own.votes[0].readable
    assert (paper.value, paper.votes[0].readable) == (0.5, True)

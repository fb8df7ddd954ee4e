"""Judges heard for one seed: each call journaled, each vote noted among what the seed has asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from star_agents.agents.judging.referee import judge
from star_agents.agents.prompts import Prompts
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.bench.tries import SeedTries
from star_agents.config.star import RefereeConfig
from star_agents.records import Message, Reply, Sample, Verdict


class AskJournaled(Protocol):
    """One call through the journal."""

    async def __call__(
        self,
        agent: str,
        messages: Sequence[Message],
        step: str,
        overrides: dict[str, Any],
        *,
        form: ReplyForm | None = None,
    ) -> Reply:
        """The reply; raises what ``AgentClient.ask`` raises."""
        ...


async def hear_judges(
    ask_journaled: AskJournaled,
    tries: SeedTries,
    left: Sample,
    right: Sample,
    judges: Sequence[str],
    *,
    referee: RefereeConfig,
    orders: Literal["both", "one"],
    name: str,
    kind: Literal["compare", "judge"],
    nonce: Callable[[str], str],
    prompts: Prompts,
) -> Verdict:
    """The judges' verdict of left against right.

    Args:
        ask_journaled: Asks a judge.
        tries: Where votes and failures are noted, under ``name``.
        left: The one answer, with what it answers.
        right: The other one.
        judges: Who is asked.
        referee: How: prompt, temperature, length.
        orders: Shown in both orders, or left first only.
        name: What is judged; tells steps and codes apart.
        kind: What the steps of its calls begin with.
        nonce: Code for a step.
        prompts: The templates.

    Raises:
        AgentError: as ``agents.judging.referee.judge``.
    """
    fixed = {"temperature": referee.temperature, "max_tokens": referee.max_tokens}
    heard: dict[str, str] = {}

    async def ask(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
        with tries.failure_of("referee", agent, name):
            reply = await ask_journaled(agent, messages, f"{kind}:{name}:{step}", fixed, form=form)
        heard[agent] = reply.text
        return reply

    verdict = await judge(
        ask,
        candidate=left,
        base=right,
        referees=judges,
        prompt=referee.prompt,
        orders=orders,
        nonce=lambda step: nonce(f"{name}:{step}"),
        prompts=prompts,
    )
    for vote in verdict.votes:
        if vote.readable:
            tries.worked("referee", vote.referee, name)
        else:
            tries.unreadable(vote.referee, name, heard.get(vote.referee, ""))
    return verdict

"""Vectors of texts of a seed, by which a memory bank finds what is near to them: made here, or asked of an agent."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from star_agents.agents.client import AgentClient, Embedded
from star_agents.bench.paid_calls import PaidCalls
from star_agents.bench.tries import SeedTries
from star_agents.errors import AgentError, BudgetExhausted
from star_agents.records import Document, Message, Reply, Sample, Seed
from star_agents.scheduling.memory import Vector, as_vector, is_comparable, vector_from_bytes

Embed = Callable[[str], Awaitable[Vector | None]]


class SeedVectors:
    """The vectors of one seed, each made once.

    Args:
        seed: Whose.
        embed: Makes it, or names the agent that does; ``None`` where the memory bank is off.
        embedder: Its name in agents.yaml.
        client: Asks an agent.
        calls: The seed's calls, through the journal.
        tries: Where is noted that no vector could be had.
    """

    def __init__(
        self,
        seed: Seed,
        embed: Embed | str | None,
        embedder: str,
        client: AgentClient,
        calls: PaidCalls,
        tries: SeedTries,
    ) -> None:
        self._seed, self._embed, self._embedder = seed, embed, embedder
        self._client, self._calls, self._tries = client, calls, tries
        self._made: dict[str, Vector | None] = {}

    async def of_seed(self) -> Vector | None:
        """That of the seed's own text (``of``)."""
        return await self.of(text_to_embed(self._seed.content))

    async def of(self, text: str) -> Vector | None:
        """A unit vector; ``None`` where the memory bank is off, or has to do without this seed because no vector could
        be had, be it for an outage: a seed is worth more than what the bank would have said.

        Raises:
            BudgetExhausted: of everybody.
        """
        if text not in self._made and self._embed is not None:
            self._made[text] = await self._make(self._embed, text)
        return self._made.get(text)

    def made(self, text: str) -> Vector | None:
        """That of a text of which one was made."""
        return self._made.get(text)

    async def _make(self, embed: Embed | str, text: str) -> Vector | None:
        if isinstance(embed, str):
            try:
                with self._tries.failure_of("embedder", embed, text):
                    return self._checked(await self._ask(embed, text), text)
            except BudgetExhausted as error:
                if error.agent is None:
                    raise
            except AgentError as error:
                # Nobody waits for it, so an outage is a failure like any other here.
                self._tries.failed("embedder", embed, text, error.what, error.said or str(error))
            return None
        return self._checked(await embed(text), text)

    def _checked(self, vector: Vector | None, text: str) -> Vector | None:
        """The vector, where there is one that others can be compared with: that of a text which could not be embedded
        is 0 of some embedders and no numbers of others, and must not enter the bank."""
        name = self._embedder.removeprefix("agent:")
        if vector is None or not is_comparable(vector):
            self._tries.failed("embedder", name, text, "the text could not be embedded", "")
            return None
        self._tries.worked("embedder", name, text)
        return vector

    async def _ask(self, agent: str, text: str) -> Vector:
        """One journaled call to an embedding model; the journal keeps the vector as its bytes in base64."""
        parameters = self._client.parameters(agent, temperature=None, max_tokens=None)
        bound = self._client.worst_case(agent, [Message(role="user", content=text)], 0)

        def read(embedded: Embedded) -> list[Reply]:
            return [
                Reply(
                    text=base64.b64encode(as_vector(embedded.vectors[0]).tobytes()).decode(),
                    finish_reason="stop",
                    agent=agent,
                    model=embedded.model,
                    prompt_tokens=embedded.prompt_tokens,
                    cost_usd=embedded.cost_usd,
                    deployment=embedded.deployment,
                )
            ]

        intents = self._calls.intents(agent, "embed", [text], parameters, bound, 1)
        (reply,) = await self._calls.replies(intents, lambda _: self._client.admit_embedding(agent, [text]), read)
        return vector_from_bytes(base64.b64decode(reply.text))


def text_to_embed(content: Sample | Document) -> str:
    """The text by which a seed is near to another."""
    return content.text if isinstance(content, Document) else content.question

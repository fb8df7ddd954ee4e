"""The rooms joined behind what a recipe may ask for.

Whatever costs money goes through the journal (``paid_calls.py``): a seed that is worked on again finds its draw and its
answers in the store and pays for nothing twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from star_agents.agents.client import AgentClient, Embedded
from star_agents.agents.judging.referee import judge
from star_agents.agents.prompts import Prompts
from star_agents.agents.replies.reading import why_unusable
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.bench.paid_calls import PaidCalls
from star_agents.bench.tries import SeedTries
from star_agents.config.models import Config
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable, BudgetExhausted
from star_agents.events import PairsDrawn
from star_agents.failures import FLAWS, Tried
from star_agents.observe.bus import Bus
from star_agents.process.crash_points import crash_point
from star_agents.records import (
    KEEP,
    SEED,
    AgentPair,
    Candidate,
    Draw,
    Message,
    Reply,
    Sample,
    Score,
    Seed,
    Verdict,
)
from star_agents.scheduling.memory import Vector, as_vector, vector_from_bytes
from star_agents.scoring.scorer import Scorer
from star_agents.storage.store import Store

Embed = Callable[[str], Awaitable[Vector | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rooms:
    """What a bench works with, as of one revision of the config."""

    config: Config
    revision: int
    store: Store
    client: AgentClient
    prompts: Prompts
    jury: tuple[str, ...]
    """The referees that may judge: those of the config that passed their exam."""
    have_voted: set[str]
    """Referees that have answered under this config: where one fails now, it may be for what it was shown."""
    scorer: Scorer | None
    embed: Embed | str | None
    """Makes the vector of a seed's instruction, or names the agent that does; ``None`` where the memory bank is off."""
    draw: Callable[[Seed, Vector | None], Draw]
    salt: bytes
    """Secret of this store; makes the referee's codes unguessable, yet the same on a second run."""
    bus: Bus
    clock: Callable[[], float]
    """Monotonic seconds."""


class SeedBench:
    """The workbench of one seed; see `recipes.workbench.Workbench`.

    Args:
        seed: Who is worked.
        rooms: With what.
        is_last_try: The seed was put back too often: referees that are down for it are not waited for once more.
    """

    def __init__(self, seed: Seed, rooms: Rooms, *, is_last_try: bool = False) -> None:
        self.seed = seed
        self._is_last_try = is_last_try
        self._rooms = rooms
        self._began = rooms.clock()
        self._calls = PaidCalls(seed.id, rooms.revision, rooms.store, rooms.bus, rooms.clock)
        self._tries = SeedTries()
        self._embedding: Vector | None = None
        self._embedded = False

    @property
    def revision(self) -> int:
        """Config revision that this seed is worked under."""
        return self._rooms.revision

    @property
    def cost_usd(self) -> float | None:
        """What this seed's calls cost so far, those answered from the journal included; ``None`` if any is unknown."""
        return self._calls.cost_usd

    @property
    def tried(self) -> tuple[Tried, ...]:
        """What was asked for this seed so far, and what of it failed."""
        return self._tries.tried

    @property
    def seconds(self) -> float:
        """How long the seed has been at this bench."""
        return self._rooms.clock() - self._began

    async def embedding(self) -> Vector | None:
        """Unit vector of the seed's instruction; ``None`` where the memory bank is off, or has to do without this seed
        because no vector could be had, be it for an outage: a seed is worth more than what the bank would have said.

        Raises:
            BudgetExhausted: of everybody.
        """
        embed = self._rooms.embed
        if not self._embedded and embed is not None:
            self._embedding = await self._embed(embed, self.seed.sample.question)
        self._embedded = True
        return self._embedding

    async def _embed(self, embed: Embed | str, text: str) -> Vector | None:
        if isinstance(embed, str):
            try:
                with self._tries.call("embedder", embed, text):
                    return await self._ask_for_vector(embed, text)
            except BudgetExhausted as error:
                if error.agent is None:
                    raise
            except AgentError as error:
                # Nobody waits for it, so an outage is a failure like any other here.
                self._tries.failed("embedder", embed, text, error.what, error.said or str(error))
            return None
        vector, name = await embed(text), self._rooms.config.embedder
        if vector is None:
            self._tries.failed("embedder", name, text, "the text could not be embedded", "")
        else:
            self._tries.worked("embedder", name, text)
        return vector

    async def draw(self) -> Draw:
        """Base pairs and drawn pairs; drawn once and recorded before anybody is asked.

        A recorded draw that cannot be worked, because agents.yaml no longer has one of its pairs, or because all its
        agents are down or out of money while others are not, is followed by another one, recorded as well.
        """
        store, number, draw = self._rooms.store, 0, None
        while (recorded := await store.find_step(self.seed.id, _draw_step(number))) is not None:
            draw, number = Draw.from_dict(recorded), number + 1
        if draw is None:
            # A draw is recorded before anybody is asked: without one there is nothing to look up.
            self._calls.expect_nothing_recorded()
        if draw is None or not self._is_workable(draw):
            drawn = self._rooms.draw(self.seed, await self.embedding())
            draw = Draw.from_dict(await store.record_step(self.seed.id, _draw_step(number), drawn.to_dict()))
            crash_point("draw_recorded")
            pairs = tuple(pair.name for pair in draw.sampled)
            self._rooms.bus.publish(PairsDrawn(seed_id=self.seed.id, pairs=pairs, from_memory=draw.from_memory))
        return draw

    async def ask(self, agent: str, messages: Sequence[Message], *, step: str) -> Reply:
        """One journaled call with the agent's own parameters."""
        with self._tries.call("agent", agent, (step, tuple(messages))):
            return await self._ask(agent, messages, step, {})

    async def ask_many(self, agent: str, messages: Sequence[Message], count: int, *, step: str) -> list[Reply]:
        """``count`` answers to one prompt: in one request where the provider does that, each journaled by itself."""
        with self._tries.call("agent", agent, (step, tuple(messages), count)):
            return await self._ask_many(agent, messages, step, {}, count)

    async def write(self, pair: AgentPair, *, is_base: bool) -> Candidate:
        """Let a pair write (Eq. 2). One rewrite per instruction agent serves every pair that shares it.

        What a tool gave is kept as it is: a rewrite would be an invention of facts.
        """
        candidate = Candidate(pair=pair, is_base=is_base, sample=self.seed.sample)
        try:
            if pair.instruction != KEEP and not self.seed.sample.answers_a_tool:
                candidate = await self._rewrite_instruction(candidate)
            return candidate if candidate.failure else await self._write_response(candidate)
        except BudgetExhausted as error:
            # Without the base the seed cannot end well, and a spent total stops everybody; one spent agent is one less.
            if is_base or error.agent is None:
                raise
            return replace(candidate, failure=f"budget: {error}")
        except AgentError as error:
            failure = f"{'down' if self._is_outage(pair, error) else 'call'}: {error}"
            # What may have been billed without an answer has a cost that nobody knows.
            cost_usd = candidate.cost_usd if error.certainly_unpaid else None
            return replace(candidate, failure=failure, cost_usd=cost_usd)

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """IFD of each sample with both models."""
        if self._rooms.scorer is None:
            raise RuntimeError("this line was built without a scorer; the selection must not ask for scores")
        scores = await self._rooms.scorer.score(samples)
        for sample, score in zip(samples, scores, strict=True):
            if score.reason:
                self._tries.refused(sample, score.reason)
            else:
                self._tries.worked("scorer", "", sample)
        return scores

    async def judge(self, candidate: Sample, base: Sample, *, name: str) -> Verdict:
        """The referees' verdict, each call journaled.

        Where all referees fail on what they are shown, that is no verdict on this candidate and no more: a text that a
        provider cannot bear must not take the seed's other candidates with it.
        """
        try:
            verdict = await self._ask_referees(candidate, base, name)
        except AgentError as error:
            if not self._may_lie_in_the_text(error):
                raise
            return Verdict(value=None, failure=f"{error.part}: {error}")
        for vote in verdict.votes:
            self._rooms.have_voted.add(vote.referee)
            if vote.readable:
                self._tries.worked("referee", vote.referee, name)
        return verdict

    @property
    def referees_answer(self) -> bool:
        """Whether a referee has answered under this config: where they fail now, it may be for one text."""
        return not self._rooms.have_voted.isdisjoint(self._rooms.jury)

    def _may_lie_in_the_text(self, error: AgentError) -> bool:
        """Whether a failure of all referees may be for what they were shown."""
        if isinstance(error, BudgetExhausted):
            return False
        is_down = bool(set(self._rooms.jury) & self._rooms.client.down())
        if isinstance(error, (AgentUnavailable, AgentRateLimited)) and (error.is_outage or is_down):
            return self._is_last_try
        return error.may_lie_in_the_text

    async def _ask_referees(self, candidate: Sample, base: Sample, name: str) -> Verdict:
        referee = self._rooms.config.referee
        fixed = {"temperature": referee.temperature, "max_tokens": referee.max_tokens}
        heard: dict[str, str] = {}

        async def ask(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
            with self._tries.failure_of("referee", agent, name):
                reply = await self._ask(agent, messages, f"judge:{name}:{step}", fixed, form=form)
            heard[agent] = reply.text
            return reply

        verdict = await judge(
            ask,
            candidate=candidate,
            base=base,
            referees=self._rooms.jury,
            prompt=referee.prompt,
            orders=referee.orders,
            nonce=lambda step: self._nonce(f"{name}:{step}"),
            prompts=self._rooms.prompts,
        )
        for vote in verdict.votes:
            if not vote.readable:
                self._tries.unreadable(vote.referee, name, heard.get(vote.referee, ""))
        return verdict

    def _is_outage(self, pair: AgentPair, error: AgentError) -> bool:
        """Whether an agent was down, or rejecting, altogether: then neither the pair nor the seed is at fault."""
        is_down = bool({pair.instruction, pair.response} & self._rooms.client.down())
        return isinstance(error, (AgentUnavailable, AgentRateLimited)) and (error.is_outage or is_down)

    def _is_workable(self, draw: Draw) -> bool:
        config, unavailable = self._rooms.config, self._rooms.client.unavailable()

        def any_available(pairs: Sequence[AgentPair]) -> bool:
            return any(not {pair.instruction, pair.response} & unavailable for pair in pairs)

        if not (set(draw.base) <= set(config.base) and set(draw.sampled) <= set(config.pool)):
            return False
        return not draw.sampled or any_available(draw.sampled) or not any_available(config.pool)

    async def _rewrite_instruction(self, candidate: Candidate) -> Candidate:
        agent = candidate.pair.instruction
        messages = self._rooms.prompts.rewrite(candidate.sample)
        reply, flaw = await self._write(agent, messages, "rewrite", "instruction", is_base=candidate.is_base)
        return replace(
            candidate,
            sample=replace(candidate.sample, instruction=reply.text.strip() or candidate.sample.instruction),
            failure=flaw,
            models={"instruction": reply.model},
            prompts=(self._rooms.prompts.version("rewrite"),),
            cost_usd=reply.cost_usd,
        )

    async def _write_response(self, candidate: Candidate) -> Candidate:
        if candidate.pair.response == SEED:
            has_response = bool((self.seed.sample.response or "").strip())
            return replace(candidate, failure="" if has_response else "empty: the seed has no response")
        reference = self.seed.sample.response if self._rooms.config.show_reference else None
        messages = self._rooms.prompts.respond(replace(candidate.sample, response=None), reference)
        agent, is_base = candidate.pair.response, candidate.is_base
        reply, flaw = await self._write(agent, messages, "respond", "response", is_base=is_base)
        known = candidate.cost_usd is not None and reply.cost_usd is not None
        return replace(
            candidate,
            sample=replace(candidate.sample, response=reply.text.strip()),
            failure=flaw,
            reasoning=reply.reasoning,
            models={**candidate.models, "response": reply.model},
            prompts=(*candidate.prompts, self._rooms.prompts.version("respond")),
            cost_usd=(candidate.cost_usd or 0.0) + (reply.cost_usd or 0.0) if known else None,
        )

    async def _write(
        self, agent: str, messages: Sequence[Message], step: str, what: str, *, is_base: bool
    ) -> tuple[Reply, str]:
        """A reply, and why it cannot be used; empty where it can."""
        key = (step, tuple(messages))
        with self._tries.call("agent", agent, key):
            reply = await self._ask(agent, messages, step, {}, is_dispensable=not is_base)
        flaw = self._flaw(reply, what)
        if flaw:
            kind, _, detail = flaw.partition(": ")
            self._tries.failed("agent", agent, key, FLAWS.get(kind, kind), detail)
        return reply, flaw

    def _flaw(self, reply: Reply, what: str) -> str:
        agent = self._rooms.config.agents.get(reply.agent)
        return why_unusable(reply, what, allow_cut=agent is not None and agent.allow_cut)

    def _nonce(self, step: str) -> str:
        return hmac.new(self._rooms.salt, f"{self.seed.id}:{step}".encode(), hashlib.sha256).hexdigest()[:16]

    async def _ask(
        self,
        agent: str,
        messages: Sequence[Message],
        step: str,
        overrides: dict[str, Any],
        *,
        form: ReplyForm | None = None,
        is_dispensable: bool = False,
    ) -> Reply:
        replies = await self._ask_many(agent, messages, step, overrides, 1, form=form, is_dispensable=is_dispensable)
        return replies[0]

    async def _ask_many(
        self,
        agent: str,
        messages: Sequence[Message],
        step: str,
        overrides: dict[str, Any],
        count: int,
        *,
        form: ReplyForm | None = None,
        is_dispensable: bool = False,
    ) -> list[Reply]:
        replies = await self._calls.ask_many(
            self._rooms.client, agent, messages, step, overrides, count, form=form, is_dispensable=is_dispensable
        )
        for number, reply in enumerate(replies):
            self._tries.counted(agent, (step, tuple(messages), number), reply.usage_doubt)
        return replies

    async def _ask_for_vector(self, agent: str, text: str) -> Vector:
        """One journaled call to an embedding model; the journal keeps the vector as its bytes in base64."""
        client = self._rooms.client
        parameters = client.parameters(agent, temperature=None, max_tokens=None)
        bound = client.worst_case(agent, [Message(role="user", content=text)], 0)

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
        (reply,) = await self._calls.replies(intents, lambda _: client.admit_embedding(agent, [text]), read)
        return vector_from_bytes(base64.b64decode(reply.text))


def _draw_step(number: int) -> str:
    return f"draw:{number}" if number else "draw"

"""The rooms joined behind what a recipe may ask for. Journaling happens here, once.

Order of every paid call: intent durable, send, answer durable, use. A seed that is worked on again finds its draw and
its answers in the store and pays for nothing twice; only a call in flight at a kill may be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio

from star_agents.agents.client import AgentClient
from star_agents.agents.prompts import Prompts
from star_agents.agents.referee import judge
from star_agents.bus import Bus
from star_agents.config import Config
from star_agents.errors import AgentError, AgentUnavailable, BudgetExhausted
from star_agents.events import CallAnswered, CallFailed
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
    digest,
)
from star_agents.scheduling.memory import Vector
from star_agents.scoring.scorer import Scorer
from star_agents.storage.rows import Intent
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
    scorer: Scorer | None
    embed: Embed | None
    """Vector of a seed's instruction; ``None`` where the memory bank is off."""
    draw: Callable[[Seed, Vector | None], Draw]
    salt: bytes
    """Secret of this store; makes the referee's codes unguessable, yet the same on a second run."""
    bus: Bus
    clock: Callable[[], float]
    """Monotonic seconds."""


class SeedBench:
    """The workbench of one seed; see `recipes.workbench.Workbench`."""

    def __init__(self, seed: Seed, rooms: Rooms) -> None:
        self.seed = seed
        self._rooms = rooms
        self._asking: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._costs: dict[str, float | None] = {}
        self._embedding: Vector | None = None

    @property
    def revision(self) -> int:
        """Config revision that this seed is worked under."""
        return self._rooms.revision

    @property
    def cost_usd(self) -> float | None:
        """What this seed's calls cost so far, those answered from the journal included; ``None`` if any is unknown."""
        costs = [cost for cost in self._costs.values() if cost is not None]
        return sum(costs) if len(costs) == len(self._costs) else None

    async def embedding(self) -> Vector | None:
        """Unit vector of the seed's instruction, or ``None`` where the memory bank is off."""
        if self._embedding is None and self._rooms.embed is not None:
            self._embedding = await self._rooms.embed(self.seed.sample.question)
        return self._embedding

    async def draw(self) -> Draw:
        """Base pairs and drawn pairs; drawn once and recorded before anybody is asked.

        A recorded draw that cannot be worked, because agents.yaml no longer has one of its pairs or all its agents are
        down while others are up, is followed by another one, recorded as well.
        """
        store, number, draw = self._rooms.store, 0, None
        while (recorded := await store.find_step(self.seed.id, _draw_step(number))) is not None:
            draw, number = Draw.from_dict(recorded), number + 1
        if draw is None or not self._is_workable(draw):
            drawn = self._rooms.draw(self.seed, await self.embedding())
            draw = Draw.from_dict(await store.record_step(self.seed.id, _draw_step(number), drawn.to_dict()))
        return draw

    async def ask(self, agent: str, messages: Sequence[Message], *, step: str) -> Reply:
        """One journaled call with the agent's own parameters."""
        return await self._ask(agent, messages, step, {})

    async def ask_many(self, agent: str, messages: Sequence[Message], count: int, *, step: str) -> list[Reply]:
        """``count`` answers to one prompt: in one request where the provider does that, each journaled by itself."""
        return await self._ask_many(agent, messages, step, {}, count)

    async def write(self, pair: AgentPair, *, is_base: bool) -> Candidate:
        """Let a pair write (Eq. 2). One rewrite per instruction agent serves every pair that shares it."""
        candidate = Candidate(pair=pair, is_base=is_base, sample=self.seed.sample)
        try:
            if pair.instruction != KEEP:
                candidate = await self._rewrite_instruction(candidate)
            return candidate if candidate.failure else await self._write_response(candidate)
        except BudgetExhausted as error:
            # Without the base the seed cannot end well, and a spent total stops everybody; one spent agent is one less.
            if is_base or error.agent is None:
                raise
            return replace(candidate, failure=f"budget: {error}")
        except AgentError as error:
            return replace(candidate, failure=f"{'down' if self._is_outage(pair, error) else 'call'}: {error}")

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """IFD of each sample with both models."""
        if self._rooms.scorer is None:
            raise RuntimeError("this line was built without a scorer; the selection must not ask for scores")
        return await self._rooms.scorer.score(samples)

    async def judge(self, candidate: Sample, base: Sample, *, name: str) -> Verdict:
        """The referees' verdict, each call journaled."""
        referee = self._rooms.config.referee
        fixed = {"temperature": 0.0, "max_tokens": referee.max_tokens}

        async def ask(agent: str, step: str, messages: Sequence[Message]) -> Reply:
            return await self._ask(agent, messages, f"judge:{name}:{step}", fixed)

        return await judge(
            ask,
            candidate=candidate,
            base=base,
            referees=referee.agents,
            prompt=referee.prompt,
            orders=referee.orders,
            nonce=lambda step: self._nonce(f"{name}:{step}"),
            prompts=self._rooms.prompts,
        )

    def _is_outage(self, pair: AgentPair, error: AgentError) -> bool:
        """Whether an agent was down altogether: then neither the pair nor the seed is at fault."""
        is_down = bool({pair.instruction, pair.response} & self._rooms.client.down())
        return isinstance(error, AgentUnavailable) and (error.is_outage or is_down)

    def _is_workable(self, draw: Draw) -> bool:
        config, down = self._rooms.config, self._rooms.client.down()

        def any_up(pairs: Sequence[AgentPair]) -> bool:
            return any(not {pair.instruction, pair.response} & down for pair in pairs)

        is_configured = set(draw.base) <= set(config.base) and set(draw.sampled) <= set(config.pool)
        return is_configured and (not draw.sampled or any_up(draw.sampled) or not any_up(config.pool))

    async def _rewrite_instruction(self, candidate: Candidate) -> Candidate:
        agent = candidate.pair.instruction
        reply = await self._ask(agent, self._rooms.prompts.rewrite(candidate.sample), "rewrite", {})
        return replace(
            candidate,
            sample=replace(candidate.sample, instruction=reply.text.strip() or candidate.sample.instruction),
            failure=self._flaw(reply, "instruction"),
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
        reply = await self._ask(candidate.pair.response, messages, "respond", {})
        known = candidate.cost_usd is not None and reply.cost_usd is not None
        return replace(
            candidate,
            sample=replace(candidate.sample, response=reply.text.strip()),
            failure=self._flaw(reply, "response"),
            models={**candidate.models, "response": reply.model},
            prompts=(*candidate.prompts, self._rooms.prompts.version("respond")),
            cost_usd=(candidate.cost_usd or 0.0) + (reply.cost_usd or 0.0) if known else None,
        )

    def _flaw(self, reply: Reply, what: str) -> str:
        """Why a reply cannot be used; IFD could not tell, so it is decided here."""
        if not reply.text.strip():
            return f"empty: {reply.agent} wrote no {what} (finish_reason {reply.finish_reason})"
        allowed = (
            self._rooms.config.agents[reply.agent].allow_cut if reply.agent in self._rooms.config.agents else False
        )
        if reply.finish_reason == "length" and not allowed:
            return f"length: the {what} of {reply.agent} was cut after {reply.completion_tokens} tokens"
        return ""

    def _nonce(self, step: str) -> str:
        return hmac.new(self._rooms.salt, f"{self.seed.id}:{step}".encode(), hashlib.sha256).hexdigest()[:16]

    async def _ask(self, agent: str, messages: Sequence[Message], step: str, overrides: dict[str, Any]) -> Reply:
        return (await self._ask_many(agent, messages, step, overrides, 1))[0]

    async def _ask_many(
        self, agent: str, messages: Sequence[Message], step: str, overrides: dict[str, Any], count: int
    ) -> list[Reply]:
        """Replies from the journal as far as it has them, the rest in one request; what that left out, one by one."""
        intents = self._intents(agent, messages, step, overrides, count)
        async with self._asking[intents[0].key]:
            found = await self._rooms.store.begin_calls(intents)
            replies = {intent.key: reply for intent, reply in zip(intents, found, strict=True) if reply is not None}
            for reply in replies.values():
                self._publish_answer(reply, step, 0.0, from_journal=True)
            while missing := [intent for intent in intents if intent.key not in replies]:
                replies |= await self._send(missing, messages, overrides)
                if unsent := [intent for intent in missing if intent.key not in replies]:
                    await self._rooms.store.begin_calls(unsent)
        self._costs |= {key: reply.cost_usd for key, reply in replies.items()}
        return [replies[intent.key] for intent in intents]

    def _intents(
        self, agent: str, messages: Sequence[Message], step: str, overrides: dict[str, Any], count: int
    ) -> list[Intent]:
        rooms = self._rooms
        parameters = rooms.client.parameters(agent, **overrides)
        reserved = rooms.client.worst_case_usd(agent, messages, parameters.get("max_tokens"))
        told = [self.seed.id, step, agent, [message.to_dict() for message in messages], parameters]
        return [
            Intent(
                key=digest([*told, number] if number else told),
                seed_id=self.seed.id,
                step=step,
                agent=agent,
                revision=rooms.revision,
                parameters=parameters,
                reserved_usd=reserved,
            )
            for number in range(count)
        ]

    async def _send(
        self, intents: Sequence[Intent], messages: Sequence[Message], overrides: dict[str, Any]
    ) -> dict[str, Reply]:
        """Send one request for all of these; the intents that it brought no reply for are taken back."""
        rooms, agent, step = self._rooms, intents[0].agent, intents[0].step
        keys = [intent.key for intent in intents]
        started = rooms.clock()
        try:
            replies = await rooms.client.ask_many(agent, messages, len(keys), **overrides)
        except AgentError as error:
            if error.certainly_unpaid:
                await rooms.store.withdraw(keys)
            seconds = rooms.clock() - started
            rooms.bus.publish(
                CallFailed(seed_id=self.seed.id, step=step, agent=agent, seconds=seconds, error=str(error))
            )
            raise
        answered = dict(zip(keys, replies, strict=False))
        # The answers are paid for: they are recorded even if this seed is being cancelled.
        with anyio.CancelScope(shield=True):
            await rooms.store.record_answers(list(answered.items()))
            if len(answered) < len(keys):
                await rooms.store.withdraw(keys[len(answered) :])
        for reply in replies:
            self._publish_answer(reply, step, rooms.clock() - started, from_journal=False)
        return answered

    def _publish_answer(self, reply: Reply, step: str, seconds: float, *, from_journal: bool) -> None:
        self._rooms.bus.publish(
            CallAnswered(
                seed_id=self.seed.id,
                step=step,
                agent=reply.agent,
                model=reply.model,
                seconds=seconds,
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
                cost_usd=reply.cost_usd,
                from_journal=from_journal,
            )
        )


def _draw_step(number: int) -> str:
    return f"draw:{number}" if number else "draw"

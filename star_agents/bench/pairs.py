"""The bench of the Star recipe: agent-pairs are drawn, write, and are judged against the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from star_agents.bench.bench import Bench
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable, BudgetExhausted, RecipeError
from star_agents.events import PairsDrawn
from star_agents.process.crash_points import crash_point
from star_agents.recipes.star_records import Candidate
from star_agents.records import KEEP, PAIRS, SEED, AgentPair, Draw, Failure, Message, Reply, Sample, Verdict
from star_agents.records.failures import FLAWS
from star_agents.scheduling.scheduler import Scheduler


class PairBench(Bench):
    """The workbench of one seed whose recipe draws agent-pairs; see ``recipes.pair_workbench.PairWorkbench``."""

    _asked_last: tuple[Sample, tuple[Message, ...]] | None = None
    """A sample, and what is asked for a response to it."""

    async def draw_pairs(self) -> Draw:
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
            drawn = self._pairs.draw(self.seed, await self.embedding(), self._rooms.client.unavailable())
            draw = Draw.from_dict(await store.record_step(self.seed.id, _draw_step(number), drawn.to_dict()))
            crash_point("draw_recorded")
            pairs = tuple(pair.name for pair in draw.sampled)
            self._rooms.bus.publish(PairsDrawn(seed_id=self.seed.id, pairs=pairs, from_memory=draw.from_memory))
        self._drawn = [(PAIRS, pair.name) for pair in draw.sampled]
        self.recalled = draw.from_memory
        return draw

    @property
    def _pairs(self) -> Scheduler:
        pool = self._rooms.own_pool
        if not isinstance(pool, Scheduler):
            raise RecipeError(f"recipe {self.stage.recipe.name} draws agent-pairs, and its line has no pool of them")
        return pool

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
            return replace(candidate, failure=Failure(kind="budget", detail=str(error)))
        except AgentError as error:
            failure = Failure(kind="down" if self._is_outage(pair, error) else "call", detail=str(error))
            # What may have been billed without an answer has a cost that nobody knows.
            cost_usd = candidate.cost_usd if error.certainly_unpaid else None
            return replace(candidate, failure=failure, cost_usd=cost_usd)

    async def judge(self, candidate: Sample, base: Sample, *, name: str) -> Verdict:
        """The referees' verdict, each call journaled.

        Where all referees fail on what they are shown, that is no verdict on this candidate and no more: a text that a
        provider cannot bear must not take the seed's other candidates with it.
        """
        try:
            orders = self._rooms.config.star.referee.orders
            verdict = await self._hear_judges(candidate, base, self._rooms.jury, orders=orders, name=name, kind="judge")
        except AgentError as error:
            if not self._may_lie_in_the_text(error):
                raise
            return Verdict(value=None, failure=f"{error.part}: {error}")
        self._rooms.have_voted.update(vote.referee for vote in verdict.votes)
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
            return replace(
                candidate, failure=None if has_response else Failure(kind="empty", detail="the seed has no response")
            )
        messages = self._asked_for(candidate.sample)
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

    def _asked_for(self, sample: Sample) -> tuple[Message, ...]:
        """What a response agent sees; made once for all pairs that keep the seed's own instruction."""
        if self._asked_last is None or self._asked_last[0] is not sample:
            reference = self.seed.sample.response if self._rooms.config.star.show_reference else None
            messages = self._rooms.prompts.respond(replace(sample, response=None), reference)
            self._asked_last = sample, tuple(messages)
        return self._asked_last[1]

    async def _write(
        self, agent: str, messages: Sequence[Message], step: str, what: str, *, is_base: bool
    ) -> tuple[Reply, Failure | None]:
        """A reply, and why it cannot be used; ``None`` where it can."""
        key = (step, tuple(messages))
        with self.tries.call("agent", agent, key):
            reply = await self._ask(agent, messages, step, {}, is_dispensable=not is_base)
        flaw = self._flaw(reply, what)
        if flaw is not None:
            self.tries.failed("agent", agent, key, FLAWS[flaw.kind], flaw.detail)
        return reply, flaw


def _draw_step(number: int) -> str:
    return f"draw:{number}" if number else "draw"

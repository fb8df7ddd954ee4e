"""The rooms joined behind what a recipe may ask for.

Whatever costs money goes through the journal (``paid_calls.py``): a seed that is worked on again finds its draw and its
answers in the store and pays for nothing twice.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar

from star_agents.agents.replies.reading import why_unusable
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.bench.gathering import gather
from star_agents.bench.judging import hear_judges
from star_agents.bench.measuring import measured_by
from star_agents.bench.paid_calls import PaidCalls
from star_agents.bench.rooms import Rooms
from star_agents.bench.screening import screening
from star_agents.bench.seed_time import SeedTime
from star_agents.bench.stage import Stage
from star_agents.bench.steps import draw_step, own_step
from star_agents.bench.tool_rounds import ToolRounds
from star_agents.bench.tries import SeedTries
from star_agents.bench.vectors import SeedVectors, text_to_embed
from star_agents.errors import PromptError, RecipeError, ReplyUnreadable
from star_agents.process.crash_points import crash_point
from star_agents.recipes.protocol import TOOL_ROUNDS, Content, Gathered, Plain
from star_agents.recipes.reads import TEXT, Read, Reads, Unreadable
from star_agents.records import (
    Failure,
    Judgement,
    Message,
    Outcome,
    Reply,
    Sample,
    Score,
    Seed,
    Tool,
    Verdict,
    Wording,
)
from star_agents.records.failures import FLAWS, Tried
from star_agents.records.replies import total_usd
from star_agents.records.seeds import kind_of, note_name
from star_agents.scheduling.memory import Vector
from star_agents.scheduling.pools import Near
from star_agents.storage.recollections import NearDraw
from star_agents.text.content_hash import digest
from star_agents.text.prompt import Prompt, messages_of
from star_agents.text.redaction import redactor
from star_agents.tools.names import short_name

T = TypeVar("T")
TRIES_TO_READ = 2
"""A reply that cannot be read is asked for once more, with what is wrong with it."""


class Bench:
    """The workbench of one seed; see `recipes.protocol.Workbench`.

    Args:
        seed: Who is worked.
        stage: By which recipe.
        rooms: With what.
        is_last_try: The seed was put back too often: referees that are down for it are not waited for once more.
    """

    def __init__(self, seed: Seed, stage: Stage, rooms: Rooms, *, is_last_try: bool = False) -> None:
        self.seed = stage.taken(seed)
        self.stage = stage
        self._is_last_try = is_last_try
        self._rooms = rooms
        self._began = rooms.clock()
        self.time = SeedTime(rooms.config.failure_limits.seed_timeout_s)
        """What it may take of its own."""
        journal = seed.id, rooms.revision, rooms.store, rooms.bus, rooms.clock
        self._calls = PaidCalls(*journal, while_sending=self.time.stands_still, batched=rooms.batched)
        self.tries = SeedTries()
        """Notes of what was asked for the seed, and what of it failed."""
        embedder = rooms.config.embedder
        self.vectors = SeedVectors(seed, rooms.embed, embedder, rooms.client, self._calls, self.tries)
        self._draws: Counter[str] = Counter()
        self._asked: dict[tuple[str, str], str] = {}
        self._drawn: list[tuple[str, str]] = []
        self.near: dict[tuple[str, str], NearDraw] = {}
        """By pool and arm, what was near when it was drawn."""
        self.recalled: int | None = None
        """How many of the drawn arms a memory bank proposed; ``None`` where no pool with one was drawn from."""

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
        return self.tries.tried

    @property
    def drawn(self) -> tuple[tuple[str, str], ...]:
        """Pool and arm of every draw so far; a draw that was found recorded is one."""
        return tuple(self._drawn)

    @property
    def seconds(self) -> float:
        """How long the seed has been at this bench."""
        return self._rooms.clock() - self._began

    async def embedding(self) -> Vector | None:
        """Unit vector of the seed's instruction (``vectors``). Raises BudgetExhausted of everybody."""
        return await self.vectors.of_seed()

    async def so_far(self) -> Outcome | None:
        """What came of the seed already, where it is worked once more to add to that."""
        if self._rooms.store.is_new(self.seed.id):
            return None
        row = await self._rooms.store.so_far(self.seed.id)
        return None if row is None else row.outcome

    # What recipes ask for

    async def draw(
        self, pool: str, count: int = 1, *, among: Collection[str] | None = None, near: str | Content | None = None
    ) -> tuple[str, ...]:
        """Distinct arms of one of the recipe's pools; recorded before anybody hears of them."""
        name, number = f"{self.stage.recipe.name}.{pool}", self._draws[pool]
        self._draws[pool] += 1
        text = near if near is None or isinstance(near, str) else text_to_embed(near)
        vector = None if text is None else await self.vectors.of(text)
        memory = self._rooms.config.memory

        def decide() -> Plain:
            key, without = f"{self.seed.id}:draw:{pool}:{number}", self._rooms.client.unavailable()
            asked = None if vector is None else Near(vector, memory.neighbours, memory.draws)
            drawn = self._rooms.pools.draw(name, count, key=key, without=without, among=among, near=asked)
            return list(drawn.arms) if asked is None else {"arms": list(drawn.arms), "recalled": drawn.recalled}

        found = await self._decide_once(draw_step(pool, number), decide)
        if isinstance(found, dict):
            self.recalled = (self.recalled or 0) + int(found["recalled"])
            found = found["arms"]
        arms = tuple(str(arm) for arm in found) if isinstance(found, list) else ()
        self._drawn += [(name, arm) for arm in arms]
        if vector is not None:
            embedder, kept = self._rooms.config.embedder, vector.tobytes()
            self.near |= {(name, arm): NearDraw(pool=name, arm=arm, embedder=embedder, embedding=kept) for arm in arms}
        return arms

    async def once(self, step: str, decide: Callable[[], Plain]) -> Plain:
        """A decision that a second run of the seed finds made."""
        return await self._decide_once(own_step(redactor.known(step), self.stage.recipe.pools), decide)

    async def _decide_once(self, step: str, decide: Callable[[], Plain]) -> Plain:
        async def decided() -> Plain:
            return decide()

        return await self._recorded(step, decided)

    async def _recorded(self, step: str, make: Callable[[], Awaitable[Plain]]) -> Plain:
        store = self._rooms.store
        recorded = await store.find_step(self.seed.id, step)
        if recorded is None:
            with self.time.stands_still():
                made = await make()
            recorded = await store.record_step(self.seed.id, step, {"value": redactor.known_in(made)})
            crash_point("draw_recorded")
        value: Plain = recorded["value"]
        return value

    async def ask(
        self,
        agent: str,
        prompt: str | Prompt | Sequence[Message],
        *,
        step: str,
        reads: Reads[T] = TEXT,  # type: ignore[assignment]  # a default for the case that T is not asked for
        tools: Sequence[str] = (),
        tool_rounds: int = TOOL_ROUNDS,
        **sampling: Any,
    ) -> Read[T]:
        """One journaled call, and its reply as it is read; one that cannot be read is asked for once more."""
        messages, step = messages_of(prompt), redactor.known(step)
        self._check_agents(agent)
        form = None
        if reads.schema is not None and not tools:
            form = ReplyForm(schema=reads.schema, request=reads.request)
        offered = self._rooms.tools.offered(tools, self._rooms.config, self.stage.recipe.name)
        rounds = ToolRounds(step, offered, tool_rounds, self._recorded, self.tries)

        async def turn(told: Sequence[Message], after: str) -> Reply:
            return await self._ask_alone(agent, told, (step, after), sampling, form, rounds.tools)

        for attempt in range(TRIES_TO_READ):
            key = (step, attempt, tuple(messages))
            with self.tries.call("agent", agent, key):
                reply = await rounds.until_text(messages, turn, "repair" if attempt else "")
            flaw = self._what_is_wrong(reply, reads)
            if flaw is None:
                return Read(
                    value=reads.read(reply.text),
                    reply=reply,
                    earlier=tuple(rounds.earlier),
                    trace=tuple(rounds.trace),
                    tool_turns=tuple(rounds.tool_turns),
                    tools=rounds.tools,
                )
            rounds.earlier.append(reply)
            self.tries.failed("agent", agent, key, FLAWS[flaw.kind], flaw.detail)
            if flaw.kind != "format" or attempt + 1 == TRIES_TO_READ:
                cost = total_usd(one.cost_usd for one in rounds.earlier)
                raise ReplyUnreadable(Failure(kind=flaw.kind, detail=f"{step}: {flaw.detail}", cost_usd=cost))
            mend = f"That cannot be used: {flaw.detail}. Reply once more, and mend that."
            messages += [Message(role="assistant", content=reply.text), Message(role="user", content=mend)]
        raise AssertionError("the last try returns or raises")

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that agents.yaml allows."""
        return tuple(map(short_name, self._rooms.config.tools))

    def prompt(self, name: str, /, **values: object) -> Prompt:
        """One of the recipe's templates, rendered."""
        if self.stage.prompts is None:
            raise PromptError(f"recipe {self.stage.recipe.name} has no folder of prompts beside its file")
        return self.stage.prompts.prompt(name, **values)

    async def _ask_alone(
        self,
        agent: str,
        messages: Sequence[Message],
        call: tuple[str, str],
        sampling: dict[str, Any],
        form: ReplyForm | None,
        tools: Sequence[Tool] = (),
    ) -> Reply:
        """The one call of a step and a turn of it. Raises RecipeError where the recipe asks something else under it."""
        step = ":".join(filter(None, call))
        asked = digest([agent, [message.to_dict() for message in messages], sampling])
        if self._asked.setdefault(call, asked) != asked:
            name = self.stage.recipe.name
            raise RecipeError(f"recipe {name} asks two things under step {call[0]!r}; give each call a step of its own")
        replies = await self._calls.ask_many(
            self._rooms.client, agent, messages, step, sampling, 1, form=form, tools=tools, is_only_call_of_step=True
        )
        self.tries.counted(agent, (step, tuple(messages), 0), replies[0].usage_doubt)
        return replies[0]

    def _what_is_wrong(self, reply: Reply, reads: Reads[Any]) -> Failure | None:
        if (flaw := self._flaw(reply, "reply")) is not None:
            return flaw
        try:
            reads.read(reply.text)
        except Unreadable as error:
            return Failure(kind="format", detail=str(error))
        return None

    async def why_refused(self, wordings: Sequence[Wording], *, step: str) -> list[str]:
        """Why each would not be admitted as things stand; empty where it would."""
        look = screening(wordings, self._rooms, self.seed.id)
        found = look and await self._recorded(own_step(redactor.known(step), self.stage.recipe.pools), look)
        return [str(one) for one in found] if isinstance(found, list) else [""] * len(wordings)

    async def measure(self, samples: Sequence[Sample], *, by: str = "ifd") -> list[dict[str, float | None]]:
        """By ``ifd``: IFD of each sample with both models, and their gap; else by a scorer of ``scoring.scorers``.

        Where a scorer refuses a sample there are no measures of it, and its reason is counted.
        """
        if by == "ifd":
            scores = await self.score(samples)
            return [{"ifd_small": one.ifd_small, "ifd_large": one.ifd_large, "gap": one.gap} for one in scores]
        return [{} if isinstance(one, str) else dict(one) for one in await self._measured(samples, by)]

    async def _measured(self, samples: Sequence[Sample], by: str) -> list[dict[str, float] | str]:
        """The same with the reasons, by a scorer beside IFD."""
        config, scorer = self._rooms.config, self._rooms.scorer
        return await measured_by(by, samples, self.stage.recipe.name, config, scorer, self.time, self.tries)

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """IFD of each sample with both models."""
        if self._rooms.scorer is None:
            raise RecipeError(f'recipe {self.stage.recipe.name} measures, and does not declare needs=["scorer"]')
        with self.time.stands_still():
            scores = await self._rooms.scorer.score(samples)
        for sample, score in zip(samples, scores, strict=True):
            if score.reason:
                self.tries.refused(sample, score.reason)
            else:
                self.tries.worked("scorer", "", sample)
        return scores

    async def compare(self, left: Sample, right: Sample, *, judges: Sequence[str], step: str) -> list[Judgement]:
        """What each judge says of two answers, asked in both orders."""
        self._check_agents(*judges)
        verdict = await self._hear_judges(left, right, judges, orders="both", name=redactor.known(step), kind="compare")
        return [
            Judgement(judge=vote.referee, left=0, right=1, value=vote.value, agreed=vote.agreed, readable=vote.readable)
            for vote in verdict.votes
        ]

    async def _hear_judges(
        self,
        left: Sample,
        right: Sample,
        judges: Sequence[str],
        *,
        orders: Literal["both", "one"],
        name: str,
        kind: Literal["compare", "judge"],
    ) -> Verdict:
        """The judges' verdict of left against right, each call journaled and each vote noted under a name."""
        return await hear_judges(
            self._ask,
            self.tries,
            left,
            right,
            judges,
            referee=self._rooms.config.star.referee,
            orders=orders,
            name=name,
            kind=kind,
            nonce=self._nonce,
            prompts=self._rooms.prompts,
        )

    async def gather(self, *jobs: Awaitable[T]) -> Gathered[T]:
        """Jobs side by side. One that fails is a value; an error that puts the seed back waits for its siblings."""
        return await gather(jobs, is_last_try=self._is_last_try)

    @property
    def next_recipe(self) -> str:
        """Who takes children; empty where they become rows of instructions."""
        return self.stage.next

    def child(
        self, content: Content, *, labels: Mapping[str, str] | None = None, notes: Mapping[str, str] | None = None
    ) -> Seed:
        """A seed for the next recipe; without one it becomes a row of instructions."""
        name = self.stage.recipe.name
        named = {f"{name}.{pool}": arm for pool, arm in (labels or {}).items()}
        named |= {note_name(name, note): text for note, text in (notes or {}).items()}
        return self.seed.child(content, recipe=self.stage.next, kind=kind_of(content), labels=named)

    async def ask_many(self, agent: str, messages: Sequence[Message], count: int, *, step: str) -> list[Reply]:
        """``count`` answers to one prompt: in one request where the provider does that, each journaled by itself."""
        with self.tries.call("agent", agent, (step, tuple(messages), count)):
            return await self._ask_many(agent, messages, step, {}, count)

    def _check_agents(self, *agents: str) -> None:
        for agent in agents:
            if agent not in self._rooms.config.agents:
                raise RecipeError(f"recipe {self.stage.recipe.name} asks an agent {agent!r} that is not in agents.yaml")

    def _flaw(self, reply: Reply, what: str) -> Failure | None:
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
            self.tries.counted(agent, (step, tuple(messages), number), reply.usage_doubt)
        return replies

"""Works a store as a line does that works the chain in ``chaos_chain``, without the line; see ``chaos_store_child``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Self

import chaos_chain as chain
from chaos_chain_audit import DEPTH, FED_BACK, STYLE, TONE
from storage_samples import answer_to, intent, make_reply

from star_agents.config.sections import EvolutionConfig
from star_agents.records import Declaration, Document, Measure, Outcome, Reward, Row, Sample, Seed, Trial
from star_agents.scheduling.pools import Pools, PoolStates
from star_agents.storage.ledger import Committed
from star_agents.storage.outcome_groups import ToCommit
from star_agents.storage.store import Store

ARMS = {STYLE: chain.STYLES, DEPTH: chain.DEPTHS, TONE: chain.TONES}
REVISION = json.dumps({"study": {"styles": chain.STYLES}, "evolution": {}})
DECLARED = (
    Declaration(recipe="study", takes=("document",), measures=(Measure("words", high=100),)),
    Declaration(recipe="answer", takes=("instruction",), measures=(Measure("unmeasured", by_label=True),)),
)


class ChainWorker:
    """What a line does with its store. ``tell`` hears what is durable."""

    waits_for_suspects = True

    def __init__(self, store: Store, tell: Callable[[str, str], None], pools: Pools, revision: int) -> None:
        self._store = store
        self._tell = tell
        self._pools = pools
        self._revision = revision
        self._ready: list[ToCommit] = []
        self._settling = asyncio.Lock()

    @classmethod
    async def of(cls, store: Store, tell: Callable[[str, str], None]) -> Self:
        """Go on where the store ended."""
        pools = Pools(EvolutionConfig(), ARMS, fed_back=FED_BACK)
        pools.restore({name: row.state for name, row in (await store.load_pools()).items()})
        revision = await store.add_revision("of the chain", REVISION)
        await store.declare_recipes(DECLARED)
        await store.save_pools(pools.states(), revision)
        return cls(store, tell, pools, revision)

    def seed(self, number: int) -> Seed:
        """A new one."""
        return Seed.of(Document(text=f"text {number}"))

    async def finish(self, seed: Seed) -> None:
        """Decisions, one call, journaled, and the outcome."""
        store = self._store
        pools = [STYLE, DEPTH] if seed.kind == "document" else [TONE]
        drawn = [(pool, await self._draw(seed, pool)) for pool in pools]
        code = await self._once(seed, "once:code", len(seed.id) * 7) if seed.kind == "document" else 0
        if await answer_to(store, seed.id) is None:
            await store.intend([intent(seed.id, seed_id=seed.id)])
            self._tell("sent", seed.id)
            await store.record_answers([(seed.id, make_reply(f"Answer to {seed.id}."))])
            self._tell("answer", seed.id)
        outcome = _studied(seed, drawn[0][1], drawn[1][1], code) if seed.kind == "document" else _answered(seed)
        self._ready.append(self._to_commit(Outcome(**outcome, seed_id=seed.id, drawn=tuple(drawn))))
        async with self._settling:
            group, self._ready = self._ready, []
            for committed in await store.commit_outcomes(group):
                assert isinstance(committed, Committed), committed
                self._pools.learn(committed.pools)
            for one in group:
                self._tell("outcome", one.outcome.seed_id)

    def _to_commit(self, outcome: Outcome) -> ToCommit:
        def learned(completed: Sequence[Reward], after: PoolStates) -> PoolStates:
            return self._pools.foresee([*outcome.earned, *completed], after=after)

        return ToCommit(outcome, learned, memory=None, revision=self._revision)

    async def _draw(self, seed: Seed, pool: str) -> str:
        step = f"once:draw:{pool.partition('.')[2]}:0"
        return str((await self._once(seed, step, list(self._pools.draw(pool, 1, key=seed.id).arms)))[0])

    async def _once(self, seed: Seed, step: str, value: object) -> Any:
        recorded = await self._store.find_step(seed.id, step)
        if recorded is None:
            recorded = await self._store.record_step(seed.id, step, {"value": value})
        return recorded["value"]


def _studied(seed: Seed, style: str, depth: str, code: int) -> dict[str, Any]:
    number = int(seed.document.text.split()[-1])
    samples = [Sample(instruction=one, response="So.") for one in chain.asked(number, style, depth, code)]
    trials = [
        Trial(arm=style, sample=one, measures={"words": words})
        for one, words in zip(samples, chain.words(number), strict=True)
    ]
    found: dict[str, Any] = {
        "recipe": "study",
        "trials": tuple(trials),
        "earned": (Reward(pool=DEPTH, arm=depth, value=chain.depth_earned(number)),),
    }
    if chain.is_dropped(number):
        return {**found, "kind": "dropped", "reason": "every eleventh"}
    children = [
        seed.child(Sample(instruction=one), recipe="answer", kind="instruction", labels={STYLE: style})
        for one in chain.children_of(number, style)
    ]
    rows = [Row(shape="sft", data={"sample": one.to_dict()}) for one in samples]
    return {**found, "kind": "kept", "rows": tuple(rows), "children": tuple(children)}


def _answered(seed: Seed) -> dict[str, Any]:
    instruction = seed.sample.instruction
    if chain.is_answer_dropped(instruction):
        return {"recipe": "answer", "kind": "dropped", "reason": "every seventh"}
    sample = Sample(instruction=instruction, response="So.")
    row = Row(shape="sft", data={"sample": sample.to_dict()})
    return {"recipe": "answer", "kind": "kept", "rows": (row,), "worth": chain.worth_of(instruction)}

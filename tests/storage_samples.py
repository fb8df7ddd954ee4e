"""Seeds and outcomes for the storage tests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from star_outcomes import read_star_outcome

from star_agents.recipes.star_records import Assessed, Candidate, star_outcome
from star_agents.records import (
    PAIRS,
    AgentPair,
    Failure,
    Message,
    Outcome,
    OutcomeKind,
    Reply,
    Sample,
    Score,
    Seed,
    Verdict,
    Vote,
)
from star_agents.storage.ledger import Foresee
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_tallies import ArmTally
from star_agents.storage.rows import Intent, MemoryRow
from star_agents.storage.store import Store
from star_agents.storage.tallies import Tallies

T = TypeVar("T")
BASE = AgentPair(instruction="keep", response="seed")
HISTORY = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="Hello?"),
    Message(role="assistant", content="Hello."),
)


def make_seed(number: int, **fields: Any) -> Seed:
    """A seed with a response; ``fields`` go into its sample."""
    sample = Sample(**{"instruction": f"Question {number}?", "response": f"Answer {number}.", **fields})
    return Seed.of(sample, source=f"seeds.jsonl:{number}", meta={"number": number})


def make_assessed(
    pair: str, sample: Sample, *, is_base: bool = False, pi_llm: float | None = None, failure: str = ""
) -> Assessed:
    """A candidate with a score, and a verdict where ``pi_llm`` is given."""
    verdict = None
    if pi_llm is not None:
        verdict = Verdict(value=pi_llm, votes=(Vote(referee="judge", value=pi_llm, agreed=True),))
    return Assessed(
        candidate=Candidate(
            pair=AgentPair.from_name(pair),
            is_base=is_base,
            sample=sample,
            failure=Failure.read(failure),
            models={"response": "offline/a"},
            prompts=("respond@1:0123abcd",),
            cost_usd=0.25,
        ),
        score=Score(ifd_small=0.9, ifd_large=0.7, response_tokens=12),
        pi_dual=0.5,
        verdict=verdict,
        pi=None if pi_llm is None else 0.5 * pi_llm,
    )


def make_outcome(seed: Seed, **fields: Any) -> Outcome:
    """``keep/a`` beat the base, ``keep/b`` lost to it."""
    answer = Sample(instruction=seed.sample.instruction, input=seed.sample.input, history=seed.sample.history)
    candidates = (
        make_assessed("keep/seed", seed.sample, is_base=True, pi_llm=0.5),
        make_assessed("keep/a", answered(answer, "A good answer."), pi_llm=1.0),
        make_assessed("keep/b", answered(answer, "A bad answer."), pi_llm=0.0),
    )
    rewards = (("keep/a", 0.1 + 0.2), ("keep/b", 0.0))
    given = {"kind": "kept", "candidates": candidates, "chosen": 1, "rewards": rewards, "cost_usd": 0.75, **fields}
    return committed(seed.id, **given)


def tallies_of(drawn: Mapping[str, int], won: Mapping[str, int]) -> Tallies:
    """Tallies of agent-pairs alone."""
    return Tallies(pools={PAIRS: {arm: ArmTally(tried=n, won=won.get(arm, 0)) for arm, n in drawn.items()}})


def make_dropped(seed: Seed, reason: str = "keep/a: length: cut") -> Outcome:
    """Nothing usable."""
    failed = make_assessed("keep/a", seed.sample, failure="length: cut")
    return committed(seed.id, "dropped", (failed,), reason=reason)


def committed(seed_id: str, kind: OutcomeKind, candidates: Sequence[Assessed], **fields: Any) -> Outcome:
    """An outcome of Star as the store gets it: with the pool's whole name, and what was drawn."""
    drawn = tuple((PAIRS, one.candidate.pair.name) for one in candidates if not one.candidate.is_base)
    return star_outcome(seed_id, kind, candidates, pool=PAIRS, drawn=drawn, **fields)


def altered(outcome: Outcome, *candidates: Assessed) -> Outcome:
    """An outcome of Star with other candidates."""
    seen = read_star_outcome(outcome)
    common = {"reason": outcome.reason, "cost_usd": outcome.cost_usd, "tried": outcome.tried}
    return committed(outcome.seed_id, outcome.kind, candidates, chosen=seen.chosen, rewards=seen.rewards, **common)


def answered(sample: Sample, response: str) -> Sample:
    """The sample with another response."""
    return Sample(instruction=sample.instruction, input=sample.input, history=sample.history, response=response)


def make_reply(text: str = "An answer.", **fields: Any) -> Reply:
    """A reply of agent ``a``."""
    given = {"agent": "a", "model": "offline/a", "prompt_tokens": 10, "completion_tokens": 5, "cost_usd": 0.5, **fields}
    return Reply(text=text, finish_reason="stop", **given)


def make_memory(*values: float) -> MemoryRow:
    """A memory row with these components."""
    embedding = struct.pack(f"<{len(values)}f", *values)
    return MemoryRow(arm="keep/a", value=0.3, embedder="small", embedding=embedding)


def intent(key: str, **fields: Any) -> Intent:
    """A call that is about to be made."""
    given = {"seed_id": "s", "step": "write", "agent": "a", "revision": 1, "parameters": {"temperature": 0.7}}
    return Intent(key=key, **{**given, "reserved_usd": 0.5, **fields})


def keeping(state: Mapping[str, Any]) -> Foresee:
    """What a policy keeps after an outcome, whatever it was."""
    return lambda _: {PAIRS: state}


async def answer_to(store: Store, key: str) -> Reply | None:
    """What was answered to one call."""
    return (await store.find_answers([key])).get(key)


def seen(store: Store, question: Callable[[StoreReader], T]) -> T:
    """What somebody sees who reads the store from outside."""
    with StoreReader(store.folder) as reader:
        return question(reader)


async def commit(store: Store, outcome: Outcome, memory: MemoryRow | None = None) -> int:
    """Commit with a policy state that is of no interest."""
    committed = await store.commit_outcome(
        outcome, foresee=keeping({"weights": {"keep/a": 1.0}}), memory=memory, revision=1
    )
    return committed.seq


async def fill_store(folder: Path, *pairs: tuple[Seed, Outcome], selection: str = "dual") -> None:
    """A store of finished seeds, in this order."""
    async with await Store.open(folder) as store:
        await store.add_seeds([seed for seed, _ in pairs])
        await store.save_pools({PAIRS: {"weights": {"keep/a": 0.5, "keep/b": 0.5}}}, 1)
        await store.add_revision("d", f'{{"selection": "{selection}", "evolution": {{"policy": "paper"}}}}')
        await store.lease(len(pairs))
        for _, outcome in pairs:
            await commit(store, outcome)

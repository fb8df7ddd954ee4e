"""Seeds from outside before anything is paid for them: one that admission refuses ends as dropped, with what it has
against it. Children were looked at with the outcome that made them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import anyio

from star_agents.bench.bench import Bench
from star_agents.engine.admission import repeats_earlier, says_the_same
from star_agents.engine.row_checks import AdmissionRules, Checked, look_at_seed, texts_compared
from star_agents.engine.row_judging import judge_rows
from star_agents.engine.settling import Settling
from star_agents.engine.stages import work_seed
from star_agents.records import Outcome, Seed
from star_agents.records.failures import Part
from star_agents.records.findings import Finding
from star_agents.scheduling.memory import Vector
from star_agents.storage.store import Store

_PART: Part = "admission"


async def work_if_admitted(seed: Seed, bench: Bench, settling: Settling, store: Store) -> Outcome:
    """What its recipe makes of a seed that is admitted; of another one an outcome that says why it is not."""
    rules = settling.rules

    async def work() -> Outcome:
        outcome = await judge_rows(await work_seed(seed, bench, settling.pools.arms), seed, bench, rules)
        for text in texts_compared(outcome, seed, rules):
            await bench.vectors.of(text)  # Asked for while the seed can still be put back.
        return outcome

    if seed.parent or not rules.look_at_seeds:
        return await work()
    if bench.stage.recipe.catch_up is not None and await bench.so_far() is not None:
        return await work()
    checked = await anyio.to_thread.run_sync(partial(look_at_seed, seed, rules))
    refusal = next((one for one in checked.findings if one.action == "refused"), None)
    refusal = refusal or await _repetition(seed, store, rules, checked)
    if refusal is None and checked.text and (vector := await bench.vectors.of(checked.text)) is not None:
        async with settling.turn:
            refusal = await _in_other_words(seed, store, rules, vector)
    bench.tries.worked(_PART, "", seed.id)
    if refusal is None:
        outcome = await work()
        _count_reported(seed, bench, checked)
        return replace(outcome, findings=(*checked.findings, *outcome.findings))
    told = refusal.objection
    counted = told.counted
    bench.tries.failed(_PART, "", seed.id, counted.reason, counted.example)
    reported = (one for one in checked.findings if one.action != "refused")
    return Outcome(
        seed_id=seed.id,
        kind="dropped",
        reason=f"admission refused the seed: {told.filter}: {told.reason}",
        recipe=bench.stage.recipe.name,
        findings=(*reported, refusal),
    )


async def _repetition(seed: Seed, store: Store, rules: AdmissionRules, checked: Checked) -> Finding | None:
    """An earlier seed or row that it nearly repeats; where there is none the seed is known from now on."""
    least = rules.duplicates.least_of("seeds")
    if checked.signed is None or least is None:
        return None
    earlier = await store.claim_text(checked.signed.kept, checked.signed.sought, seed.id, least)
    return None if earlier is None else Finding(objection=repeats_earlier(earlier), action="refused", kind="seed")


async def _in_other_words(seed: Seed, store: Store, rules: AdmissionRules, vector: Vector) -> Finding | None:
    """The same by its vector; the caller has the line's turn."""
    objection = says_the_same(rules, vector, seed.id)
    if objection is not None:
        return Finding(objection=objection, action="refused", kind="seed")
    if rules.index is not None:
        rules.index.add(await store.keep_vector(seed.id, rules.index.embedder, vector.tobytes()))
    return None


def _count_reported(seed: Seed, bench: Bench, checked: Checked) -> None:
    for number, one in enumerate(checked.findings):
        counted = one.objection.counted
        bench.tries.failed("reported", "", f"{seed.id} {number}", counted.reason, counted.example)

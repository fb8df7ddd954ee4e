"""What a whole run will take, from the first seeds of it. Pure.

The seeds that were worked are a random sample of those to come. Of each amount (calls, tokens, dollars, seconds) the
mean over the sample's seeds is carried over to the others. The interval holds 95 % of 2,000 bootstrap resamples of
those seeds (Efron 1979, percentile method, widened by √(n / (n - 1))), with the spread of the seeds to come added.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.records import Seed
from star_agents.storage.rows import SeedUsage, usd_or_none
from star_agents.text.content_hash import digest

SAMPLE = 20
"""Seeds that are enough to estimate from."""
RESAMPLES = 2_000
METHOD = "95 % by bootstrap over these seeds"
_TAIL = 0.025


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """One amount over all seeds: those that are done as they are, the others as expected."""

    so_far: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEstimate:
    """What a run over a file takes in all."""

    seeds: int
    done: int
    sample: int
    """Seeds that it was estimated from."""
    calls: Estimate
    prompt_tokens: Estimate
    completion_tokens: Estimate
    usd: Estimate | None
    """US dollars where the price is known; ``None`` where no price is."""
    calls_of_unknown_price: Estimate
    seconds: Estimate | None
    """From now on, at the sample's pace; ``None`` where none of the sample was worked in this run."""


def pick_sample(seeds: Sequence[Seed], random_seed: int, count: int = SAMPLE) -> list[Seed]:
    """So many of the seeds by chance, in their order; the same seeds give the same ones."""
    chosen = heapq.nsmallest(count, seeds, key=lambda seed: digest(["estimate", random_seed, seed.id]))
    picked = {seed.id for seed in chosen}
    return [seed for seed in seeds if seed.id in picked]


def carry_over(values: Sequence[float], to_come: int, so_far: float) -> Estimate:
    """What an amount comes to in all, from what each seed of the sample took."""
    mean = statistics.fmean(values)
    expected = so_far + to_come * mean
    if len(values) < 2 or not to_come:
        return Estimate(so_far=so_far, expected=expected, low=expected, high=expected)
    chance, widened = random.Random(0), math.sqrt(len(values) / (len(values) - 1))
    spread = statistics.stdev(values) * math.sqrt(to_come)
    totals = sorted(
        to_come * (mean + widened * (statistics.fmean(chance.choices(values, k=len(values))) - mean))
        + chance.gauss(0.0, spread)
        for _ in range(RESAMPLES)
    )
    low, high = totals[round(_TAIL * RESAMPLES)], totals[round((1 - _TAIL) * RESAMPLES) - 1]
    return Estimate(so_far=so_far, expected=expected, low=so_far + max(0.0, low), high=so_far + max(0.0, high))


def estimate_run(
    seeds: int, done: Sequence[SeedUsage], sample: Sequence[SeedUsage], seconds: Sequence[float], at_once: int
) -> RunEstimate:
    """Estimate a run.

    Args:
        seeds: All seeds of the file.
        done: What each of those that are done took.
        sample: Of those, what each of the sample took; at least one.
        seconds: How long seeds of the sample were at work in this run.
        at_once: Seeds that were worked at once.
    """
    to_come = seeds - len(done)

    def over(values: Sequence[float], all_done: Sequence[float]) -> Estimate:
        return carry_over(values, to_come, sum(all_done))

    known_usd = usd_or_none(sum(one.usd for one in done), sum(one.unknown for one in done))
    return RunEstimate(
        seeds=seeds,
        done=len(done),
        sample=len(sample),
        calls=over([one.calls for one in sample], [one.calls for one in done]),
        prompt_tokens=over([one.prompt_tokens for one in sample], [one.prompt_tokens for one in done]),
        completion_tokens=over([one.completion_tokens for one in sample], [one.completion_tokens for one in done]),
        usd=None if known_usd is None else over([one.usd for one in sample], [one.usd for one in done]),
        calls_of_unknown_price=over([one.unknown for one in sample], [one.unknown for one in done]),
        seconds=carry_over([one / at_once for one in seconds], to_come, 0.0) if seconds else None,
    )

"""Two cores: what a second thread and a second process bring, by the clock."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import anyio
import torch

from scoring_bench.models import pythia
from scoring_bench.processes import all_are_loaded, score_by_callers
from scoring_bench.reference import relative, summary
from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring import Scorer

ROUNDS = 3


def workers(name: str, pairs: Sequence[Sample]) -> list[str]:
    """A row: pairs a second of one process with one thread, of one with two, and of two with one, in turns."""
    if len(os.sched_getaffinity(0)) < 2:
        return ["| Two processes | not measured: there is one core |"]
    with tempfile.TemporaryDirectory() as folder:
        loaded = pythia(name, torch.float32)
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        del loaded
        rates, off = anyio.run(_rates, Path(folder), pairs)
    alone, threads, both = rates
    return [
        f"| Pythia-{name} shape through the scorer's process, {len(pairs)} pairs a round, by the clock | two processes "
        f"**{both / alone:.2f}×** of one with one thread ({both:.2f} against {alone:.2f} pairs/s; one with two threads "
        f"{threads / alone:.2f}×); difference {summary(off)} |"
    ]


async def _rates(folder: Path, pairs: Sequence[Sample]) -> tuple[list[float], list[float]]:
    """Median rates of the three, and how far the IFDs of two processes are from those of one."""

    def scorer(threads: int, processes: int) -> Scorer:
        told = {"small": str(folder), "device": "cpu", "mode": "superfiltering", "threads": threads}
        return Scorer(ScoringConfig.model_validate(told), large=False, workers=processes)

    async with scorer(1, 1) as alone, scorer(2, 1) as threads, scorer(1, 2) as both:
        ways = (alone, threads, both)
        for way in ways:  # Each process loads its model, and sees its packs for the first time.
            await score_by_callers(way, pairs)
            while not all_are_loaded(way):  # noqa: ASYNC110 - it is another process that becomes ready
                await anyio.sleep(0.1)
            await score_by_callers(way, [replace(pair, response=f"{pair.response} once more") for pair in pairs])
        seconds: list[list[float]] = [[], [], []]
        values: list[list[float]] = [[], [], []]
        for number in range(ROUNDS):
            # Other responses each round, as a response that comes again is remembered.
            some = [replace(pair, response=f"{pair.response} {number}") for pair in pairs]
            for way, taken, found in zip(ways, seconds, values, strict=True):
                begin = time.monotonic()
                found.extend(await score_by_callers(way, some))
                taken.append(time.monotonic() - begin)
    return [len(pairs) / median(taken) for taken in seconds], relative(values[2], values[0])

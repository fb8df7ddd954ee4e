"""What has to hold on a GPU beside speed: equal numbers, too little memory, and two processes on one card."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import anyio
import torch
from calls_bench.rows import Row

from scoring_bench.gpu_speed import forward_of
from scoring_bench.models import ROOT, little_models, mix, pythia
from scoring_bench.processes import CALLERS, all_are_loaded, score_by_callers
from scoring_bench.reference import Reference, forgetful, gpu_time, ifds, relative, scorer, summary
from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring import Scorer
from star_agents.scoring.loading import Loaded

TESTS = [f"tests/test_scoring_{name}.py" for name in ("gpu", "packed", "equality")]
COMPARED = 40
"""Pairs on each architecture."""
LARGEST_OFF = 1e-4
"""Relative, in float32."""
ROOM = 700 << 20
"""Bytes beside the weights where memory is to run out. 16k tokens need some 500 MiB for the head's logits."""
TOO_LARGE = 1 << 20
"""Tokens of a pack that does not fit into them: a part of a request is some 60k, which need 1.4 GB."""
TOGETHER = 4
"""Rounds of two processes; the second one has never scored before."""
LOADED_S = 120
"""Seconds after which the second process should have loaded its model."""


def tests(device: torch.device) -> list[Row]:
    """The scorer's tests, on the GPU where one names no device."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:benchmark"]
    command += ["-n", "6"] if find_spec("xdist") and device.type == "cuda" else []
    done = subprocess.run([*command, *TESTS], cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:], done.stderr[-2000:], sep="\n")
    counts = re.findall(r"\d+ (?:passed|failed|error|skipped)\w*", done.stdout.splitlines()[-1] if done.stdout else "")
    return [
        Row(
            key="tests.passed",
            what=f"Tests, of {', '.join(TESTS)}",
            measured=f"**{', '.join(counts) or 'none ran'}**",
            target="all pass",
            holds=done.returncode == 0,
        )
    ]


def equality(device: torch.device) -> list[Row]:
    """IFD of the architectures in both precisions, against a plain loop in float32 on the same device."""
    rows = []
    pairs = mix("mixed")[: COMPARED if device.type == "cuda" else 4]
    against = f"against one at a time in float32, {len(pairs)} pairs: median and largest difference"
    for dtype in (torch.float32, torch.bfloat16):
        found, holds = [], True
        for name, exact, loaded in _architectures(dtype, device):
            engine = scorer(loaded)
            truth = Reference(exact)(pairs)
            off = relative(ifds(engine)(pairs), truth)
            loop = relative(Reference(loaded)(pairs), truth)
            holds &= _same(off, loop, dtype)
            beside = f", the loop's {summary(loop)}" if dtype != torch.float32 else ""
            found.append(f"{name} ({forward_of(engine)}) **{summary(off)}**{beside}")
        kind = str(dtype).removeprefix("torch.")
        rows.append(
            Row(
                key=f"equality.{kind}",
                what=f"IFD in {kind} {against}",
                measured="; ".join(found),
                target="≤ 1e-04" if dtype == torch.float32 else "≤ 1.5 × the loop's mean",
                holds=holds,
            )
        )
    return rows


def _same(off: Sequence[float], loop: Sequence[float], dtype: torch.dtype) -> bool:
    if dtype == torch.float32:
        return max(off) <= LARGEST_OFF
    return sum(off) <= 1.5 * sum(loop)


def _architectures(dtype: torch.dtype, device: torch.device) -> list[tuple[str, Loaded, Loaded]]:
    """Name, the model in float32 and in ``dtype``, same weights."""
    exact = {"GPT-NeoX": pythia("70m", torch.float32, device), **little_models(torch.float32, device)}
    other = {"GPT-NeoX": pythia("70m", dtype, device), **little_models(dtype, device)}
    return [(name, exact[name], other[name]) for name in exact]


def memory(device: torch.device) -> list[Row]:
    """Packs that do not fit are halved until they do, and every pair has its score."""
    name = "410m" if device.type == "cuda" else "tiny"
    engine = scorer(pythia(name, torch.bfloat16, device))
    pairs = mix("mixed")[: 1900 if device.type == "cuda" else 10]
    usual = ifds(forgetful(engine))(pairs)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + ROOM) / total)
    tight = forgetful(engine, TOO_LARGE)
    found = ifds(tight)(pairs)
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(1.0)
    batcher = tight._models["small"]._batcher
    missing = sum(map(math.isnan, found)) - sum(map(math.isnan, usual))
    what = f"Pythia-{name} shape with {ROOM >> 20} MiB beside its weights, {len(pairs)} pairs, packs of {TOO_LARGE:,}"
    halved = batcher.tokens < TOO_LARGE
    return [
        Row(
            key="memory.halved",
            what=f"{what} tokens asked for",
            measured=f"**{missing} pairs without a score**; packs are {batcher.tokens:,} tokens in the end; difference "
            f"from packs that fit {summary(relative(found, usual))}",
            target="0, smaller packs",
            holds=missing == 0 and (halved or device.type == "cpu"),
        )
    ]


def workers(device: torch.device) -> list[Row]:
    """Through the scorer's process as the daemon does it, with one and with two of them on the card."""
    name = "410m" if device.type == "cuda" else "tiny"
    pairs = mix("mixed")[: 1900 if device.type == "cuda" else 4]
    with tempfile.TemporaryDirectory() as folder:
        loaded = pythia(name, torch.bfloat16, device)
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        direct = _direct_rate(loaded, pairs)
        del loaded
        torch.cuda.empty_cache()
        one, two, off = anyio.run(_through_processes, Path(folder), device.type, pairs)
    return [
        Row(
            key="workers.two",
            what=f"Pythia-{name} shape through the scorer's process, {CALLERS} callers, {len(pairs)} mixed pairs",
            measured=f"one process, while another one loads, {one:,.0f} pairs/s; two on one card {two:,.0f}: "
            f"**{two / one:.2f}×**; without a process {direct:,.0f}; difference {summary(off)}",
            target="",
        )
    ]


def _direct_rate(loaded: Loaded, pairs: Sequence[Sample]) -> float:
    engine = scorer(loaded)
    ifds(engine)(pairs[: len(pairs) // 4])
    fresh = forgetful(engine)
    begin = gpu_time()
    ifds(fresh)(pairs)
    return len(pairs) / (gpu_time() - begin)


async def _through_processes(folder: Path, device: str, pairs: Sequence[Sample]) -> tuple[float, float, list[float]]:
    """Best rates of the rounds with one process and with two, in pairs a second, and how far their IFDs differ."""
    config = ScoringConfig.model_validate(
        {"small": str(folder), "device": device, "dtype": "bfloat16", "mode": "superfiltering"}
    )
    begin = time.monotonic()
    rounds = count()
    async with Scorer(config, large=False, workers=2) as client:
        print(f"the first process is ready after {time.monotonic() - begin:.1f} s", flush=True)

        async def rate() -> float:
            # Other responses each round, as a response that comes again is remembered.
            number = next(rounds)
            some = [replace(pair, response=f"{pair.response} {number}") for pair in pairs]
            round_begin = time.monotonic()
            await score_by_callers(client, some)
            return len(pairs) / (time.monotonic() - round_begin)

        expected = await score_by_callers(client, pairs)
        one = await rate()
        while not all_are_loaded(client):
            found = await rate()
            one = one if all_are_loaded(client) else max(one, found)
            if time.monotonic() - begin > LOADED_S:
                raise RuntimeError("the second process did not load its model: " + "; ".join(client.stats().troubles))
        print(f"the second process is ready after {time.monotonic() - begin:.1f} s", flush=True)
        two = max([await rate() for _ in range(TOGETHER if device == "cuda" else 1)])
        off = relative(await score_by_callers(client, pairs), expected)
    print(f"both are done after {time.monotonic() - begin:.1f} s", flush=True)
    return one, two, off

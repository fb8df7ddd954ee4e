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
from pathlib import Path

import anyio
import torch
from calls_bench.rows import Row

from scoring_bench.gpu_speed import forward_of, relative, summary
from scoring_bench.models import ROOT, little_models, mix, pythia
from scoring_bench.reference import Reference, forgetful, gpu_time, ifds, pack, scorer
from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring import Scorer
from star_agents.scoring.loading import Loaded

TESTS = [f"tests/test_scoring_{name}.py" for name in ("gpu", "packed", "equality")]
COMPARED = 40
"""Pairs on each architecture."""
LARGEST_OFF = 1e-4
"""Relative, in float32."""
MEMORY = 6 << 30
"""Bytes that a process may take where memory is to run out."""
TOO_LARGE = 1 << 20
"""Tokens of a pack that does not fit into them."""
WORKERS_S = {"cuda": 14.0, "cpu": 0.0}
"""Seconds of rounds, so that the second process has loaded its model long before the last one."""
CALLS = 8
"""Callers at once."""


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
    usual = ifds(forgetful(engine, pack(device)))(pairs)
    torch.cuda.empty_cache()
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(MEMORY / torch.cuda.get_device_properties(device).total_memory)
    tight = forgetful(engine, TOO_LARGE)
    found = ifds(tight)(pairs)
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(1.0)
    batcher = tight._models["small"]._batcher
    missing = sum(map(math.isnan, found)) - sum(map(math.isnan, usual))
    what = f"Pythia-{name} shape in {MEMORY >> 30} GiB, {len(pairs)} pairs, packs of {TOO_LARGE:,} tokens asked for"
    halved = batcher.tokens < TOO_LARGE
    return [
        Row(
            key="memory.halved",
            what=what,
            measured=f"**{missing} pairs without a score**; packs are {batcher.tokens:,} tokens in the end; difference "
            f"from packs that fit {summary(relative(found, usual))}",
            target="0, smaller packs",
            holds=missing == 0 and (halved or device.type == "cpu"),
        )
    ]


def workers(device: torch.device) -> list[Row]:
    """Through the scorer's process as the daemon does it, with one and with two of them on the card."""
    name = "410m" if device.type == "cuda" else "tiny"
    pairs = mix("mixed")[: 1900 if device.type == "cuda" else 16]
    rates: dict[int, float] = {}
    values: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        loaded = pythia(name, torch.bfloat16, device)
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        direct = _direct_rate(loaded, pairs)
        del loaded
        torch.cuda.empty_cache()
        for number in (1, 2):
            rates[number], values[number] = anyio.run(_through_processes, Path(folder), device.type, number, pairs)
    off = relative(values[2], values[1])
    return [
        Row(
            key="workers.two",
            what=f"Pythia-{name} shape through the scorer's process, {CALLS} callers, {len(pairs)} mixed pairs a round",
            measured=f"one process {rates[1]:,.0f} pairs/s, two on one card {rates[2]:,.0f}: "
            f"**{rates[2] / rates[1]:.2f}×**; without a process {direct:,.0f}; difference {summary(off)}",
            target="",
        )
    ]


def _direct_rate(loaded: Loaded, pairs: Sequence[Sample]) -> float:
    engine = scorer(loaded)
    ifds(engine)(pairs[: len(pairs) // 4])
    fresh = forgetful(engine, pack(loaded.device))
    begin = gpu_time()
    ifds(fresh)(pairs)
    return len(pairs) / (gpu_time() - begin)


async def _through_processes(
    folder: Path, device: str, number: int, pairs: Sequence[Sample]
) -> tuple[float, list[float]]:
    """Best rate of the rounds in pairs a second, and the IFDs of the first one."""
    config = ScoringConfig.model_validate(
        {"small": str(folder), "device": device, "dtype": "bfloat16", "mode": "superfiltering"}
    )
    best, begin = 0.0, time.monotonic()
    first: list[float] = []
    async with Scorer(config, large=False, workers=number) as scorer_client:
        for again in range(1000):
            # Other responses each round, as a response that comes again is remembered.
            some = [replace(pair, response=f"{pair.response} {again}") for pair in pairs] if again else list(pairs)
            round_begin = time.monotonic()
            found = await _round(scorer_client, some)
            best = max(best, len(pairs) / (time.monotonic() - round_begin))
            first = first or found
            if time.monotonic() - begin > WORKERS_S[device] and again > 1:
                break
    return best, first


async def _round(client: Scorer, pairs: Sequence[Sample]) -> list[float]:
    found = [math.nan] * len(pairs)

    async def call(caller: int) -> None:
        scores = await client.score(pairs[caller::CALLS])
        found[caller::CALLS] = [math.nan if score.ifd_small is None else score.ifd_small for score in scores]

    async with anyio.create_task_group() as tasks:
        for caller in range(CALLS):
            tasks.start_soon(call, caller)
    return found

"""The rows of the CPU: one thread, CPU seconds of this process."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import transformers

from scoring_bench.cpu_workers import workers
from scoring_bench.models import ROOT, little_models, offline_pair, pythia, real_pairs
from scoring_bench.reference import (
    MAX_LENGTH,
    Clock,
    Reference,
    ceiling,
    farthest,
    gaps,
    ifds,
    rank_correlation,
    scorer,
    work_of,
)
from star_agents.records import Sample
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.encoding import Encoded, Passage
from star_agents.scoring.forward import choose_forward
from star_agents.scoring.model import PACK_CPU, CausalModel

RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"
SCRIPT = RESULTS.with_name("scoring")
MARKS = ("<!-- scoring:begin -->", "<!-- scoring:end -->")
SLICE = 10
REMARKS = (
    "",
    "Ratios are of CPU seconds, reference and scorer in turns in one process. Where the processor has no bf16",
    "instructions, bf16 products are computed in float32 from bf16 weights, and a bf16 mode three times as fast cannot",
    "exist: torch's own bf16 product runs at a tenth of float32 there. Likewise prepacking pays on processors that MKL",
    "serves badly (AVX-512 on AMD); elsewhere the gain is the head's: scored rows only, a block of the vocabulary at",
    "a time.",
)


@torch.inference_mode()
def speed(name: str, pairs: Sequence[Sample]) -> list[str]:
    """Rows of the table: a model's speed and its difference from the reference."""
    loaded = pythia(name)
    reference, engine = Reference(loaded), scorer(loaded)
    half = scorer(pythia(name, torch.bfloat16))
    clocks = [Clock() for _ in range(4)]  # reference, ours, and both again on the slices that bfloat16 gets
    ceilings, half_ceilings, half_work = [], [], 0.0
    reference(pairs[:1]), ifds(engine)(pairs[:1])
    for number, begin in enumerate(range(0, len(pairs), SLICE)):
        some = pairs[begin : begin + SLICE]
        ceilings.append(ceiling(loaded))
        before = clocks[0].seconds
        clocks[0].run(reference, some)
        clocks[1].run(ifds(engine), some)
        if number % 4 == 0:
            clocks[2].seconds += clocks[0].seconds - before
            clocks[3].run(ifds(half), some)
            half_ceilings.append(ceiling(loaded, torch.bfloat16))
            half_work += work_of(loaded, _encoded(engine, some))
    work, top = work_of(loaded, _encoded(engine, pairs)), float(np.median(ceilings))
    half_speed, half_top = half_work / clocks[3].seconds, float(np.median(half_ceilings))
    old, new = clocks[0].seconds, clocks[1].seconds
    spread = np.nanpercentile(clocks[0].values, (1, 50, 99))
    return [
        f"| Pythia-{name} shape, fp32, {len(pairs)} pairs | **{old / new:.2f}×** the reference: {new:.1f} s against "
        f"{old:.1f} s, {len(pairs) / new:.2f} against {len(pairs) / old:.2f} pairs/s |",
        f"| … of the matmul ceiling | **{100 * work / new / top:.0f} %**: {work / new:.0f} of {top:.0f} GF/s "
        f"(reference {work / old:.0f}) |",
        f"| … largest IFD difference (IFD p1/p50/p99 {spread[0]:.2f}/{spread[1]:.2f}/{spread[2]:.2f}) | "
        f"**{farthest(clocks[1].values, clocks[0].values):.1e}** |",
        f"| … bf16 | **{clocks[2].seconds / clocks[3].seconds:.2f}×** the fp32 reference, "
        f"{100 * half_speed / half_top:.0f} % of bf16's matmul ceiling: {half_speed:.0f} of {half_top:.0f} GF/s |",
    ]


def _encoded(engine: DualModel, pairs: Sequence[Sample]) -> list[Encoded]:
    return [found for found in engine._encoders["small"].encode(pairs) if isinstance(found, Encoded)]


def equality(pairs: Sequence[Sample]) -> list[str]:
    """A row: the other architectures."""
    found = []
    for name, loaded in little_models().items():
        expected = Reference(loaded)(pairs)
        found.append(f"{name} {farthest(ifds(scorer(loaded))(pairs), expected):.1e}")
    return [f"| Largest IFD difference, {len(pairs)} pairs each | **{', '.join(found)}** |"]


def half_precision(names: Sequence[str], pairs: Sequence[Sample]) -> list[str]:
    """Rows: does bf16 rank as fp32 does."""
    rows = []
    if len(names) == 2:
        full, half = (scorer(*(pythia(name, dtype) for name in names)) for dtype in (torch.float32, torch.bfloat16))
        found = rank_correlation(gaps(full, pairs), gaps(half, pairs))
        rows.append(f"| bf16, rank correlation of the gap, random weights, {len(pairs)} pairs | **{found:.4f}** |")
    folder = ROOT / "star_agents" / "offline" / "models"
    if (folder / "large" / "model.safetensors").exists():
        lines = (folder.parent / "seeds.jsonl").read_text("utf-8").splitlines()[:200]
        world = [Sample(instruction=row["instruction"], response=row["output"]) for row in map(json.loads, lines)]
        full, half = (scorer(*offline_pair(folder, dtype)) for dtype in (torch.float32, torch.bfloat16))
        found = rank_correlation(gaps(full, world), gaps(half, world))
        rows.append(f"| … the offline pair on {len(world)} of its seeds | **{found:.4f}** |")
    return rows


def sharing(name: str, pairs: Sequence[Sample]) -> list[str]:
    """A row: four candidates of one long prompt, against the same four with prompts that differ in one token."""
    loaded = pythia(name)
    forward = choose_forward(loaded)
    words = loaded.tokenizer
    prompt = [token for pair in pairs for token in words.encode(pair.response)][:320]
    responses = [
        words.encode(pair.response)[:130] for pair in sorted(pairs, key=lambda pair: len(str(pair.response)))[-4:]
    ]

    def four(differ: bool) -> list[Encoded]:
        fronts = [(number if differ else 0, *prompt) for number in range(4)]
        return [
            Encoded(Passage((*front, *response), len(front)), Passage((0, *response), 1))
            for front, response in zip(fronts, responses, strict=True)
        ]

    def seconds(candidates: list[Encoded]) -> float:
        fresh = CausalModel(loaded, forward, tokens_per_batch=PACK_CPU, max_length=MAX_LENGTH)  # remembers nothing
        begin = time.process_time()
        fresh.losses(candidates)
        return time.process_time() - begin

    rounds = [(seconds(four(True)), seconds(four(False))) for _ in range(4)][1:]
    apart, shared = (sum(column) / len(rounds) for column in zip(*rounds, strict=True))
    size = sum(map(len, responses)) // 4
    return [
        f"| 4 candidates of one 320-token prompt, responses of {size} tokens | **{apart / shared:.2f}×** four separate "
        f"pairs: {shared:.2f} s against {apart:.2f} s |"
    ]


def memory(names: Sequence[str]) -> list[str]:
    """A row: memory over the weights, each in a process of its own."""
    found = {}
    for which in ("reference", "ours"):
        command = [sys.executable, str(SCRIPT), "--memory", which, "--models", names[0], "--pairs", "24"]
        found[which] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    share = 100 * found["ours"] / found["reference"]
    return [
        f"| Memory over the weights, 24 pairs, fresh processes | **{share:.0f} %** of the reference's: "
        f"{found['ours']:.0f} against {found['reference']:.0f} MB |"
    ]


def own_memory(which: str, name: str, pairs: Sequence[Sample]) -> float:
    """Megabytes that scoring the pairs takes beyond what is there when the model is loaded."""
    loaded = pythia(name)
    work: Callable[[Sequence[Sample]], list[float]] = Reference(loaded)
    if which == "ours":
        own = CausalModel(loaded, choose_forward(loaded), tokens_per_batch=PACK_CPU, max_length=MAX_LENGTH)
        work = ifds(DualModel(mode="superfiltering", max_length=MAX_LENGTH, small=own))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _status("VmRSS")
    work(pairs)
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def machine() -> str:
    """What this ran on, without its name."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    bf16 = "with" if "avx512_bf16" in "".join(lines) or "amx_bf16" in "".join(lines) else "without"
    return (
        f"{model} ({torch.backends.cpu.get_cpu_capability()}, {bf16} bf16 instructions), one thread, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, Python {platform.python_version()}"
    )


def write(section: str) -> None:
    """Put the section between its marks; other sections stay as they are."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Measurements\n"
    begin, end = MARKS
    if begin in text:
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{section}\n{end}{rest.split(end, 1)[1]}"
    else:
        text = f"{text.rstrip()}\n\n{begin}\n{section}\n{end}\n"
    RESULTS.write_text(text, "utf-8")


def measure(names: Sequence[str], pairs: Sequence[Sample], *, into_results: bool) -> None:
    """Measure, print part by part, and write where asked."""
    rows = ["| | |", "|---|---|"]
    # Few pairs are a few packs, which two processes cannot share evenly: 1.62 times with 16 pairs, 2.04 with 100.
    quarter = real_pairs(max(100, len(pairs) // 4))
    parts: list[Callable[[], list[str]]] = [
        *(partial(speed, name, pairs[: len(pairs) // (3 if number else 1)]) for number, name in enumerate(names)),
        lambda: sharing(names[0], pairs),
        lambda: equality(pairs[:10]),
        lambda: memory(names),
        lambda: half_precision(names, quarter),
        lambda: workers(names[0], quarter),
    ]
    for part in parts:
        found = part()
        rows += found
        print("\n".join(found), flush=True)
        if into_results:  # part by part: a long run that is cut short leaves what it has
            write("## Scoring (`tools/bench/scoring`)\n\n" + machine() + "\n\n" + "\n".join((*rows, *REMARKS)))

"""Where the milliseconds of a pack go, on the host and on the GPU: what the next improvement has to be about."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, TypeVar

import torch
from calls_bench.rows import Row
from torch.profiler import ProfilerActivity
from torch.profiler import profile as recording

from scoring_bench.reference import forgetful, gpu_time, ifds, requests
from star_agents.records import Sample
from star_agents.scoring import packing
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.encoding import Encoded, Passage
from star_agents.scoring.head import means
from star_agents.scoring.model import AloneLosses, usual_pack
from star_agents.scoring.packed import PackedRows
from star_agents.scoring.transfer import on_device

KERNELS = 16
"""Lines of the list of kernels."""
Found = TypeVar("Found")


class Times(dict[str, float]):
    """Milliseconds by what they went into."""

    def of(self, what: str, work: Callable[[], Found]) -> Found:
        """Do some work and add its time on the host."""
        begin = perf_counter()
        found = work()
        self[what] = self.get(what, 0.0) + 1e3 * (perf_counter() - begin)
        return found


def profile(name: str, engine: DualModel, pairs: Sequence[Sample], device: torch.device) -> list[Row]:
    """Milliseconds per pack of the first request, step by step and all together."""
    forward, tokens = engine._models["small"].forward, usual_pack(engine._models["small"]._loaded)
    request = requests(pairs)[0]
    ifds(forgetful(engine))(request)
    if not isinstance(forward, PackedRows):
        return []
    times = Times()
    encoder = engine._encoders["small"]
    encoded = times.of("tokenising", lambda: encoder.encode(request))
    usable = [found for found in encoded if isinstance(found, Encoded)]
    times.of("keys", lambda: [AloneLosses.key(pair.alone) for pair in usable])
    passages = [passage for pair in usable for passage in (pair.conditional, pair.alone)]
    packing._plan.cache_clear()
    packing._lay_out.cache_clear()
    plan = times.of("plan", lambda: forward.plan(passages, tokens))
    packs = [[passages[index] for index in indices] for indices in plan]
    for some in packs:
        layout = times.of("layouts", lambda some=some: packing.lay_out(some))  # type: ignore[misc]
        rows = (layout.ids, layout.positions, layout.predicting, layout.targets)
        times.of("upload", lambda rows=rows: on_device(rows, device))  # type: ignore[misc]
    gpu_time()
    busy = [_on_gpu(forward, some, times) for some in packs]
    begin = gpu_time()
    ifds(forgetful(engine))(request)
    wall = 1e3 * (gpu_time() - begin)
    _kernels(forward, packs[0], device)
    steps = ", ".join(f"{what} {milliseconds / len(packs):.1f}" for what, milliseconds in times.items())
    return [
        Row(
            key=f"{name.replace('.', '_')}.milliseconds",
            what=f"… milliseconds per pack, {len(packs)} packs of up to {tokens:,} tokens, {len(request)} mixed pairs",
            measured=f"**{wall / len(packs):.1f}** all together; the GPU's own {statistics.mean(busy):.1f}; the host's "
            f"one after another: {steps}; {_waits(forward, packs[0])} waits for the GPU in the midst of a pack",
            target="",
        )
    ]


def _on_gpu(forward: PackedRows, passages: Sequence[Passage], times: Times) -> float:
    """Milliseconds from the first kernel of a pack to its last one, with nothing else to do."""
    events = []
    if torch.cuda.is_available():
        make: Any = torch.cuda.Event
        events = [make(enable_timing=True) for _ in range(2)]
        events[0].record()
    begin = gpu_time()
    losses = times.of("launching", lambda: forward.nll(passages))
    if events:
        events[1].record()
    total = 1e3 * (gpu_time() - begin)
    times.of("reading", lambda: means(losses, passages))
    return float(events[0].elapsed_time(events[1])) if events else total


def _waits(forward: PackedRows, passages: Sequence[Passage]) -> int:
    """How often the host waits for the GPU before all of a pack is launched."""
    if not torch.cuda.is_available():
        return 0
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            forward.begin_mean_nll(passages)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in found)


def _kernels(forward: PackedRows, passages: Sequence[Passage], device: torch.device) -> None:
    """Print what a pack's time goes into, kernel by kernel."""
    activities = [ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU]
    with recording(activities=activities) as record:
        forward.nll(passages)
        gpu_time()
    rows = sorted(record.key_averages(), key=_own_time, reverse=True)
    total = sum(map(_own_time, rows))
    print(f"kernels of one pack: {total / 1e3:.1f} ms in {sum(row.count for row in rows)} calls")
    for row in rows[:KERNELS]:
        print(
            f"  {100 * _own_time(row) / total:5.1f} %  {_own_time(row) / 1e3:8.2f} ms  {row.count:5d}  {row.key[:90]}"
        )


def _own_time(row: Any) -> float:
    """Microseconds."""
    return float(getattr(row, "self_device_time_total", 0) or row.self_cpu_time_total)

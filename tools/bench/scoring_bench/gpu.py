"""What is measured on a GPU, part by part; each is a process of its own that writes its rows (``tools/gpu``)."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
import transformers
from calls_bench.rows import Row, Section, machine, write

from scoring_bench import gpu_kernels, gpu_limits, gpu_speed, gpu_training

SPEEDS = ("70m", "410m", "1.4b", "6.9b")
GPU = Section(
    name="gpu",
    heading="## Scoring on a GPU (`tools/gpu`)",
    order=(
        "tests",
        *(name.replace(".", "_") for name in ("tiny", *SPEEDS)),
        "equality",
        "memory",
        "train",
        "kernels",
        "workers",
    ),
)
REMARKS = (
    "Shapes of Pythia with large random weights, bfloat16. The loop scores one pair at a time as scripts do it; padded",
    "batches are 16 pairs sorted by length, with full logits; both are measured on the first pairs of the same mix for",
    "some seconds, and then on the same ones again. That second time counts: a GPU's libraries prepare themselves for",
    "each new length, which a long run pays once. Ours scores whole mixes in requests of the daemon's size, the better",
    "of two rounds. All are wall-clock seconds up to the end of the GPU's work, texts to scores. The ceiling is the",
    "best bfloat16 product on the model's own shapes, with as many rows as a pack has; work counts the head on scored",
    "rows only. Lengths are tokens of one pass. Differences are relative, from the same weights in float32 one pair at",
    "a time.",
)
RIGHT = {"tests", "equality", "memory", "train", "kernels"}
"""Parts that fail where a row does not hold; elsewhere it is an aim that was missed."""
Part = Callable[[torch.device], Iterable[Row]]


def parts() -> dict[str, Part]:
    """By name."""
    found: dict[str, Part] = {
        "tests": gpu_limits.tests,
        "equality": gpu_limits.equality,
        "memory": gpu_limits.memory,
        "train": gpu_training.training,
        "kernels": gpu_kernels.kernels,
        "workers": gpu_limits.workers,
    }
    for name in ("tiny", *SPEEDS):
        found[name] = partial(gpu_speed.speed, name)
    return found


def measure(part: str, device: torch.device, results: Path) -> None:
    """Measure a part, print its rows and put them into the file. Ends the process with 1 where numbers are wrong."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "REHEARSAL on a CPU, no figure counts"
    facts = f"{card}, torch {torch.__version__}, transformers {transformers.__version__}; {machine()}."
    rows: list[Row] = []
    for row in parts()[part](device):  # row by row: a part that is stopped leaves what it has
        print(row, flush=True)
        rows.append(row)
        with _one_writer(results.parent):
            write(rows, (facts, *REMARKS), GPU, results)
    if part in RIGHT and any(row.holds is False for row in rows):
        sys.exit(1)


@contextmanager
def _one_writer(folder: Path) -> Iterator[None]:
    """Parts that run side by side would lose each other's rows."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

"""Between host and GPU without either waiting for the other.

A copy from ordinary memory waits until the GPU has done all it was given. One from pinned memory is queued like any
other work, and back likewise: what comes from the GPU is read when an event says that it has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Result = TypeVar("Result")


def on_device(rows: Sequence[Sequence[int] | npt.NDArray[np.int64]], device: torch.device) -> tuple[Tensor, ...]:
    """Each row of integers as int64 on the device, in one copy."""
    ends = list(accumulate(map(len, rows)))
    flat = torch.empty(ends[-1], dtype=torch.int64, pin_memory=device.type == "cuda")
    numbers = flat.numpy()
    for row, end in zip(rows, ends, strict=True):
        numbers[end - len(row) : end] = np.asarray(row, dtype=np.int64)
    return torch.split(flat.to(device, non_blocking=True), [len(row) for row in rows])


class Arriving(Generic[Result]):
    """What becomes of a tensor on its way from the GPU. Iterating waits for it; nothing before does."""

    def __init__(self, tensor: Tensor, read: Callable[[Tensor], Sequence[Result]]) -> None:
        self._tensor = tensor.to("cpu", non_blocking=True)  # torch pins what such a copy is written into
        make: Any = torch.cuda.Event  # torch gives it no types
        self._arrived = make() if tensor.is_cuda else None
        if self._arrived:
            self._arrived.record()
        self._read = read

    def __iter__(self) -> Iterator[Result]:
        if self._arrived:
            self._arrived.synchronize()
        return iter(self._read(self._tensor))

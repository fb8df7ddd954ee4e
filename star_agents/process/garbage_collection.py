"""How Python's cyclic garbage collector treats a process that works for days.

Left alone it walks every module, class and model table that was ever imported, again and again: a third of the CPU of a
run with a thousand calls in flight, in stalls of up to a quarter of a second during which no call goes out.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from functools import cache

_YOUNGEST = 100_000
"""Container objects that may be made and not freed before the youngest are looked at; Python's 700 are a few calls'.

A call in flight is some 200 of them, and each look goes over all that are: with a thousand in flight, looks after every
10,000 took 11 % of the CPU, in stalls of a tenth of a second at the worst as now, and found nothing but a hundred
objects of the start. Where a fifth of all calls fail, some 25 a call end as part of a cycle; what waits for the next
look is a few megabytes."""


def look_less_often() -> None:
    """Let the collector run after more has been made; imports alone would start it hundreds of times."""
    gc.set_threshold(_YOUNGEST, *gc.get_threshold()[1:])


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """For the import of a large library, which makes much and drops little: walking it again and again is a tenth of
    LiteLLM's CPU, and a sixth of torch's and transformers'."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@cache
def spare_what_stays() -> None:
    """Take what has been built so far out of the collector's sight, once per process.

    Call it when everything is built: what is frozen and becomes part of a cycle later is never collected.
    """
    look_less_often()
    gc.collect()
    gc.freeze()

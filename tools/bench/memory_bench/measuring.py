"""What the memory bank takes, each time in a process of its own."""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hnswlib

from memory_bench.made import EMBEDDER, World
from star_agents.engine.memory_rows import kept_rows
from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered
from star_agents.storage.store import Store

INDEX = "memory.hnsw"
ASKED = 5
ROUNDS = 4
"""Times that every query is asked."""
ADDED = 2000
"""Instructions that enter while it is asked."""
REFERENCE = 20_000
"""Vectors in the graph that searches are compared with, in turns: what the machine and its load are by."""
Took = dict[str, float]


def built(folder: Path) -> Took:
    """The index made anew from the store by the bank's own thread, and written."""
    before = _memory_mb()
    rows = _rows(folder)
    bank, items = MemoryBank(EMBEDDER), len(rows.seqs)
    cpu, began = time.process_time(), time.perf_counter()
    bank.load(rows, folder / INDEX)
    ready = time.perf_counter() - began
    while bank.state().size < items - items // 10 and not bank.wait(0.2):
        pass
    of_tenth, at = time.process_time(), bank.state().size
    bank.wait()
    done = time.process_time()
    took = {
        "found": bank.state().size,
        "insert_ms": (done - cpu) / items * 1000,
        "last_ms": (done - of_tenth) / max(1, items - at) * 1000,
        "ready_s": ready,
        "grown_mb": _memory_mb() - before,
    }
    cpu = time.process_time()
    bank.save(folder / INDEX)
    files = sum(one.stat().st_size for one in folder.glob(f"{INDEX}*"))
    return {**took, "written_cpu": time.process_time() - cpu, "files_mb": files / 2**20}


def started(folder: Path) -> Took:
    """A start that finds the index: from the opening of the store until seeds can be worked."""
    before, cpu, began = _memory_mb(), time.process_time(), time.perf_counter()
    rows, bank = _rows(folder), MemoryBank(EMBEDDER)
    bank.load(rows, folder / INDEX)
    return {
        "found": bank.state().size,
        "ready_s": time.perf_counter() - began,
        "ready_cpu": time.process_time() - cpu,
        "grown_mb": _memory_mb() - before,
    }


def asked(folder: Path, world: World, queries: int) -> Took:
    """Recall, and the time of a search at rest and while instructions enter."""
    rows = _rows(folder)
    bank = MemoryBank(EMBEDDER)
    bank.load(replace(rows, arms=[str(seq) for seq in rows.seqs]), folder / INDEX)
    wanted = world.queries(queries)
    truth = world.nearest(wanted, ASKED)
    whole = _reference(world)
    hits, at_rest, by_reference = 0, list[float](), list[float]()
    for query, near in [*zip(wanted, truth, strict=True)] * ROUNDS:
        cpu = time.thread_time()
        found = bank.nearest_pairs(query, ASKED)
        of_reference = time.thread_time()
        whole.knn_query(query.reshape(1, -1), k=ASKED, num_threads=1)
        by_reference.append(time.thread_time() - of_reference)
        at_rest.append(of_reference - cpu)
        hits += len(set(found) & {str(seq) for seq in near})
    del whole
    added, entering, by_clock = list[float](), list[float](), list[float]()
    for at, vector in enumerate(replace(world, items=world.items + ADDED).queries(ADDED)):
        row = Remembered(seq=world.items + at + 1, pair="keep/new", pi=0.5, embedding=vector)
        cpu = time.thread_time()
        bank.add(row)
        added.append(time.thread_time() - cpu)
        cpu, clock = time.thread_time(), time.perf_counter()
        bank.nearest_pairs(wanted[at % queries], ASKED)
        entering.append(time.thread_time() - cpu)
        by_clock.append(time.perf_counter() - clock)
    bank.close()
    return {
        "recall": hits / (ASKED * queries * ROUNDS),
        "p50": statistics.median(at_rest) * 1000,
        "p99": _quantile(at_rest) * 1000,
        "reference_p50": statistics.median(by_reference) * 1000,
        "reference_p99": _quantile(by_reference) * 1000,
        "entering_p50": statistics.median(entering) * 1000,
        "entering_p99": _quantile(entering) * 1000,
        "clock_p50": statistics.median(by_clock) * 1000,
        "clock_p99": _quantile(by_clock) * 1000,
        "add_p99": _quantile(added) * 1000,
    }


def _reference(world: World) -> hnswlib.Index:
    """A graph of the first of its vectors, whole, as hnswlib makes it, asked with as much effort as a small bank."""
    index = hnswlib.Index(space="cosine", dim=world.dimension)
    index.init_index(max_elements=REFERENCE, ef_construction=64, M=16, random_seed=1)
    for chunk in world.chunks():
        index.add_items(chunk[: REFERENCE - index.get_current_count()], num_threads=1)
        if index.get_current_count() == REFERENCE:
            break
    index.set_ef(64)
    return index


def _rows(folder: Path) -> KeptRows:
    found: list[KeptRows] = []
    asyncio.run(_read_rows(folder, found))
    return found[0]


async def _read_rows(folder: Path, found: list[KeptRows]) -> None:
    """Into ``found``: ``asyncio.run`` would make a text of all that its coroutine returns."""
    async with await Store.open(folder) as store:
        found.append(kept_rows(await store.memory_keys(EMBEDDER), folder, "vectors_of_memory"))


def _quantile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


def _memory_mb() -> float:
    """What this process holds in main memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20

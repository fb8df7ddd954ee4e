"""Twenty thousand seeds with ten calls each: reading costs what is read, and a start what it does with few of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "bench"))

from scale_bench import filling  # noqa: E402
from scale_bench.processes import cli  # noqa: E402

from star_agents.engine.stored_status import status_of_folder  # noqa: E402
from star_agents.records import Sample, Seed  # noqa: E402
from star_agents.storage.browsed_rows import browsed_page  # noqa: E402
from star_agents.storage.browsing import Search  # noqa: E402
from star_agents.storage.formats.row_writing import json_line  # noqa: E402
from star_agents.storage.outgoing.export import dataset_rows  # noqa: E402
from star_agents.storage.reader import StoreReader  # noqa: E402
from star_agents.storage.spans import Span  # noqa: E402
from star_agents.storage.store import Store  # noqa: E402

FEW, MANY, WORKED = 2_000, 20_000, 50
ROWS = 1_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    """By how many seeds they hold."""
    folder = tmp_path_factory.mktemp("scale")
    worked = folder / "worked"
    filling.work(worked, folder / "agents.yaml", WORKED)
    found = {seeds: folder / str(seeds) for seeds in (FEW, MANY)}
    for seeds, place in found.items():
        assert filling.fill(place, worked, seeds)[0] == seeds
    return found


def cpu_s(do: Callable[[], object], times: int = 3) -> float:
    """Seconds of this thread, the least of some times: the machine may have other work."""
    took = []
    for _ in range(times):
        began = time.thread_time()
        do()
        took.append(time.thread_time() - began)
    return min(took)


def test_status_takes_as_long_for_ten_times_the_seeds(folders: Mapping[int, Path]) -> None:
    few, many = (status_of_folder(folders[seeds]) for seeds in (FEW, MANY))
    assert (many.seeds.total, few.seeds.total) == (MANY, FEW)
    assert {name: one.candidates for name, one in many.pair_costs.items()} == {
        name: one.candidates * MANY // FEW for name, one in few.pair_costs.items()
    }
    less, more = (cpu_s(lambda folder=folders[seeds]: status_of_folder(folder)) for seeds in (FEW, MANY))  # type: ignore[misc]
    assert more <= 1.5 * less + 0.02, f"{less:.3f} and {more:.3f} s"


def test_a_row_of_an_export_costs_the_same_among_ten_times_as_many(folders: Mapping[int, Path]) -> None:
    def export(folder: Path, skip: int) -> None:
        with StoreReader(folder) as reader:
            rows = dataset_rows(reader, "messages", span=Span(skip, skip + ROWS))
            assert sum(len(json_line(row)) for row in rows) > ROWS

    less, more = (cpu_s(lambda of=(folders[seeds], seeds - ROWS): export(*of), 5) for seeds in (FEW, MANY))  # type: ignore[misc]
    assert more <= 1.5 * less, f"{1e6 * less / ROWS:.0f} and {1e6 * more / ROWS:.0f} µs a row"


def test_an_export_takes_no_more_memory_for_ten_times_the_rows(folders: Mapping[int, Path], tmp_path: Path) -> None:
    found = {seeds: cli("export", folders[seeds], "-o", tmp_path / f"{seeds}.jsonl") for seeds in (FEW, MANY)}
    for seeds in (FEW, MANY):
        with (tmp_path / f"{seeds}.jsonl").open("rb") as lines:
            assert sum(1 for _ in lines) == seeds
    assert found[MANY].peak_mb <= 1.05 * found[FEW].peak_mb + 1


def test_a_page_of_rows_costs_what_it_shows(folders: Mapping[int, Path]) -> None:
    def look(folder: Path) -> None:
        with StoreReader(folder) as reader:
            page = reader.ask(lambda connection: browsed_page(connection, Search(), cursor="", limit=50, seconds=60))
        assert (len(page.rows), page.looked_at) == (50, 50)

    less, more = (cpu_s(lambda folder=folders[seeds]: look(folder), 5) for seeds in (FEW, MANY))  # type: ignore[misc]
    assert more <= 1.5 * less + 0.01, f"{less:.3f} and {more:.3f} s"


async def test_a_start_and_a_lease_take_as_long_among_ten_times_the_seeds(folders: Mapping[int, Path]) -> None:
    async def open_and_lease(folder: Path, number: int) -> float:
        began = time.process_time()
        async with await Store.open(folder) as store:
            await store.add_seeds([Seed.of(Sample(instruction=f"Something new {number}?"))])
            (seed,) = await store.lease(1)
            await store.release(seed.id)
            counts, _ = await store.counts(), await store.pair_costs()
        assert counts.waiting == number + 1
        return time.process_time() - began

    less, more = [min([await open_and_lease(folders[seeds], number) for number in range(3)]) for seeds in (FEW, MANY)]
    assert more <= 1.5 * less + 0.02, f"{less:.3f} and {more:.3f} s"

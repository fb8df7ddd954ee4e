"""What reading and working stores of three sizes takes: the same command on each, so that what grows is seen.

What a process takes to start is on all of them, so a seed's cost is what more seeds take, divided by how many more.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from calls_bench.bench import say
from calls_bench.product import Place
from calls_bench.rows import Row
from calls_bench.seeds import seed_rows

from scale_bench.filling import agents_yaml
from scale_bench.processes import PRODUCT, Took, cli, module
from star_agents.storage.store import STORE_FILE

ALIKE = 1.1
"""Most that a seed of the largest store may cost, of what one of the smaller ones does."""
FLAT = 1.05
"""Most memory on the largest store, of what a tenth of it takes."""


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Three stores, by how many seeds they have: few, a tenth, and all."""

    folders: Mapping[int, Path]
    calls: Mapping[int, int]
    scratch: Path
    """For whatever is written."""
    worked: int
    """Seeds that are really worked."""
    core: int
    """For a daemon."""

    @property
    def few(self) -> int:
        """Seeds of the smallest."""
        return min(self.folders)

    @property
    def tenth(self) -> int:
        """Seeds of the middle one."""
        return sorted(self.folders)[1]

    @property
    def all(self) -> int:
        """Seeds of the largest."""
        return max(self.folders)


def _on_each(stores: Stores, what: str, measure: Callable[[int, Path], Took]) -> dict[int, Took]:
    found: dict[int, Took] = {}
    for seeds, folder in sorted(stores.folders.items()):
        found[seeds] = measure(seeds, folder)
        one = found[seeds]
        say(f"  {what} of {seeds:,}: CPU {one.cpu_s:.2f} s, wall {one.wall_s:.1f} s, {one.peak_mb:.0f} MB")
    return found


def _each_us(stores: Stores, found: Mapping[int, Took]) -> tuple[float, float]:
    """Microseconds that one seed more takes, between few and a tenth, and between a tenth and all."""

    def between(less: int, more: int) -> float:
        return 1e6 * (found[more].cpu_s - found[less].cpu_s) / (more - less)

    return between(stores.few, stores.tenth), between(stores.tenth, stores.all)


def _size(stores: Stores) -> str:
    return f"{stores.all:,} seeds, {stores.calls[stores.all]:,} calls"


def _row(stores: Stores, key: str, what: str, found: Mapping[int, Took], *, more: str = "", holds: bool = True) -> Row:
    first, then = _each_us(stores, found)
    memory = found[stores.all].peak_mb / found[stores.tenth].peak_mb
    one = found[stores.all]
    return Row(
        key=key,
        what=what,
        measured=f"a seed **{then / first:.2f}×** of what one costs up to {stores.tenth:,} ({then:.1f} against "
        f"{first:.1f} µs of CPU); memory **{memory:.2f}×** of a tenth ({one.peak_mb:.0f} MB); "
        f"{one.cpu_s:.1f} s of CPU{more}",
        target=f"≤ {ALIKE}×; ≤ {FLAT}×",
        holds=then <= ALIKE * first and memory <= FLAT and holds,
    )


def status(stores: Stores) -> Iterator[Row]:
    """`status` of a folder."""
    found = _on_each(stores, "status", lambda _, folder: cli("status", folder, "--json"))
    one = found[stores.all]
    memory = one.peak_mb / found[stores.tenth].peak_mb
    yield Row(
        key="status.status",
        what=f"`status`, {_size(stores)}",
        measured=f"**{one.cpu_s:.1f} s** of CPU, {found[stores.few].cpu_s:.1f} s with {stores.few:,} seeds; "
        f"memory {memory:.2f}× of a tenth ({one.peak_mb:.0f} MB)",
        target=f"≤ 10 s; ≤ {FLAT}×",
        holds=one.cpu_s <= 10 and memory <= FLAT,
    )


def report(stores: Stores) -> Iterator[Row]:
    """`report` of a folder."""
    page = stores.scratch / "report.html"
    found = _on_each(stores, "report", lambda _, at: cli("report", at, "-o", page))
    yield _row(stores, "report.report", f"`report`, {_size(stores)}", found)


def export(stores: Stores) -> Iterator[Row]:
    """`export`, against the reading and writing of the same lines by the standard library alone."""
    file = stores.scratch / "rows.jsonl"
    found = _on_each(stores, "export", lambda _, folder: cli("export", folder, "-o", file, "--processes", "1"))
    plain_us = min(_plain_us(file) for _ in range(3))
    _, each_us = _each_us(stores, found)
    rate = 1e6 / each_us
    told = (
        f"; **{rate:,.0f} rows** a second of CPU (aim 50,000); `json` alone reads and writes {1e6 / plain_us:,.0f}, "
        f"**{rate * plain_us / 1e6:.2f}×**"
    )
    yield _row(stores, "export.export", f"`export` to .jsonl, {_size(stores)}", found, more=told,
               holds=rate >= 50_000)  # fmt: skip
    yield _export_by_processes(stores, found)


def _export_by_processes(stores: Stores, by_one: Mapping[int, Took]) -> Row:
    """The largest store by a process per core, by the clock, what it takes to start included."""
    file, cores = stores.scratch / "rows.jsonl", len(os.sched_getaffinity(0))
    one, several = by_one[stores.all], cli("export", stores.folders[stores.all], "-o", file, "--processes", str(cores))
    rate = stores.all / several.wall_s
    return Row(
        key="export.processes",
        what=f"the same by {cores} processes",
        measured=f"**{rate:,.0f} rows** a second by the clock, {stores.all / one.wall_s:,.0f} by one process, "
        f"**{one.wall_s / several.wall_s:.2f}×**; {several.cpu_s:.1f} s of CPU against {one.cpu_s:.1f}; "
        f"the largest process has {several.peak_mb:.0f} MB",
        target="≥ 50,000 by the clock",
        holds=rate >= 50_000,
    )


def _plain_us(file: Path, rows: int = 20_000) -> float:
    """Microseconds of CPU that a line takes to be read and written by the standard library."""
    with file.open("rb") as lines:
        some = [line for line, _ in zip(lines, range(rows), strict=False)]
    began = time.process_time()
    for line in some:
        row = json.loads(line)
        json.dumps({**row, "provenance": json.dumps(json.loads(row["provenance"]), ensure_ascii=False)})
    return 1e6 * (time.process_time() - began) / len(some)


def intake(stores: Stores) -> Iterator[Row]:
    """Reading and queueing of as many seeds."""
    found = _on_each(stores, "intake", partial(_intake, stores, _config_of_none(stores)))
    yield _row(stores, "intake.intake", f"{stores.all:,} seeds read from a file and queued", found)


def run(stores: Stores) -> Iterator[Row]:
    """Seeds that are really worked, without a call: alone, and on top of all others."""
    config = _config_of_none(stores)
    few, many = stores.scratch / "few", stores.scratch / "worked"
    less, more = max(1, stores.worked // 10), stores.worked
    first = _work(stores, config, few, less)
    whole = _work(stores, config, many, more)
    beside = [_work(stores, config, stores.folders[stores.all], count) for count in (less, more)]
    alone_ms = 1000 * (whole.cpu_s - first.cpu_s) / (more - less)
    beside_ms = 1000 * (beside[1].cpu_s - beside[0].cpu_s) / (more - less)
    yield Row(
        key="run.run",
        what=f"a seed without a call worked on top of {stores.all:,} others ÷ in a new store",
        measured=f"**{beside_ms / alone_ms:.2f}×**; {beside_ms:.2f} against {alone_ms:.2f} ms of CPU, {more:,} seeds; "
        f"memory with all of them **{whole.peak_mb / first.peak_mb:.2f}×** of with a tenth ({whole.peak_mb:.0f} MB)",
        target=f"≤ {ALIKE}×; ≤ {FLAT}×",
        holds=beside_ms <= ALIKE * alone_ms and whole.peak_mb <= FLAT * first.peak_mb,
    )


def _config_of_none(stores: Stores) -> Path:
    """agents.yaml of a line that calls nobody."""
    path = stores.scratch / "base.yaml"
    star = {"base_pairs": [{"instruction": "keep", "response": "seed"}], "pairs": [], "selection": "base"}
    path.write_text(yaml.safe_dump({**agents_yaml(), "star": star}), "utf-8")
    return path


def _seed_file(stores: Stores, count: int, first: int) -> Path:
    path = stores.scratch / "seeds.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, count, 1000):
            for number, row in enumerate(seed_rows(min(1000, count - start))):
                told = {"instruction": f"Seed {first + start + number}. {row['instruction']}", "response": "He waits."}
                file.write(json.dumps(told) + "\n")
    return path


def _intake(stores: Stores, config: Path, seeds: int, _: Path) -> Took:
    out = stores.scratch / f"intake-{seeds}"
    return module("scale_bench.intake", config, _seed_file(stores, seeds, 0), out)


def _work(stores: Stores, config: Path, out: Path, count: int) -> Took:
    """Work seeds that the store has not yet."""
    done = module("scale_bench.intake", config, _seed_file(stores, count, 10_000_000 * count), out, "work")
    say(f"  run of {count:,} in {out.name}: CPU {done.cpu_s:.2f} s, {done.peak_mb:.0f} MB")
    return done


def serving(stores: Stores) -> Iterator[Row]:
    """A daemon on the largest store: until it is ready, and until a page can be used."""
    from page_bench.browser import open_browser, usable_after_s  # noqa: PLC0415 - playwright is of this part alone
    from page_bench.serving import serving as daemon_on  # noqa: PLC0415

    config = stores.scratch / "serve.yaml"
    config.write_text(yaml.safe_dump(agents_yaml()), "utf-8")
    place = Place(product=PRODUCT, folder=stores.scratch, core=stores.core)
    with daemon_on(place, config, stores.folders[stores.all]) as first:
        say(f"  first start {first.starting_s:.1f} s, CPU {first.cpu_s():.1f} s")
    with open_browser() as browser, daemon_on(place, config, stores.folders[stores.all]) as daemon:
        cpu_s = daemon.cpu_s()
        usable = sorted(usable_after_s(browser, daemon.url) for _ in range(3))
    of_today = _calls_of_today(stores.folders[stores.all])
    calls = f"{stores.calls[stores.all]:,} calls, {of_today:,} of them of today"
    yield Row(
        key="serving.restart",
        what=f"`serve` until it is ready, {stores.all:,} seeds, {calls}",
        measured=f"**{cpu_s:.1f} s** of CPU, {daemon.starting_s:.1f} s by the clock",
        target="≤ 10 s of CPU",
        holds=cpu_s <= 10,
    )
    yield Row(
        key="serving.page",
        what="page usable in Chromium, the daemon at rest",
        measured=f"**{usable[1]:.2f} s** ({usable[0]:.2f} to {usable[-1]:.2f}) by the clock",
        target="≤ 2 s",
        holds=usable[1] <= 2,
    )


def _calls_of_today(folder: Path) -> int:
    """Calls since the last midnight of UTC: what budgets of a day begin with."""
    with closing(sqlite3.connect(folder / STORE_FILE)) as store:
        query = "SELECT count(*) FROM calls WHERE intended_at >= :since"
        return int(store.execute(query, {"since": time.time() // 86_400 * 86_400}).fetchone()[0])


PARTS: Mapping[str, Callable[[Stores], Iterator[Row]]] = {
    "intake": intake,
    "run": run,
    "status": status,
    "report": report,
    "export": export,
    "serving": serving,
}
WITHOUT_STORES = ("intake",)
"""Parts that need to know how many seeds there are, and not the seeds."""


def rows_of(stores: Stores, names: list[str]) -> list[Row]:
    """Measure these parts, telling each row as it comes."""
    found = []
    for name in names or PARTS:
        for row in PARTS[name](stores):
            found.append(row)
            print(row, file=sys.stdout, flush=True)
    return found

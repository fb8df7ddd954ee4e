"""What is measured of both checkouts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from calls_bench import product, trouble
from calls_bench.bench import CLEAN, Bench
from calls_bench.product import Job, Place
from calls_bench.rows import Row
from calls_bench.speed import IN_FLIGHT, MANY_IN_FLIGHT
from page_bench import rounds as page

from against_bench.pairing import Figure, row, take_turns

STORED = 20_000
"""Outcomes in the store of the page."""
READERS = 20


@dataclass(frozen=True, kw_only=True)
class Both:
    """Old and new, each with a bench of its own on the same provider and core."""

    benches: Mapping[str, Bench]
    rounds: int

    def rows(self, figures: tuple[Figure, ...], measure: Callable[[Bench], Mapping[str, float]]) -> list[Row]:
        """Measure both in turns."""
        turns = {name: partial(measure, bench) for name, bench in self.benches.items()}
        found = take_turns(self.rounds, turns)
        return [row(figure, found) for figure in figures]


def cpu(both: Both) -> list[Row]:
    """CPU per call of the whole line, on both ways."""

    def measure(bench: Bench) -> dict[str, float]:
        seeds = bench.size(600)
        return {
            "cpu.direct": bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT), {}).cpu_per_call_ms,
            "cpu.litellm": bench.run(
                Job(seeds=seeds // 2, in_flight=IN_FLIGHT, transport="litellm"), {}
            ).cpu_per_call_ms,
        }

    figures = (
        Figure(key="cpu.direct", what="CPU per call, direct transport", unit="ms"),
        Figure(key="cpu.litellm", what="CPU per call, through LiteLLM", unit="ms"),
    )
    return both.rows(figures, measure)


def throughput(both: Both) -> list[Row]:
    """Calls per second at 200 ms, a thousand in flight."""

    def measure(bench: Bench) -> dict[str, float]:
        run = bench.run(Job(seeds=bench.size(1500), in_flight=MANY_IN_FLIGHT))
        return {"throughput": run.calls_per_s}

    what = "calls per second that one core sustains at 200 ms, 1,000 in flight"
    return both.rows((Figure(key="throughput", what=what, unit="calls/s", more_is_better=True),), measure)


def lag(both: Both) -> list[Row]:
    """How late the event loop is while 500 calls that were sent at once are on their way."""

    def measure(bench: Bench) -> dict[str, float]:
        run = bench.run(Job(seeds=500, in_flight=500, shape="one"), tick_s=trouble.TICK_S)
        return {"lag": 1000 * trouble.late_ticks(run)[0]}

    return both.rows((Figure(key="lag", what="500 calls at once: event-loop lag p99", unit="ms"),), measure)


def scoring(both: Both) -> list[Row]:
    """CPU seconds of the scorer on the same pairs, in a process of its own."""

    def measure(bench: Bench) -> dict[str, float]:
        command = [sys.executable, "-m", "against_bench.scoring_once", "--pairs", str(bench.size(60))]
        env = product.environment(bench.place.product)
        # That checkout's product under this one's bench, whose data lie beside this checkout.
        env["PYTHONPATH"] = f"{bench.place.product}{os.pathsep}{Path(__file__).resolve().parents[1]}"
        done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
        return {"scoring": float(json.loads(done.stdout)["cpu_s"])}

    what = "CPU of scoring the same pairs, Pythia-70m shape, one thread"
    return both.rows((Figure(key="scoring", what=what, unit="s"),), measure)


def page_figures(both: Both) -> list[Row]:
    """A daemon at full load on the same filled store: page, status, and CPU for each seed."""
    both.benches["old"].provider.reset(CLEAN)
    measuring = {name: _measuring(bench, both.benches["old"]) for name, bench in both.benches.items()}
    turns = {name: partial(_looked_at, one) for name, one in measuring.items()}
    found = take_turns(both.rounds, turns)
    stored = f"{STORED:,} outcomes, {READERS} readers"
    figures = (
        Figure(key="page.usable", what=f"page usable in Chromium at full load: {stored}", unit="s"),
        Figure(key="page.status", what="`GET /v1/status` beside them, median", unit="ms"),
        Figure(key="page.cpu", what="CPU of the daemon for each seed beside them", unit="ms"),
        Figure(key="page.starting", what="`serve` on that store: ready after", unit="s"),
    )
    return [row(figure, found) for figure in figures]


def _measuring(bench: Bench, old: Bench) -> page.Measuring:
    """The store is filled by the old checkout; the new one opens a copy of it, as a user's would."""
    folder = bench.place.folder / "page"
    folder.mkdir()
    config, filled = folder / "agents.yaml", old.place.folder / "filled"
    job = Job(seeds=0, in_flight=256)
    product.write_config(config, job, bench.provider.url, bench.place.product)
    if not filled.exists():
        code = (
            "import sys; from pathlib import Path; from page_bench.filling import fill; "
            "from star_agents.config.reading import read_config; "
            "fill(Path(sys.argv[1]), read_config(Path(sys.argv[2])), int(sys.argv[3]))"
        )
        old_config = old.place.folder / "filled.yaml"
        product.write_config(old_config, job, bench.provider.url, old.place.product)
        command = [sys.executable, "-c", code, str(filled), str(old_config), str(bench.size(STORED))]
        subprocess.run(command, env=product.environment(old.place.product), cwd=old.place.product, check=True)
    data = folder / "data"
    shutil.copytree(filled, data)
    place = Place(product=bench.place.product, folder=folder, core=bench.place.core)
    return page.Measuring(
        place=place,
        config=config,
        data=data,
        outcomes=bench.size(STORED),
        seeds=bench.size(600),
        readers=READERS,
        rounds=1,
    )


def _looked_at(measuring: page.Measuring) -> dict[str, float]:
    run = page.run_watched(measuring)
    return {
        "page.usable": median(run.usable_s),
        "page.status": 1000 * median(run.status_s),
        "page.cpu": run.cpu_ms,
        "page.starting": run.starting_s,
    }


PARTS: dict[str, Callable[[Both], list[Row]]] = {
    "cpu": cpu,
    "throughput": throughput,
    "lag": lag,
    "scoring": scoring,
    "page": page_figures,
}

"""The rounds: one daemon, probed at rest and under each kind of POST."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from calls_bench import product
from calls_bench.bench import say
from calls_bench.product import Place
from calls_bench.rows import Row
from hostile_bodies import HOSTILE
from page_bench.serving import Daemon, serving

from posts_bench.bodies import KINDS, SIZE

MOST_MS = 50.0
"""Of the 99th percentile."""
WHAT = {
    "rest": "`/livez` with no POST: p50, p99, longest",
    "list": "… with POSTs of {size} MB back to back, a JSON list of new seeds",
    "lines": "… the same as JSON lines",
    "hostile": "… bodies that cost more than they weigh, {kinds} kinds in turn",
}


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a probe saw."""

    waits: list[float]
    """Milliseconds, sorted."""
    answers: Counter[str]
    """Of the POSTs meanwhile, by status."""
    load: float
    """Of the machine, the last minute's, when it ended."""

    def at(self, share: float) -> float:
        """A percentile."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


def rows(place: Place, config: Path, seconds: float) -> list[Row]:
    """Measure, and say what came of it."""
    with serving(place, config, place.folder / "data") as daemon:
        daemon.ask("POST", "/v1/pause")
        return [_row(kind, _probed(place, daemon, kind, seconds)) for kind in WHAT]


def _probed(place: Place, daemon: Daemon, kind: str, seconds: float) -> Probed:
    places = (place.product, place.product / "tests", place.product / "tools" / "bench")
    env = {**product.environment(place.product), "PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, "-m", "posts_bench.poster", "--url", daemon.url, "--kind", kind]
    poster = None
    if kind in KINDS:
        poster = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert poster.stdin is not None
        assert poster.stdout is not None
        poster.stdout.readline()
        poster.stdin.write("begin\n")
        poster.stdin.flush()
    command = [sys.executable, "-m", "posts_bench.probe", "--url", daemon.url, "--seconds", str(seconds)]
    waits = json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout)
    told = poster.communicate()[0] if poster else "{}"
    found = Probed(waits=sorted(waits), answers=Counter(json.loads(told)), load=os.getloadavg()[0])
    say(f"  {kind}: {found.at(0.5):.1f}, {found.at(0.99):.1f}, {found.waits[-1]:.1f} ms; {dict(found.answers)}")
    return found


def _row(kind: str, found: Probed) -> Row:
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(found.answers.items()))
    posts = f"; {sum(found.answers.values())} POSTs ({answers})" if answers else ""
    return Row(
        key=f"posts.{kind}",
        what=WHAT[kind].format(size=round(SIZE / 1e6), kinds=len(HOSTILE)),
        measured=f"{found.at(0.5):.1f}, **{found.at(0.99):.1f}**, {found.waits[-1]:.1f} ms of "
        f"{len(found.waits):,}{posts}; load {found.load:.1f}{_priority()}",
        target="" if kind == "rest" else f"p99 ≤ {MOST_MS:.0f} ms",
        holds=None if kind == "rest" else found.at(0.99) <= MOST_MS,
    )


def _priority() -> str:
    nice = os.nice(0)
    return f", nice {nice}" if nice else ""

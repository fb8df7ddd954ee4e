"""The rounds: a daemon that works off new seeds, with pages and without, on a store of many outcomes."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from calls_bench.bench import say
from calls_bench.product import Place
from calls_bench.rows import Row, ratios, spread

from page_bench.browser import open_browser, usable_after_s
from page_bench.serving import Daemon, Pages, Polling, serving

WARM_UP = 0.1
"""Share of the seeds before the pace is taken: connections open, and the line fills."""
LOADS = 3
"""Of the page in each round."""


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """One call of the tool."""

    place: Place
    config: Path
    data: Path
    """The store; every run adds to it."""
    outcomes: int
    """That it began with."""
    seeds: int
    """New ones in each run."""
    readers: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run showed."""

    pace: float
    """Seeds per second."""
    cpu_ms: float
    """Of the daemon, for each seed."""
    starting_s: float
    status_s: tuple[float, ...] = ()
    usable_s: tuple[float, ...] = ()
    whole: bool = True
    """Whether every reader got every outcome."""


def rows(measuring: Measuring) -> list[Row]:
    """Measure in turns, and say what came of it."""
    plain: list[Run] = []
    watched: list[Run] = []
    for number in range(measuring.rounds):
        turns = [(plain, partial(run_alone, measuring)), (watched, partial(run_watched, measuring))]
        for runs, run in turns if number % 2 == 0 else turns[::-1]:
            runs.append(run())
            say(f"  round {number + 1}: {runs[-1].pace:.1f} seeds/s, ready after {runs[-1].starting_s:.1f} s")
    return [_usable(measuring, watched), _status(measuring, watched), _pace(measuring, plain, watched)]


def run_alone(measuring: Measuring) -> Run:
    """Nobody looks."""
    with serving(measuring.place, measuring.config, measuring.data) as daemon:
        first = daemon.latest_seq()
        daemon.add(first, measuring.seeds)
        cpu_ms = _work_off(measuring, daemon, first)
    return Run(pace=_pace_after(measuring, first), cpu_ms=cpu_ms, starting_s=daemon.starting_s)


def run_watched(measuring: Measuring) -> Run:
    """Pages are open and somebody asks for the status all the time; then, still at work, the page is loaded anew."""
    with ExitStack() as stack:
        browser = stack.enter_context(open_browser())
        daemon = stack.enter_context(serving(measuring.place, measuring.config, measuring.data))
        first = daemon.latest_seq()
        with Pages(measuring.place, daemon.url, measuring.readers) as pages:
            daemon.add(first, 2 * measuring.seeds)
            polling = Polling(partial(daemon.ask, "GET", "/v1/status"))
            cpu_ms = _work_off(measuring, daemon, first, polling)
            usable = tuple(usable_after_s(browser, daemon.url) for _ in range(LOADS))
            is_at_work = daemon.latest_seq() < first + 2 * measuring.seeds
            daemon.wait_for(first + 2 * measuring.seeds)
            told = pages.end(first + 2 * measuring.seeds)
    rest = "" if is_at_work else ", the last one at rest"
    say(f"  page {usable} s{rest}; outcomes that a reader got: {sorted(set(told['outcomes']))}")
    return Run(
        pace=_pace_after(measuring, first),
        cpu_ms=cpu_ms,
        starting_s=daemon.starting_s,
        status_s=tuple(polling.seconds),
        usable_s=usable,
        whole=set(told["outcomes"]) == {2 * measuring.seeds} and not any(told["gaps"]),
    )


def _work_off(
    measuring: Measuring, daemon: Daemon, first: int, meanwhile: AbstractContextManager[object] | None = None
) -> float:
    """Wait until a run's seeds are done; returns the milliseconds of CPU that each took, but for the first ones."""
    daemon.wait_for(first + round(WARM_UP * measuring.seeds))
    with meanwhile or nullcontext():
        cpu_s, seq = daemon.cpu_s(), daemon.latest_seq()
        daemon.wait_for(first + measuring.seeds)
        return 1000 * (daemon.cpu_s() - cpu_s) / (daemon.latest_seq() - seq)


def _pace_after(measuring: Measuring, first: int) -> float:
    """Seeds per second by the store's own clock, over the seeds of a run but the first ones."""
    begin, end = first + round(WARM_UP * measuring.seeds), first + measuring.seeds
    with closing(sqlite3.connect(f"file:{measuring.data / 'store.sqlite3'}?mode=ro", uri=True)) as store:
        query = "SELECT max(at) - min(at) FROM outcomes WHERE seq IN (?, ?)"
        (seconds,) = store.execute(query, (begin, end)).fetchone()
    return (end - begin) / float(seconds)


def _pace(measuring: Measuring, plain: list[Run], watched: list[Run]) -> Row:
    alone, looked_at = [run.pace for run in plain], [run.pace for run in watched]
    found = ratios(looked_at, alone)
    cpu = [median(run.cpu_ms for run in runs) for runs in (watched, plain)]
    missed = "" if all(run.whole for run in watched) else "; **outcomes were missed**"
    return Row(
        key="page.pace",
        what=f"seeds per second with {measuring.readers} readers of the events ÷ with none",
        measured=f"{spread(found)}×; {median(looked_at):.1f} against {median(alone):.1f}, by CPU of the daemon "
        f"{cpu[1] / cpu[0]:.2f}×, {cpu[0]:.1f} ms a seed against {cpu[1]:.1f} ms{missed}",
        target="≥ 0.95×, no outcome missed",
        holds=median(found) >= 0.95 and not missed,
    )


def _status(measuring: Measuring, watched: list[Run]) -> Row:
    p99 = [1000 * sorted(run.status_s)[int(0.99 * len(run.status_s))] for run in watched]
    asked = [1000 * one for run in watched for one in run.status_s]
    return Row(
        key="page.status",
        what=f"`GET /v1/status` at full load beside {measuring.readers} readers: p99",
        measured=f"{spread(p99, '.0f')} ms; median {median(asked):.0f} ms of {len(asked):,} answers",
        target="≤ 50 ms",
        holds=median(p99) <= 50,
    )


def _usable(measuring: Measuring, watched: list[Run]) -> Row:
    loads = [seconds for run in watched for seconds in run.usable_s]
    starting = median(run.starting_s for run in watched)
    return Row(
        key="page.usable",
        what=f"page usable in Chromium at full load: {measuring.outcomes:,} outcomes, {measuring.readers} readers",
        measured=f"{spread(loads)} s; the daemon itself was ready after {starting:.1f} s",
        target="≤ 2 s",
        holds=median(loads) <= 2,
    )

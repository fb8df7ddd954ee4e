"""Rate limits, a call that hangs, a late event loop, a long run full of faults, a budget."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from functools import partial
from statistics import linear_regression, median

from calls_bench.bench import CLEAN, Bench, say
from calls_bench.product import Job
from calls_bench.rows import Row, ratios, spread
from calls_bench.speed import TRANSPORTS, complained
from calls_bench.watching import Watched

IN_FLIGHT = 64
TICK_S = 0.005
FAULTS = {
    "429": 0.05,
    "500": 0.035,
    "503": 0.02,
    "reset": 0.03,
    "stall": 0.005,
    "cut": 0.02,
    "garbage": 0.02,
    "refusal": 0.02,
}
PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
BUDGET_USD = 0.1


def faults(bench: Bench) -> list[Row]:
    """10 % 429 without Retry-After, on both jobs; and one call of many that never ends."""
    limited = {**CLEAN, "faults": {"429": 0.1}}
    rows: list[Row] = []
    for job in (Job(seeds=bench.size(500), in_flight=IN_FLIGHT, shape=shape) for shape in ("four", "one")):
        runs = bench.interleave({"clean": partial(bench.run, job), "429": partial(bench.run, job, limited)})
        clean, found = ([one.wall_s for one in runs[name]] for name in ("clean", "429"))
        sending = ratios([one.sending_s for one in runs["429"]], [one.sending_s for one in runs["clean"]])
        rows.append(
            Row(
                key=f"faults.429-{job.shape}",
                what=f"10 % 429: wall ÷ own clean wall, {job.calls:,} calls, {job.calls // job.seeds} a seed",
                measured=f"{spread(ratios(found, clean))}×; {median(found):.1f} s against {median(clean):.1f} s; "
                f"without start-up {median(sending):.2f}×",
                target="≤ 1.4×",
                holds=median(ratios(found, clean)) <= 1.4,
            )
        )
    return [*rows, _hang(bench)]


def _hang(bench: Bench) -> Row:
    """When the last of the others is done, after the first request; the clean run's last seed beside it."""
    seeds = bench.size(500)
    job = Job(seeds=seeds, in_flight=IN_FLIGHT, agent={"timeout_s": 20.0})
    runs = bench.interleave(
        {"clean": lambda: bench.run(job), "hang": lambda: bench.run(job, {**CLEAN, "hang": job.calls // 2})}
    )
    clean = [_done_after(one, seeds) for one in runs["clean"]]
    others = [_done_after(one, seeds - 1) for one in runs["hang"]]
    late = [one - other for one, other in zip(others, clean, strict=True)]
    whole = all(json.loads(one.out)["counts"]["done"] == seeds for one in runs["hang"])
    return Row(
        key="faults.hang",
        what="one call hangs: the others' end after the clean end",
        measured=f"{spread(late)} s; the hung seed ended too, after its time-out: {'yes' if whole else 'no'}",
        target="≤ 1 s",
        holds=median(late) <= 1 and whole,
    )


def _done_after(run: Watched, seeds: int) -> float:
    """Seconds from the first request until so many seeds had their outcome, by the store's own clock."""
    store = run.folder / "out" / "store.sqlite3"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as rows:
        (at,) = rows.execute("SELECT at FROM outcomes ORDER BY at LIMIT 1 OFFSET ?", (seeds - 1,)).fetchone()
    return float(at) - (time.time() - time.monotonic()) - float(run.stats["first_arrival"])


def lag(bench: Bench) -> list[Row]:
    """How late the event loop is while 500 calls that were sent at once are on their way."""
    rows: list[Row] = []
    for name, transport in TRANSPORTS:
        job = Job(seeds=500, in_flight=500, shape="one", transport=transport)
        runs = [bench.run(job, tick_s=TICK_S) for _ in range(bench.rounds)]
        late = [late_ticks(run) for run in runs]
        p99, plain, worst = ([1000 * one[index] for one in late] for index in (0, 1, 2))
        rows.append(
            Row(
                key=f"lag.{name}",
                what=f"500 calls at once, {name}: event-loop lag p99",
                measured=f"{spread(p99, '.0f')} ms (of the ticks that came: {median(plain):.0f} ms), longest "
                f"{median(worst):.0f} ms; "
                f"{runs[0].stats['in_flight_peak']} in flight at the provider",
                target="≤ 50 ms" if name == "direct" else "",
                holds=median(p99) <= 50 if name == "direct" else None,
            )
        )
    return rows


def late_ticks(run: Watched) -> tuple[float, float, float]:
    """p99, p99 of the ticks that came, and longest, in seconds, from first request to last answer.

    A stall hides the ticks that would have come while it lasted; they are counted as late as they would have been, else
    one second of standing still would be one tick in a thousand.
    """
    told = json.loads(run.out)
    begin, end = run.stats["first_arrival"], run.stats["last_answer"]
    ticks = zip(told["due"], told["late"], strict=True)
    late = sorted(late for due, late in ticks if due + late >= begin and due <= end)
    filled = sorted(one - step * TICK_S for one in late for step in range(int(one / TICK_S) + 1))
    return filled[int(0.99 * len(filled))], late[int(0.99 * len(late))], late[-1]


def soak(bench: Bench) -> list[Row]:
    """50,000 calls, every fifth of which goes wrong in one of eight ways."""
    seeds = bench.size(10_000)
    job = Job(seeds=seeds, in_flight=IN_FLIGHT, agent={"timeout_s": 10.0})
    run = bench.run(job, {"latency_s": 0.02, "faults": FAULTS}, tick_s=0.05)
    told, stats = json.loads(run.out), run.stats
    counts = told["counts"]
    growth = _growth(run)
    left = len(told["tasks_left"]) + told["sockets_left"] + complained(run)
    ended = counts["kept"] + counts["base"] + counts["dropped"] == seeds
    say(f"  faults {stats['faults']}; tasks left {told['tasks_left']}; errors: {run.errors[-1500:]}")
    return [
        Row(
            key="soak.mixed",
            what=f"{stats['arrived']:,} calls, {sum(stats['faults'].values()) / stats['arrived']:.0%} mixed faults",
            measured=f"{counts['kept'] + counts['base']:,} of {seeds:,} seeds with a row, {counts['dropped']} dropped "
            f"with a reason; RSS **{growth:+.1f} MB** per 10,000 calls; {len(told['tasks_left'])} tasks and "
            f"{told['sockets_left']} sockets left over, at most {told['most_tasks']} tasks; "
            f"{stats['answered'] / run.sending_s:.0f} answers/s",
            target="every seed ends; ≤ 5 MB; nothing left",
            holds=ended and growth <= 5 and not left,
        )
    ]


def _growth(run: Watched) -> float:
    """MB of resident memory per 10,000 answers: the slope after the first fifth, until the last answer."""
    total = run.stats["answered"]
    looks = [look for look in run.looks if 0.2 * total < look.answered < total]
    slope = linear_regression([look.answered for look in looks], [look.rss_mb for look in looks]).slope
    return 10_000 * slope


def budget(bench: Bench) -> list[Row]:
    """A thousand calls that want to go at once against a budget for a hundred or two."""
    job = Job(
        seeds=1000,
        in_flight=1000,
        shape="one",
        agent={**PRICE, "max_tokens": 256},
        top={"budget_usd": BUDGET_USD},
    )
    billed = []
    for _ in range(bench.rounds):
        stats = bench.run(job).stats
        billed.append(stats["prompt_tokens"] * 1e-6 + stats["completion_tokens"] * 2e-6)
        say(f"  {stats['arrived']} calls sent, ${billed[-1]:.4f} billed of ${BUDGET_USD}")
    over = max(0.0, *(one - BUDGET_USD for one in billed))
    return [
        Row(
            key="budget.parallel",
            what=f"1,000 parallel calls against a budget of ${BUDGET_USD}",
            measured=f"overspend **${over:g}**; billed by the provider: ${median(billed):.4f}",
            target="0",
            holds=over == 0,
        )
    ]

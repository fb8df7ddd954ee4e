"""The job of 500 seeds, four candidates and a judgement each, beside the peers; start-up included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

from calls_bench.bench import Bench
from calls_bench.peers import Peer
from calls_bench.product import Form, Job
from calls_bench.rows import Row, ratios, spread
from calls_bench.speed import FORMS
from calls_bench.watching import Watched

SEEDS = 500
CANDIDATES = 4
IN_FLIGHT = 256


def peers(bench: Bench) -> list[Row]:
    """Candidates per CPU-second of the whole process tree at 200 ms."""
    seeds = bench.size(SEEDS)
    contestants: dict[str, Callable[[], Watched]] = {
        "direct": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT)),
        "litellm": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT, transport="litellm")),
        "curator": lambda: bench.peer("curator", seeds),
    }
    for batch in bench.batches:
        contestants[f"distilabel-{batch}"] = partial(bench.peer, "distilabel", seeds, batch=batch)
    runs = bench.interleave(contestants)
    speed = {name: [CANDIDATES * seeds / one.cpu_s for one in found] for name, found in runs.items()}
    best = max((name for name in speed if name.startswith("distilabel")), key=lambda name: median(speed[name]))
    requests = {name: found[0].stats["arrived"] for name, found in runs.items()}
    return [
        _row(name, peer, title, ratios(speed[name], speed[peer]), speed, requests)
        for peer, title in (("curator", "bespokelabs-curator"), (best, f"distilabel, batch {best.rpartition('-')[2]}"))
        for name in ("direct", "litellm")
    ]


PLAIN: Mapping[Form, dict[str, Any]] = {"openai": {"user": "bench"}, "anthropic": {}}
"""Parameters with which a call is plain, and none that the direct way takes."""
OURS = {"": "plain calls", "-litellm": "LiteLLM writes and we send"}
"""By the end of a contestant's name."""
PAIRS: tuple[tuple[Form, Peer, str], ...] = tuple(
    (form, peer, ours) for ours in OURS for peer in ("curator", "distilabel") for form in PLAIN
)
"""Protocol of the provider, the peer, and which of our ways."""


def _through_providers(bench: Bench, *, pss: bool = False) -> dict[str, list[Watched]]:
    """The job through providers that used to need LiteLLM, ours and the peers': by ``ours-FORM``, ``PEER-FORM``."""
    seeds, batch = bench.size(SEEDS), bench.batches[0]
    contestants: dict[str, Callable[[], Watched]] = {}
    for form, _, left_to_litellm in FORMS:
        for end, extra in (("", PLAIN[form]), ("-litellm", left_to_litellm)):
            job = Job(seeds=seeds, in_flight=IN_FLIGHT, form=form, agent={"extra": extra})
            contestants[f"ours-{form}{end}"] = partial(bench.run, job, pss=pss)
        contestants[f"curator-{form}"] = partial(bench.peer, "curator", seeds, form=form, pss=pss)
        contestants[f"distilabel-{form}"] = partial(bench.peer, "distilabel", seeds, batch=batch, form=form, pss=pss)
    return bench.interleave(contestants)


def translated(bench: Bench) -> list[Row]:
    """Candidates per CPU-second of the whole process tree at 200 ms through providers that used to need LiteLLM."""
    candidates = CANDIDATES * bench.size(SEEDS)
    runs = _through_providers(bench)
    speed = {name: [candidates / one.cpu_s for one in found] for name, found in runs.items()}
    requests = {name: found[0].stats["arrived"] for name, found in runs.items()}
    start = {name: median(one.start_up_cpu_s for one in found) for name, found in runs.items()}
    return [
        Row(
            key=f"peers_translated.{peer}-{form}{end}",
            what=f"candidates per CPU-second through a provider of {form}'s form, {OURS[end]}, ÷ {peer}",
            measured=f"{spread(found)}×; {median(speed[ours]):.0f} against {median(speed[theirs]):.0f}; "
            f"{requests[ours]:,} requests against {requests[theirs]:,}; "
            f"CPU until the first request {start[ours]:.1f} s against {start[theirs]:.1f} s",
            target="≥ 1.5×",
            holds=median(found) >= 1.5,
        )
        for form, peer, end in PAIRS
        for ours, theirs in [(f"ours-{form}{end}", f"{peer}-{form}")]
        for found in [ratios(speed[ours], speed[theirs])]
    ]


def memory_translated(bench: Bench) -> list[Row]:
    """Peak memory of the whole process tree on that job."""
    runs = _through_providers(bench, pss=True)
    peak = {name: [one.peak_pss_mb for one in found] for name, found in runs.items()}
    start = {name: median(one.start_up_pss_mb for one in found) for name, found in runs.items()}
    resident = {name: median(one.peak_rss_mb for one in found) for name, found in runs.items()}
    return [
        Row(
            key=f"memory_translated.{peer}-{form}{end}",
            what=f"peak memory (PSS of the process tree) there, {form}'s form, {OURS[end]}, ÷ {peer}",
            measured=f"{spread(found)}×; {median(peak[ours]):.0f} MB against {median(peak[theirs]):.0f} MB, "
            f"of which {start[ours]:.0f} and {start[theirs]:.0f} before the first request; "
            f"sum of RSS {resident[ours]:.0f} MB against {resident[theirs]:.0f} MB",
            target="≤ 0.5×",
            holds=median(found) <= 0.5,
        )
        for form, peer, end in PAIRS
        for ours, theirs in [(f"ours-{form}{end}", f"{peer}-{form}")]
        for found in [ratios(peak[ours], peak[theirs])]
    ]


def _row(
    name: str, peer: str, title: str, found: list[float], speed: dict[str, list[float]], requests: dict[str, int]
) -> Row:
    return Row(
        key=f"peers.{peer.partition('-')[0]}-{name}",
        what=f"candidates per CPU-second, {name}, ÷ {title}",
        measured=f"{spread(found)}×; {median(speed[name]):.0f} against {median(speed[peer]):.0f}; "
        f"{requests[name]:,} requests against {requests[peer]:,}",
        target="≥ 1.5×" if name == "direct" else "",
        holds=median(found) >= 1.5 if name == "direct" else None,
    )


def memory(bench: Bench) -> list[Row]:
    """Peak proportional set size of the whole process tree on the same job."""
    seeds, batch = bench.size(SEEDS), bench.batches[0]
    runs = bench.interleave(
        {
            "ours": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT), pss=True),
            "distilabel": lambda: bench.peer("distilabel", seeds, batch=batch, pss=True),
            "curator": lambda: bench.peer("curator", seeds, pss=True),
        }
    )
    peak = {name: [one.peak_pss_mb for one in found] for name, found in runs.items()}
    found = ratios(peak["ours"], peak["distilabel"])
    return [
        Row(
            key="memory.distilabel",
            what=f"peak memory of that job (PSS of the process tree) ÷ distilabel, batch {batch}",
            measured=f"{spread(found)}×; {median(peak['ours']):.0f} MB against {median(peak['distilabel']):.0f} MB "
            f"(curator {median(peak['curator']):.0f} MB)",
            target="≤ 0.55×",
            holds=median(found) <= 0.55,
        )
    ]

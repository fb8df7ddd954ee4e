"""The job of 500 seeds, four candidates and a judgement each, beside the peers; start-up included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

from calls_bench.bench import Bench
from calls_bench.product import Job
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


def translated(bench: Bench) -> list[Row]:
    """The same through providers that LiteLLM only translates for; distilabel's pins have no client of Anthropic's."""
    seeds, batch = bench.size(SEEDS), bench.batches[0]
    extra = {form: words for form, _, words in FORMS}
    runs = bench.interleave(
        {
            "openai": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT, agent={"extra": extra["openai"]})),
            "anthropic": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT, form="anthropic")),
            "curator": lambda: bench.peer("curator", seeds),
            "curator-anthropic": lambda: bench.peer("curator", seeds, form="anthropic"),
            "distilabel": lambda: bench.peer("distilabel", seeds, batch=batch),
        }
    )
    speed = {name: [CANDIDATES * seeds / one.cpu_s for one in found] for name, found in runs.items()}
    requests = {name: found[0].stats["arrived"] for name, found in runs.items()}
    pairs = (("openai", "curator"), ("anthropic", "curator-anthropic"), ("openai", "distilabel"))
    return [
        Row(
            key=f"peers_translated.{peer}",
            what=f"candidates per CPU-second, {form} form, LiteLLM writes and we send, ÷ {peer.partition('-')[0]}",
            measured=f"{spread(found)}×; {median(speed[form]):.0f} against {median(speed[peer]):.0f}; "
            f"{requests[form]:,} requests against {requests[peer]:,}",
            target="≥ 1.5×",
            holds=median(found) >= 1.5,
        )
        for form, peer in pairs
        for found in [ratios(speed[form], speed[peer])]
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

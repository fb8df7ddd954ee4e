"""CPU per call, calls per second of one core, the price of many deployments."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

from calls_bench.bench import Bench
from calls_bench.product import Form, Job, Transport
from calls_bench.rows import Row, ratios, spread
from calls_bench.watching import Watched

IN_FLIGHT = 64
MANY_IN_FLIGHT = 1000
UNCLOSED = ("Unclosed", "never closed", "never retrieved", "was destroyed", "never awaited")
TRANSPORTS: tuple[tuple[str, Transport], ...] = (("direct", "auto"), ("litellm", "litellm"))
FORMS: tuple[tuple[Form, str, dict[str, Any]], ...] = (
    ("openai", "OpenAI's", {"logit_bias": {"7": 1}, "user": "bench"}),
    ("anthropic", "Anthropic's", {"top_k": 40}),
)
"""Protocol, title, and parameters that leave the writing to LiteLLM."""


def cpu(bench: Bench) -> list[Row]:
    """Whole line over bare Router at 64 in flight and no latency, from 20 % of the calls to the process's end."""
    seeds = bench.size(600)
    runs = bench.interleave(
        {
            "bare": lambda: bench.bare(seeds, IN_FLIGHT, {}),
            "litellm": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT, transport="litellm"), {}),
            "direct": lambda: bench.run(Job(seeds=seeds, in_flight=IN_FLIGHT), {}),
        }
    )
    cost = {name: [one.cpu_per_call_ms for one in found] for name, found in runs.items()}
    return [
        Row(
            key=f"cpu.{name}",
            what=f"CPU per call, whole line ÷ bare `Router.acompletion`, {title}",
            measured=f"{spread(found)}×; {median(cost[name]):.2f} ms against {median(cost['bare']):.2f} ms",
            target=f"≤ {target}×",
            holds=median(found) <= target,
        )
        for name, title, target in (("litellm", "through LiteLLM", 1.25), ("direct", "direct transport", 0.35))
        for found in [ratios(cost[name], cost["bare"])]
    ]


def translated(bench: Bench) -> list[Row]:
    """The same for providers that LiteLLM only translates for: in OpenAI's form, and in Anthropic's."""
    seeds = bench.size(600)
    rows: list[Row] = []
    for form, title, extra in FORMS:
        job = Job(seeds=seeds, in_flight=IN_FLIGHT, form=form, agent={"extra": extra})
        whole = replace(job, transport="litellm")
        runs = bench.interleave(
            {
                "bare": partial(bench.bare, seeds, IN_FLIGHT, {}, form),
                "litellm": partial(bench.run, whole, {}),
                "translated": partial(bench.run, job, {}),
            }
        )
        cost = {name: [one.cpu_per_call_ms for one in found] for name, found in runs.items()}
        found = ratios(cost["translated"], cost["bare"])
        rows.append(
            Row(
                key=f"translated.{form}",
                what=f"CPU per call, whole line ÷ bare `Router.acompletion`, {title} form: LiteLLM writes, we send",
                measured=f"{spread(found)}×; {median(cost['translated']):.2f} ms against "
                f"{median(cost['bare']):.2f} ms; "
                f"`transport: litellm` {median(ratios(cost['litellm'], cost['bare'])):.2f}×",
                target="≤ 0.35×",
                holds=median(found) <= 0.35,
            )
        )
    return rows


def throughput(bench: Bench) -> list[Row]:
    """Calls per second at 200 ms with a thousand in flight, from the first request to the last answer."""
    seeds = bench.size(2000)
    runs = bench.interleave(
        {
            "bare": lambda: bench.bare(seeds // 2, MANY_IN_FLIGHT),
            "direct": lambda: bench.run(Job(seeds=seeds, in_flight=MANY_IN_FLIGHT)),
        }
    )
    by_wall = {name: [one.calls_per_s for one in found] for name, found in runs.items()}
    by_cpu = {name: [one.calls_per_cpu_s for one in found] for name, found in runs.items()}
    found = ratios(by_wall["direct"], by_wall["bare"])
    return [
        Row(
            key="throughput.direct",
            what="calls per second that one core sustains at 200 ms, 1,000 in flight, whole line ÷ bare Router",
            measured=f"{spread(found)}×; {median(by_wall['direct']):.0f} against {median(by_wall['bare']):.0f}; "
            f"per CPU second {median(ratios(by_cpu['direct'], by_cpu['bare'])):.2f}×, "
            f"{median(by_cpu['direct']):.0f} against {median(by_cpu['bare']):.0f}",
            target="≥ 4×",
            holds=median(found) >= 4,
        )
    ]


def deployments(bench: Bench) -> list[Row]:
    """CPU per call with 300 deployments over that with 12: six agents with fifty and with two, a key for each."""
    seeds = bench.size(600)
    rows: list[Row] = []
    for name, transport in TRANSPORTS:
        jobs = {
            number: Job(seeds=seeds, in_flight=IN_FLIGHT, transport=transport, deployments=number // 6)
            for number in (12, 300)
        }
        runs = bench.interleave({str(number): partial(bench.run, job, {}) for number, job in jobs.items()})
        few, many = ([one.cpu_per_call_ms for one in runs[number]] for number in ("12", "300"))
        found = ratios(many, few)
        complaints = sum(map(complained, runs["300"]))
        rows.append(
            Row(
                key=f"deployments.{name}",
                what=f"300 distinct deployments, {name}: CPU per call ÷ that of 12",
                measured=f"{spread(found)}×; {median(many):.2f} ms against {median(few):.2f} ms; "
                f"{complaints} complaints about unclosed sessions",
                target="≤ 1.2×, none unclosed",
                holds=median(found) <= 1.2 and not complaints,
            )
        )
    return rows


def complained(run: Watched) -> int:
    """Lines of standard error about sessions, tasks and transports that were not closed."""
    return sum(any(word in line for word in UNCLOSED) for line in run.errors.splitlines())

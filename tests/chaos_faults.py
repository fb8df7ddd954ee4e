"""Seeds of which one candidate's text makes the referee's provider fail, in every way that providers fail.

The text costs its own candidate the win, and nothing else: every seed ends, each other candidate has its verdict, the
budget is not passed and stops nobody.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lines import config_for, results, run, seeds
from openai_server import Answer, Body, Cut, Fault, Garbage, Move, OpenAIServer, brain
from star_outcomes import read_star_outcome as stars

from star_agents.records import Outcome

FAULTS: Mapping[str, Move] = {
    "400": Fault(status=400, message="invalid token in the prompt"),
    "413": Fault(status=413, message="too large"),
    "422": Fault(status=422, message="cannot be processed"),
    "filtered": Fault(status=400, message="flagged by our safety system", code="content_policy_violation"),
    "500": Fault(status=500, message="the tokenizer broke"),
    "503": Fault(status=503, message="the worker died"),
    "cut": Cut(),
    "garbage": Garbage(),
    "unreadable": Answer(text="Both are fine by me, { and } alike."),
}
HUGE = "huge"
_MARK = re.compile(r"<\|fault:(\w+)\|>")
_SHARE = 0.3
"""Of seeds with a poisoned candidate."""
_CONFIG = """{candidates: 2, concurrency: 4, memory: false, evolution: {policy: uniform}, reward: all, budget_usd: 1000,
pairs: [{instruction: keep, response: a}, {instruction: keep, response: b}], referee: {agents: [c], exam: 'off'},
failure_limits: {share: 1.0}}"""
_PER_AGENT = ", retries: 0, max_tokens: 300, input_cost_per_token: 0.00001, output_cost_per_token: 0.00001"


@dataclass
class Report:
    """What became of the seeds."""

    poisoned: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def poison(folder: Path, *, rounds: int, seed: int) -> Report:
    """Work so many seeds, a share of them with a poisoned candidate."""
    return asyncio.run(_poison(folder, rounds, random.Random(seed)))


async def _poison(folder: Path, rounds: int, chance: random.Random) -> Report:
    # The first seed is sound: before a referee has answered anything, nobody knows that it is the text.
    kinds = {
        number: chance.choice([*FAULTS, HUGE]) if number and chance.random() < _SHARE else ""
        for number in range(rounds)
    }

    def moves(body: Body) -> Move:
        prompt = str(body["messages"])
        if mark := _MARK.search(prompt):
            return FAULTS[mark[1]]
        number = re.search(r"What is (\d+) plus", prompt)
        kind = kinds[int(number[1])] if number and body["model"] == "b" else ""
        if kind == HUGE:
            return Answer(text="many words " * 200_000, completion_tokens=30)
        return Answer(text=f"<|fault:{kind}|> is how it begins.") if kind else brain(body)

    report = Report(poisoned=Counter(filter(None, kinds.values())))
    async with OpenAIServer(moves) as server:
        done = await run(config_for(server.url, per_agent=_PER_AGENT, replaced=_CONFIG), seeds(rounds), folder)
    report.violations += [f"the run stopped: {done.stopped_by}"] * bool(done.stopped_by)
    found = {row.seed.sample.instruction: row.outcome for row in results(folder)}
    for number, kind in kinds.items():
        outcome = found.get(f"What is {number} plus one?")
        report.ended[outcome.kind if outcome else "lost"] += 1
        wrong = "has no outcome" if outcome is None else _wrong(outcome, kind)
        report.violations += [f"seed {number} ({kind or 'sound'}) {wrong}"] if wrong else []
    return report


def _wrong(outcome: Outcome, kind: str) -> str:
    """What befell a seed that must not; empty where all is well."""
    if outcome.kind == "dropped":
        return f"was dropped: {outcome.reason}"
    by_agent = {one.candidate.pair.response: one for one in stars(outcome).candidates}
    other, poisoned = by_agent["a"], by_agent["b"]
    if other.verdict is None or other.verdict.value is None:
        return "has no verdict on its sound candidate"
    if not kind:
        return "" if poisoned.verdict and poisoned.verdict.value is not None else "has a candidate without a verdict"
    if stars(outcome).winner == poisoned:
        return "was won by the text that nobody could judge"
    if poisoned.candidate.pair.name in dict(stars(outcome).rewards) and kind != HUGE:
        return "taught something about the pair that nobody could judge"
    return (
        "" if kind != HUGE or str(poisoned.candidate.failure).startswith("format:") else "kept a reply that cannot be"
    )

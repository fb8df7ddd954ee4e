"""What a usable row costs: calls and tokens of the whole line, of uniform draws and of calling every pair. Figures.

The paper's A.5 counts the writing agents' inference alone: samples times the agents called for each, ten without its
method and five with it. Here rewrites and the referee's calls count too, and both are set against usable rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer

from proof import bootstrap
from proof.bank import SHIPPED, Course, Line, run
from proof.bankruns import known, order
from proof.bootstrap import Interval
from proof.kept import ask_once
from proof.longruns import Case
from proof.table import Table
from star_agents.offline import resolve_model
from star_agents.records import KEEP, AgentPair, Sample

Counts = NDArray[np.int64]
UNIFORM = Line(policy="uniform", memory=False)
WAYS: dict[str, tuple[Line, int]] = {
    **{f"uniform, M = {m}": (UNIFORM, m) for m in (2, 3, 4)},
    **{f"full, M = {m}": (Line(), m) for m in (2, 3, 4)},
    **{f"full, as shipped, M = {m}": (SHIPPED, m) for m in (2, 3, 4)},
    "every pair, all judged": (Line(policy="uniform", memory=False, reward="all"), 15),
    "every pair": (UNIFORM, 15),
}
"""Line and M. Calling every pair comes last: lazily judged, like the others, and all of worth judged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """Tokens of one call, prompt and completion together; the prompt's fixed wording is left out. [seeds, 1 + pairs]"""

    respond: Counts
    """Question in, response out."""
    rewrite: Counts
    """Seed's question in, the new one out; 0 for pairs that keep the instruction."""
    judge: Counts
    """A verdict, both orders: the candidate and the base, each with its question, a shared one once."""


def lengths(rows: Sequence[Sequence[Sample]], pairs: Sequence[AgentPair]) -> Lengths:
    """By the tokenizer of the models that ship. An instruction agent asks all its pairs the same question."""
    texts = list(dict.fromkeys(text for row in rows for one in row for text in (one.question, one.response or "")))
    tokenizer: Any = AutoTokenizer.from_pretrained(resolve_model("offline/small"))
    encoded = tokenizer(texts, add_special_tokens=False).input_ids
    size = {text: len(ids) for text, ids in zip(texts, encoded, strict=True)}
    question = np.array([[size[one.question] for one in row] for row in rows])
    response = np.array([[size[one.response or ""] for one in row] for row in rows])
    other = np.array([[one.question != row[0].question for one in row] for row in rows])
    rewrites = np.array([False, *(pair.instruction != KEEP for pair in pairs)])
    asked = question + np.where(other, question[:, :1], 0)
    return Lengths(
        respond=question + response,
        rewrite=np.where(rewrites, question + question[:, :1], 0),
        judge=2 * (asked + response + response[:, :1]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CostRun:
    """One run, per seed."""

    usable: float
    writing_calls: float
    judging_calls: float
    writing_tokens: float
    judging_tokens: float


def count(table: Table, course: Course, tokens: Lengths) -> CostRun:
    """Add up one run; a rewrite is paid once per instruction agent."""
    rows, drawn = course.rows[:, None], course.drawn
    rewriting = np.zeros(len(drawn))
    agents = [KEEP, *(pair.instruction for pair in table.candidates.pairs)]
    for agent in sorted(set(agents) - {KEEP}):
        used = np.array([one == agent for one in agents])[drawn]
        rewriting += (tokens.rewrite[rows, drawn] * used).max(axis=1)
    return CostRun(
        usable=table.usable[course.rows, course.chosen].mean(),
        writing_calls=course.written.mean(),
        judging_calls=2 * course.judged.sum(axis=1).mean(),
        writing_tokens=(tokens.respond[rows, drawn].sum(axis=1) + rewriting).mean(),
        judging_tokens=(tokens.judge[rows, drawn] * course.judged).sum(axis=1).mean(),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """One way to make a dataset; intervals over random seeds."""

    name: str
    usable: Interval
    calls: Interval
    """Calls per seed, writing and judging."""
    judging: float
    """Share of the referee's among them."""
    calls_per_usable: Interval
    writing_per_usable: Interval
    """Writing calls per usable row: what A.5 counts, per row that is worth having."""
    tokens_per_usable: Interval
    calls_of_all: Interval
    """Calls per usable row, over those of calling every pair."""
    writing_of_all: Interval
    tokens_of_all: Interval


def measure(table: Table, case: Case, ways: dict[str, tuple[Line, int]], seeds: int, out: Path) -> list[Costs]:
    """Each way is a line and its M; the last one is what the others are set against: calling every pair."""
    tokens, size = lengths(table.candidates.rows, table.candidates.pairs), len(table.usable)
    seen = known(table, case.referee)

    def runs(line: Line, m: int) -> list[CostRun]:
        def ask(wanted: Sequence[int]) -> list[object]:
            courses = (run(seen, line, m, order(size, seed)[: case.steps].tolist(), seed) for seed in wanted)
            found = (asdict(count(table, course, tokens)) for course in courses)
            return [{name: float(value) for name, value in one.items()} for one in found]

        def name(seed: int) -> str:
            return f"{size} rows, {case.name}, {line.key}, M = {m}, seed {seed}"

        kept: Any = ask_once(out / "costs.jsonl", range(seeds), name, ask, portion_size=5)
        return [CostRun(**one) for one in kept]

    found = {name: runs(line, m) for name, (line, m) in ways.items()}
    every = list(found.values())[-1]
    return [_costs(name, mine, every) for name, mine in found.items()]


def _costs(name: str, mine: Sequence[CostRun], every: Sequence[CostRun]) -> Costs:
    def per_seed(runs: Sequence[CostRun], what: str) -> NDArray[np.float64]:
        return np.array([sum(getattr(one, f"{kind}_{what}") for kind in ("writing", "judging")) for one in runs])

    usable, all_usable = (np.array([one.usable for one in runs]) for runs in (mine, every))
    writing, all_writing = (np.array([one.writing_calls for one in runs]) for runs in (mine, every))
    calls, all_calls = per_seed(mine, "calls"), per_seed(every, "calls")
    tokens, all_tokens = per_seed(mine, "tokens"), per_seed(every, "tokens")
    return Costs(
        name=name,
        usable=bootstrap.mean(usable),
        calls=bootstrap.mean(calls),
        judging=float(1 - writing.mean() / calls.mean()),
        calls_per_usable=bootstrap.ratio(calls, usable),
        writing_per_usable=bootstrap.ratio(writing, usable),
        tokens_per_usable=bootstrap.ratio(tokens, usable),
        calls_of_all=bootstrap.ratio(calls / usable, all_calls / all_usable),
        writing_of_all=bootstrap.ratio(writing / usable, all_writing / all_usable),
        tokens_of_all=bootstrap.ratio(tokens / usable, all_tokens / all_usable),
    )

"""What evolution and memory are worth where rows do not come again: runs of the whole scheduler. Figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from proof import bootstrap
from proof.bank import SHIPPED, Course, Known, Line, hashing, run
from proof.bootstrap import Interval
from proof.candidates import Candidates
from proof.kept import ask_once
from proof.longruns import Case
from proof.policies import earnings
from proof.pool import AGENTS, PAIRS
from proof.scores import Scores
from proof.table import Table
from star_agents.config.sections import ScoringConfig
from star_agents.offline import resolve_model, world
from star_agents.records import Seed
from star_agents.scoring.dual_model import DualModel

Embedder = Literal["small", "hashing"]
"""``small``: the small scorer's hidden states, what ``memory.embedder: auto`` takes here; or hashed n-grams."""

GENERALISTS = ("steady", "warm", "brief", "chatty")
"""Agents that are right in most questions of every family."""
END = 0.25
"""The last quarter of a run is what "at the end" means here: runs are short where no row comes twice."""
SOUND = 0.75
"""Least share of sound responses of a pair that is strong."""
FULL = Line()
PLAIN = "full without evolution"
"""The paper's name for its ablation with uniform draws; here it has no bank either."""
LINES: dict[str, Line] = {
    "full": FULL,
    "full without memory": Line(memory=False),
    PLAIN: Line(policy="uniform", memory=False),
    "memory without evolution": Line(policy="uniform"),
    "full, as shipped": SHIPPED,
    "as shipped, without memory": replace(SHIPPED, memory=False),
    "thompson, judged, without memory": Line(policy="thompson", reward="judged", memory=False),
}
"""The paper's ablations by the paper's readings, what ships, and the field's bandit."""


def embed(texts: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    """Unit vectors, [texts, d]; each list of texts is embedded once."""
    return _embed(tuple(texts), embedder)


@lru_cache(maxsize=4)
def _embed(texts: tuple[str, ...], embedder: Embedder) -> NDArray[np.float32]:
    return hashing(texts) if embedder == "hashing" else _hidden(texts)


def _hidden(texts: Sequence[str]) -> NDArray[np.float32]:
    config = ScoringConfig(device="cpu", threads=1)
    return DualModel.load(config, small=False, large=False, embedder="small", resolve=resolve_model).embed(texts)


def known(table: Table, referee: str, embedder: Embedder = "small") -> Known:
    """What a line may see of a table."""
    seeds = tuple(Seed.of(row[0]) for row in table.candidates.rows)
    return Known(
        pairs=table.candidates.pairs,
        seeds=seeds,
        embeddings=embed([seed.sample.question for seed in seeds], embedder),
        gap=table.scores.gap,
        verdict=table.verdicts[referee],
        same=table.same,
    )


def without(table: Table, agents: Collection[str]) -> Table:
    """The table of a pool that lacks some response agents: what is a bank worth where nobody is good at everything?"""
    pairs = table.candidates.pairs
    return of_columns(table, [column for column, pair in enumerate(pairs, start=1) if pair.response not in agents])


def of_columns(table: Table, pairs: Sequence[int]) -> Table:
    """The table of a pool of these columns alone, beside the base."""
    kept, named = [0, *pairs], table.candidates.pairs
    return Table(
        candidates=Candidates(
            pairs=tuple(named[column - 1] for column in pairs),
            rows=tuple(tuple(row[column] for column in kept) for row in table.candidates.rows),
        ),
        scores=Scores(small=table.scores.small[:, kept], large=table.scores.large[:, kept]),
        verdicts={name: verdict[:, kept] for name, verdict in table.verdicts.items()},
        same=table.same[:, kept],
        usable=table.usable[:, kept],
        well_put=table.well_put[:, kept],
    )


def order(size: int, seed: int) -> NDArray[np.int64]:
    """Every row once, in an order that depends on the random seed alone."""
    return np.random.default_rng([seed, 64]).permutation(size)


def columns(
    table: Table, referee: str, m: int, line: Line, seed: int, embedder: Embedder = "small"
) -> NDArray[np.int64]:
    """[seeds]: the column that a run over the whole table, every row once, chooses for each row."""
    course = run(known(table, referee, embedder), line, m, order(len(table.usable), seed).tolist(), seed)
    chosen = np.zeros(len(table.usable), dtype=np.int64)
    chosen[course.rows] = course.chosen
    return chosen


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """Who is good at what, as planted."""

    strong: NDArray[np.bool_]
    """[seeds, 1 + pairs]: pairs that are right in at least 75 % of the seed's family."""
    special: NDArray[np.bool_]
    """[1 + pairs]: pairs that are strong in some families only."""
    best: NDArray[np.bool_]
    """[1 + pairs]: the third that earns most when drawn alone."""


def strength(table: Table, referee: str) -> Strength:
    """From the pool's plan and the seeds' families."""
    agents = [AGENTS[pair.response] for pair in table.candidates.pairs]
    families = [_family(row[0].question) for row in table.candidates.rows]
    plan = {
        family: [False, *((one.skill if family in one.strong else one.elsewhere) >= SOUND for one in agents)]
        for family in dict.fromkeys(families)
    }
    worth = earnings(table.scores.gap, table.verdicts[referee], table.same)
    best = np.zeros(1 + len(agents), dtype=bool)
    best[1 + np.argsort(-worth, kind="stable")[: len(agents) // 3]] = True
    return Strength(
        strong=np.array([plan[family] for family in families]),
        special=np.array([False, *(one.elsewhere > 0 for one in agents)]),
        best=best,
    )


def _family(question: str) -> str:
    task = world.solve(question)
    if task is None:
        raise ValueError(f"a seed of the table is no question of the world: {question!r}")
    return task.family


@dataclass(frozen=True, kw_only=True, slots=True)
class BankRun:
    """The figures of one run. "End" is its last quarter."""

    usable: float
    """Share of usable rows."""
    usable_end: float
    per_call: float
    """Usable rows per writing call (rewrites and responses)."""
    calls: float
    """Calls per seed, the referee's included."""
    strong: float
    """Share of draws on pairs that are strong in the seed's family."""
    strong_end: float
    own: float
    """Of the draws on specialists: share on one of the seed's own family. A bank alone can know that."""
    own_end: float
    best_end: float
    """Share of draws on the third that earns most."""
    from_memory: float
    """Share of draws that the bank proposed."""


def figures(table: Table, course: Course, planted: Strength) -> BankRun:
    """Put one run beside the truth."""
    rows = course.rows[:, None]
    right = table.usable[course.rows, course.chosen]
    strong, special = planted.strong[rows, course.drawn], planted.special[course.drawn]
    end = slice(int(len(rows) * (1 - END)), None)
    return BankRun(
        usable=right.mean(),
        usable_end=right[end].mean(),
        per_call=right.sum() / course.written.sum(),
        calls=(course.written + 2 * course.judged.sum(axis=1)).mean(),
        strong=strong.mean(),
        strong_end=strong[end].mean(),
        own=(strong & special).sum() / special.sum(),
        own_end=(strong & special)[end].sum() / special[end].sum(),
        best_end=planted.best[course.drawn[end]].mean(),
        from_memory=course.from_memory.sum() / course.drawn.size,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BankFigures:
    """One line; intervals over random seeds, differences paired with the line that neither evolves nor remembers."""

    name: str
    mean: dict[str, Interval]
    """By name of a field of ``BankRun``."""
    over_plain: dict[str, Interval]
    """Difference to uniform draws without a bank."""
    over_full: dict[str, Interval]
    """Difference to the full method by the paper's readings."""


def measure(
    table: Table, case: Case, lines: Mapping[str, Line], seeds: int, out: Path, embedder: Embedder = "small"
) -> list[BankFigures]:
    """Runs over ``case.steps`` rows of the table, those and their order drawn by each random seed, none twice."""
    wanted = {"full": FULL, PLAIN: LINES[PLAIN], **lines}
    runs = {name: _runs(table, case, line, seeds, out, embedder) for name, line in wanted.items()}
    arrays = {
        name: {field: np.array([getattr(one, field) for one in found]) for field in BankRun.__slots__}
        for name, found in runs.items()
    }
    return [
        BankFigures(
            name=name,
            mean={field: bootstrap.mean(values) for field, values in mine.items()},
            over_plain={field: bootstrap.difference(values, arrays[PLAIN][field]) for field, values in mine.items()},
            over_full={field: bootstrap.difference(values, arrays["full"][field]) for field, values in mine.items()},
        )
        for name, mine in arrays.items()
    ]


def _runs(table: Table, case: Case, line: Line, seeds: int, out: Path, embedder: Embedder) -> list[BankRun]:
    size = len(table.usable)

    def name(seed: int) -> str:
        pool = "" if len(table.candidates.pairs) == len(PAIRS) else f", {len(table.candidates.pairs)} pairs"
        return f"{size} rows, {case.name}, {line.key}, {embedder}{pool}, seed {seed}"

    def ask(wanted: Sequence[int]) -> list[object]:
        seen, planted = known(table, case.referee, embedder), strength(table, case.referee)
        courses = (run(seen, line, case.m, order(size, seed)[: case.steps].tolist(), seed) for seed in wanted)
        return [_plain(figures(table, course, planted)) for course in courses]

    kept: Any = ask_once(out / "bankruns.jsonl", range(seeds), name, ask, portion_size=5)
    return [BankRun(**one) for one in kept]


def _plain(found: BankRun) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(found).items()}

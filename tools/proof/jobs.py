"""What each command of tools/proof/run works out: one job each, section by section. Figures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

from proof import (
    along,
    bankruns,
    choices,
    costs,
    defaults,
    documents_arms,
    judging,
    lessons,
    longruns,
    report,
    report_documents,
    report_runs,
    rules,
)
from proof.longruns import Case
from proof.policies import Setting
from proof.pool import SEED_KINDS
from proof.realtext import job as realtext_job
from proof.second import jobs as second
from proof.sections import Section
from proof.table import REFEREES, Table, build
from star_agents.config.sections import ScoreMode

MODES: tuple[ScoreMode, ...] = ("perplexity_ratio", "score_eos")
MAIN = ("mixed", "answers")
"""What the long runs stand on: the referee that knows no truth, and seeds of mixed style. Over plain seeds a right
candidate is mostly the base's very text, a tie that earns nothing; real models do not write the same text twice."""


class Job:
    """The arguments, and the tables made so far."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.quick, self.out, self.kind = given.quick, given.out, given.kind
        self.rows = given.rows or (150 if given.quick else 1000)
        self.seeds = given.seeds or (3 if given.quick else 20)
        self.asked_seeds, self.part, self.steps = given.seeds, given.part, given.steps
        self.long = given.steps or (5_000 if given.quick else 70_000)
        self._tables: dict[tuple[str, ScoreMode, float, bool], Table] = {}

    def table(
        self, style: str, mode: ScoreMode = "perplexity_ratio", own_up: float = 0.0, *, fresh: bool = False
    ) -> Table:
        """The candidate table over one kind of seeds; ``fresh`` is another, longer one."""
        key = (style, mode, own_up, fresh)
        if key not in self._tables:
            rows, seed = ((2 if self.quick else 4) * self.rows, 1) if fresh else (self.rows, 0)
            self._tables[key] = build(rows, seed, self.out, style=style, mode=mode, own_up=own_up)
        return self._tables[key]

    def table_of(self, case: Case) -> Table:
        """The table that a case is replayed over."""
        return self.table(case.style, case.mode, case.own_up)


def choices_sections(job: Job) -> Iterator[Section]:
    """Arms against the checker."""
    for style, referee, m in product(SEED_KINDS, REFEREES, (2, 4)):
        found = choices.measure(job.table(style), referee, m, seeds=5)
        title = f"{job.rows:,} {style} seeds, M = {m} uniform draws of 5 random seeds, referee: {referee}"
        pairs = [pair.name for pair in job.table(style).candidates.pairs] if m == 4 else None
        panel = f"{style} seeds, referee: {referee}, M = {m}"
        yield report.arms(f"choices {style} {referee} {m}", title, panel, found, pairs)


def rules_sections(job: Job) -> Iterator[Section]:
    """Rules of choice, and the end of the response scored or not."""
    for style in SEED_KINDS:
        tables = {str(mode): job.table(style, mode) for mode in MODES}
        for referee in REFEREES:
            found = rules.measure(tables, referee, m=4, seeds=5, cutter="keep/hasty")
            title = f"{job.rows:,} {style} seeds, M = 4 uniform draws of 5 random seeds, referee: {referee}"
            yield report.rules(f"rules {style} {referee}", title, f"{style} seeds, referee: {referee}", found)


def judging_sections(job: Job) -> Iterator[Section]:
    """Lazy judging."""
    found = [
        (style, referee, judging.compare(job.table(style), referee, m, seeds=3))
        for style, referee, m in product(SEED_KINDS, REFEREES, (2, 3, 4, 8))
    ]
    yield report.judging(f"{job.rows:,} seeds, uniform draws of 3 random seeds", found)


def sweep_sections(job: Job) -> Iterator[Section]:
    """Rates, floors and rewards, over every kind of seeds and referee."""
    steps = job.steps or (2_000 if job.quick else 10_000)
    for style, referee in product(SEED_KINDS, REFEREES):
        case = Case(style=style, referee=referee, m=2, steps=steps)
        yield case_section(job, "sweep", case, longruns.SWEEP)
        yield case_section(job, "sweep", replace(case, mode="score_eos"), longruns.REWARDS)


def defaults_sections(job: Job) -> Iterator[Section]:
    """The paper's readings against others, over runs of the usual length."""
    steps = job.steps or (500 if job.quick else 2_000)
    for own_up in (0.0, 0.75):
        found = {
            (style, referee): defaults.measure(
                job.table_of, Case(style=style, referee=referee, m=2, steps=steps, own_up=own_up), job.seeds, job.out
            )
            for style, referee in product(SEED_KINDS, REFEREES)
        }
        title = (
            f"{steps:,} draws with 64 seeds in flight, M = 2, {job.seeds} random seeds; of the candidates that break "
            f"off, {100 * own_up:.0f} % say so and are dropped before the choice"
        )
        panel = f"{steps:,} draws, {100 * own_up:.0f} % of cuts own up"
        yield report.defaults(f"defaults {own_up} {steps}", title, panel, found)


def rates_sections(job: Job) -> Iterator[Section]:
    """Runs of every length, and the first seeds of a daemon: what may one outcome move?"""
    style, _ = MAIN
    for referee, (steps, in_flight) in product(REFEREES, longruns.LENGTHS):
        if job.quick and steps > longruns.LENGTHS[1][0]:
            continue
        case = Case(style=style, referee=referee, m=4, steps=steps, mode="score_eos", in_flight=in_flight)
        # A short run says little by itself.
        seeds = job.seeds if job.quick else min(10 * job.seeds, max(job.seeds, 60_000 // steps))
        for what, settings in (("run", longruns.RATES), ("daemon", longruns.DAEMONS)):
            found = longruns.summarise(longruns.replays(job.table_of(case), case, settings, seeds, job.out))
            lead = "" if what == "run" else f"The first seeds of a daemon that assumes {longruns.HORIZON:,}: "
            yield report_runs.rates(f"rates {what} {marker_of(case)}", lead + title_of(case, seeds), case, found)


def policies_sections(job: Job) -> Iterator[Section]:
    """The long runs, with the end scored or not, and at M = 3."""
    style, referee = MAIN
    plain = Case(style=style, referee=referee, m=2, steps=job.long)
    yield case_section(job, "policies", plain, longruns.SETTINGS)
    yield along_section(job, "policies", plain)
    for case in (replace(plain, mode="score_eos"), replace(plain, m=3)):
        yield case_section(job, "policies", case, longruns.ENOUGH)
        yield along_section(job, "policies", case)


def turns_sections(job: Job) -> Iterator[Section]:
    """Runs in which an agent turns half-way."""
    style, referee = MAIN
    steps = job.steps or (5_000 if job.quick else 10_000)
    for drift in ("turns bad", "turns good"):
        case = Case(style=style, referee=referee, m=2, steps=steps, drift=drift)
        yield case_section(job, "turns", case, longruns.TURNS)
        yield along_section(job, "turns", case)


def figure5_sections(job: Job) -> Iterator[Section]:
    """The paper's Figure 5."""
    style, referee = MAIN
    for m in (2, 3):
        case, seeds = Case(style=style, referee=referee, m=m, steps=job.long), min(job.seeds, 5)
        found = longruns.curves(job.table_of(case), case, longruns.DRAWN, seeds, job.out)
        title = title_of(case, seeds)
        yield report_runs.figure5(f"figure 5 {marker_of(case)}", title, case, job.table_of(case), found)


def memory_sections(job: Job) -> Iterator[Section]:
    """Evolution and memory, each without the other, over rows that come once."""
    style, _ = MAIN
    steps, seeds = job.steps or (150 if job.quick else 2_000), job.seeds
    for mode, referee in product(MODES, REFEREES):
        table = job.table(style, mode, fresh=True)
        case = Case(style=style, referee=referee, m=3, steps=steps, mode=mode)
        found = bankruns.measure(table, case, bankruns.LINES, seeds, job.out)
        title = f"{title_of(case, seeds)}; every row once, of {len(table.usable):,}"
        yield report_runs.memory(f"memory {marker_of(case)}", title, case, found)


def costs_sections(job: Job) -> Iterator[Section]:
    """Calls and tokens of each way to a dataset."""
    style, referee = MAIN
    steps, seeds = job.steps or (150 if job.quick else 1_000), min(job.seeds, 5)
    for mode in MODES:
        table = job.table(style, mode, fresh=True)
        case = Case(style=style, referee=referee, m=0, steps=steps, mode=mode)
        found = costs.measure(table, case, costs.WAYS, seeds, job.out)
        ending = ", end scored" if mode == "score_eos" else ""
        title = f"{steps:,} of {len(table.usable):,} {style} seeds, referee: {referee}{ending}, {seeds} random seeds"
        yield report_runs.costs(f"costs {marker_of(case)}", title, case, found)


def tune_sections(job: Job) -> Iterator[Section]:
    """Fine-tuning each kind of target on what each arm chose."""
    referee, rows, items = "answers", job.rows if job.quick else max(job.rows, 2000), 130 if job.quick else 1040
    for lesson in lessons.QUICK if job.quick else lessons.LESSONS:
        if job.kind not in (None, lesson.kind):
            continue
        marks = lessons.teach(lesson, referee, rows, items, job.out)
        before = ", ".join(f"{target} {100 * right:.1f} %" for target, right in marks.before.items())
        title = (
            f"{lesson.kind} small models, {rows:,} {lesson.style} seeds, M = {lessons.M}, referee: {referee}, "
            f"{items:,} held-out items, {sum(lesson.runs.values())} runs; right before any training: {before}"
        )
        panel = f"{lesson.kind} small models, {lesson.style} seeds"
        yield report.tuned(f"tuned {lesson.kind} {lesson.style}", title, panel, marks.arms, lesson.ceiling)


def documents_sections(job: Job) -> Iterator[Section]:
    """Rows out of documents, made by the product's own line, and what the target learns from them."""
    plan = documents_arms.QUICK if job.quick else documents_arms.FULL
    found = documents_arms.measure(plan, job.out)
    yield report_documents.documents(f"documents {plan.rows}", _title_of(plan, found), found)


def _title_of(plan: documents_arms.Plan, found: documents_arms.Found) -> str:
    """A lesson out of documents in words."""
    lost = ", ".join(f"{name}: {100 * share:.0f} %" for name, share in found.lost.items())
    return (
        f"Rows out of {plan.documents:,} documents (agent_instruct: {plan.agent_documents:,}), {plan.rows:,} for each "
        f"arm in {plan.steps:,} steps, {plan.seeds} random seeds, {found.items:,} held-out items; right before round 0 "
        f"({plan.first_rows:,} rows): {100 * found.untrained:.1f} %, after it, before any arm: "
        f"{100 * found.before:.1f} %; instructions that became a row: {lost}"
    )


def realtext_sections(job: Job) -> Iterator[Section]:
    """Real answers that people compared, and rows that a real small model is trained on."""
    yield from realtext_job.sections(job.out, quick=job.quick, seeds=job.asked_seeds, part=job.part)


def case_section(job: Job, name: str, case: Case, settings: tuple[Setting, ...]) -> Section:
    """Replay one case with each setting, for the job called ``name``."""
    found = longruns.summarise(longruns.replays(job.table_of(case), case, settings, job.seeds, job.out))
    return report_runs.policies(name, f"policies {marker_of(case)}", title_of(case, job.seeds), case, found)


def along_section(job: Job, name: str, case: Case) -> Section:
    """What happens along the way, for the job called ``name``."""
    seeds = min(job.seeds, 5)
    found = along.measure(job.table_of(case), case, longruns.ENOUGH, seeds, job.out)
    title = f"Along the run: {title_of(case, seeds)}"
    return report_runs.along(name, f"along {marker_of(case)}", title, case, found)


def marker_of(case: Case) -> str:
    """A case as markers in RESULTS.md name it."""
    return f"{case.style} {case.referee} {case.m} {case.steps} {case.drift} {case.mode}"


def title_of(case: Case, seeds: int) -> str:
    """A case in words."""
    turn = "" if case.drift == "none" else f", the pair that earns most {case.drift} half-way"
    ending = ", end scored" if case.mode == "score_eos" else ""
    return (
        f"{case.steps:,} draws with {case.in_flight} seeds in flight, M = {case.m}, {case.style} seeds, "
        f"referee: {case.referee}{ending}, {seeds} random seeds{turn}"
    )


JOBS: dict[str, Callable[[Job], Iterator[Section]]] = {
    "choices": choices_sections,
    "rules": rules_sections,
    "judging": judging_sections,
    "sweep": sweep_sections,
    "defaults": defaults_sections,
    "rates": rates_sections,
    "policies": policies_sections,
    "turns": turns_sections,
    "figure5": figure5_sections,
    "memory": memory_sections,
    "costs": costs_sections,
    "tune": tune_sections,
}
JOBS_BY_NAME: dict[str, Callable[[Job], Iterator[Section]]] = {
    "documents": documents_sections,
    "world2-rules": lambda job: second.rules_sections(job.out, second.QUICK if job.quick else second.FULL),
    "world2-policies": lambda job: second.policies_sections(job.out, second.QUICK if job.quick else second.FULL),
    "world2-tune": lambda job: second.tune_sections(job.out, second.QUICK if job.quick else second.FULL),
    "realtext": realtext_sections,
}
"""Those that are only asked for by name, and so not recorded: *documents* goes through the product's line, whose
feedback comes in the order in which calls end, the second world makes its models first, and *realtext* needs a model
and rows that are fetched."""

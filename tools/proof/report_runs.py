"""Long runs as sections: policies, an agent that turns, and what happens along the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proof import bankruns
from proof.along import PARTS, Along
from proof.bankruns import BankFigures
from proof.costs import Costs
from proof.longruns import Case, Curves, Summary
from proof.policies import make_world
from proof.sections import Curve, Dots, Grid, Lines, Section, percent
from proof.table import Table

DRAWS = "draws so far"


def policies(job: str, name: str, title: str, case: Case, found: Sequence[Summary]) -> Section:
    """Stationary figures, or recovery where the world turns."""
    grid, plots = (_stationary, _usable_at_end) if case.drift == "none" else (_recovery, _until_recovered)
    return Section(job=job, name=name, title=title, grids=(grid(found),), plots=plots(panel_of(case), found))


def panel_of(case: Case) -> str:
    """The name of a plot over this case."""
    turn = "" if case.drift == "none" else f", the pair that earns most {case.drift}"
    ending = ", end scored" if case.mode == "score_eos" else ""
    return f"{case.style} seeds, referee: {case.referee}, M = {case.m}{ending}, {case.steps:,} draws{turn}"


def _recovery(found: Sequence[Summary]) -> Grid:
    head = (
        "policy",
        "draws on the turned pair at the end, %",
        "run until recovered, %",
        "usable rows at the end, %",
    )
    rows = tuple(
        (
            one.setting.name,
            one.mean["turned_end"].show(1, percent=True),
            "-" if one.setting.kind == "uniform" else one.mean["recovery"].show(1, percent=True),
            one.mean["usable_end"].show(1, percent=True),
        )
        for one in found
    )
    return Grid(head=head, rows=rows)


def _until_recovered(panel: str, found: Sequence[Summary]) -> tuple[Dots, ...]:
    rows = tuple((one.setting.name, (percent(one.mean["recovery"]),)) for one in found if one.setting.kind != "uniform")
    axis = "part of the run from the turn until recovered, %"
    return (Dots(title=panel, axis=axis, rows=rows, marks=(("never:", 50.0),), also=(0.0,)),) if rows else ()


def _stationary(found: Sequence[Summary]) -> Grid:
    head = (
        "policy",
        "usable rows at the end, %",
        "× uniform",
        "usable per writing call, × uniform",
        "usable per call of any kind, × uniform",
        "usable and written by a pair, per writing call, × uniform",
        "draws on the best third by truth, %",
        "by reward, %",
        "regret per 1,000 seeds",
    )
    rows = tuple(
        (
            one.setting.name,
            one.mean["usable_end"].show(1, percent=True),
            *(one.ratio[name].show() for name in ("usable_end", "per_call_end", "per_call_all_end", "bought_end")),
            one.mean["best_truth"].show(0, percent=True),
            one.mean["best_pi"].show(0, percent=True),
            one.mean["regret"].show(0),
        )
        for one in found
    )
    return Grid(head=head, rows=rows)


def _usable_at_end(panel: str, found: Sequence[Summary]) -> tuple[Dots, ...]:
    usable = {one.setting.name: percent(one.mean["usable_end"]) for one in found}
    rows = tuple((name, (one,)) for name, one in usable.items())
    marks = (("uniform", usable["uniform"].value),)
    return (Dots(title=panel, axis="usable rows in the last tenth of the run, %", rows=rows, marks=marks),)


def rates(name: str, title: str, case: Case, found: Sequence[Summary]) -> Section:
    """What a rate chooses over the whole of a short run, and how far its curves swing."""
    base = next(one for one in found if one.setting.kind == "uniform").mean
    head = ("policy", "usable rows, %", "over uniform, points", "in the last tenth, %", "swing of a pair, points")
    rows = tuple(
        (
            one.setting.name,
            one.mean["usable"].show(1, percent=True),
            f"{100 * (one.mean['usable'].value - base['usable'].value):+.1f}",
            one.mean["usable_end"].show(1, percent=True),
            one.mean["swing"].show(1, percent=True),
        )
        for one in found
    )
    plot = Dots(
        title=panel_of(case),
        axis="usable rows, %",
        rows=tuple((one.setting.name, (percent(one.mean["usable"]),)) for one in found),
        marks=(("uniform", 100 * base["usable"].value),),
    )
    return Section(job="rates", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=(plot,))


def along(job: str, name: str, title: str, case: Case, found: Sequence[Along]) -> Section:
    """Usable rows part by part, or where an agent turns the draws on it."""
    turns = case.drift != "none"
    values = {one.setting.name: 100 * (one.turned if turns else one.usable) for one in found}
    what = "draws on the pair that turns, %" if turns else "usable rows, %"
    fifths = [f"fifth {number}" for number in range(1, 6)]
    rows = tuple(
        (policy, *(f"{part.mean():.1f}" for part in np.array_split(line, len(fifths))))
        for policy, line in values.items()
    )
    plot = Lines(
        title=panel_of(case),
        axis=f"{what}, in each {100 // PARTS} % of the run",
        across=DRAWS,
        length=float(case.steps),
        curves=tuple(Curve(name=policy, values=tuple(line.tolist())) for policy, line in values.items()),
        turn=case.steps / 2 if turns else None,
        parts=True,
    )
    grid = Grid(head=("policy", *fifths), rows=rows, lead=f"{what[0].upper()}{what[1:]}, by fifths of the run")
    return Section(job=job, name=name, title=title, grids=(grid,), plots=(plot,))


def figure5(name: str, title: str, case: Case, table: Table, found: Sequence[Curves]) -> Section:
    """How probable each pair becomes; those of the best third by reward stand out."""
    best = make_world(table, case.referee, case.m).best
    usable = 100 * table.usable.mean(axis=0)
    plots = tuple(
        Lines(
            title=f"M = {case.m}, {one.label}",
            axis="probability of a pair, %",
            across=DRAWS,
            length=float(case.steps),
            curves=tuple(
                Curve(
                    name=f"{pair} ({usable[1 + at]:.0f} % usable)",
                    values=tuple((100 * one.probability[:, at]).tolist()),
                    strong=bool(best["π"][1 + at]),
                )
                for at, pair in enumerate(one.pairs)
            ),
            marks=(("1 / pairs", 100 / len(one.pairs)),),
        )
        for one in found
    )
    rows = tuple(
        (
            pair,
            f"{usable[1 + at]:.0f}",
            *("yes" if best[by][1 + at] else "" for by in ("π", "truth")),
            *(f"{100 * one.probability[-1, at]:.1f}" for one in found),
        )
        for at, pair in enumerate(found[0].pairs)
    )
    labels = (f"{one.label}: probability at the end, %" for one in found)
    head = ("pair", "usable, %", "best third by reward", "by truth", *labels)
    return Section(job="figure5", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=plots)


def memory(name: str, title: str, case: Case, found: Sequence[BankFigures]) -> Section:
    """Evolution and memory, each without the other."""
    head = (
        "line",
        "usable rows, %",
        "over neither, points",
        "over full, points",
        "in the last quarter, %",
        "usable per writing call, %",
        "draws on specialists: of the seed's own family, %",
        "draws from memory, %",
        "calls per seed",
    )
    rows = tuple(
        (
            one.name,
            one.mean["usable"].show(1, percent=True),
            one.over_plain["usable"].show(1, percent=True),
            one.over_full["usable"].show(1, percent=True),
            *(one.mean[what].show(1, percent=True) for what in ("usable_end", "per_call", "own")),
            f"{100 * one.mean['from_memory'].value:.0f}",
            f"{one.mean['calls'].value:.1f}",
        )
        for one in found
    )
    plots = tuple(
        Dots(
            title=panel_of(case),
            axis=axis,
            rows=tuple((one.name, (percent(one.mean[what]),)) for one in found),
            marks=tuple(
                ("uniform, no memory:", 100 * one.mean[what].value) for one in found if one.name == bankruns.PLAIN
            ),
        )
        for what, axis in (
            ("usable", "usable rows, %"),
            ("own", "draws on specialists that fall on the seed's own family, %"),
        )
    )
    return Section(job="memory", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=plots)


def costs(name: str, title: str, case: Case, found: Sequence[Costs]) -> Section:
    """Calls and tokens, beside calling every pair."""
    head = (
        "way",
        "usable rows, %",
        "calls per seed",
        "of them the referee's, %",
        "calls per usable row",
        "writing calls per usable row",
        "tokens per usable row",
        "calls, % of every pair",
        "writing calls, %",
        "tokens, %",
    )
    against = [tuple(map(percent, (one.calls_of_all, one.writing_of_all, one.tokens_of_all))) for one in found]
    rows = tuple(
        (
            one.name,
            one.usable.show(1, percent=True),
            one.calls.show(1),
            f"{100 * one.judging:.0f}",
            one.calls_per_usable.show(),
            one.writing_per_usable.show(),
            one.tokens_per_usable.show(0),
            *(share.show(0) for share in shares),
        )
        for one, shares in zip(found, against, strict=True)
    )
    plot = Dots(
        title=f"{case.style} seeds, referee: {case.referee}{', end scored' if case.mode == 'score_eos' else ''}",
        axis="per usable row, % of calling every pair",
        rows=tuple((one.name, shares) for one, shares in zip(found, against, strict=True)),
        series=("calls of any kind", "writing calls", "tokens"),
        marks=(("every pair:", 100.0),),
        also=(0.0,),
        digits=0,
    )
    return Section(job="costs", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=(plot,))

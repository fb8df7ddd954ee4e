"""Sections of the second world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proof.bootstrap import Interval
from proof.replacements import DUAL, REFEREE
from proof.second.bandits import Bout
from proof.second.lessons import LEVELS, ORACLE, ORACLE_PLAINLY, SHIPS, SHIPS_PLAINLY, Lesson, over, share
from proof.second.rules import MEASURES, Case, RuleFigures, Standing
from proof.sections import Dots, Grid, Section, percent


def rules(name: str, title: str, panel: str, found: Sequence[Standing]) -> Section:
    """Is a rule anywhere below its rivals? One line for each, over all cases."""
    rivals = [(what, rival) for what in MEASURES for rival in (REFEREE, DUAL)]
    head = (
        "rule",
        *(f"{what} rows, mean, %" for what in MEASURES),
        *(f"{what}: worst case over {_short(rival)}, points" for what, rival in rivals),
        "cases under dual, usable and well put",
        "cases clearly below, of all four",
        "holds",
    )
    rows = tuple(
        (
            one.name,
            *(f"{100 * one.mean[what]:.1f}" for what in MEASURES),
            *(one.worst[key].show(1, percent=True) for key in rivals),
            " ".join(str(one.under[what, DUAL]) for what in MEASURES),
            " ".join(str(one.below[key]) for key in rivals),
            "yes" if one.holds else "",
        )
        for one in found
    )
    plot = Dots(
        title=panel,
        axis="usable rows over the referee alone, in the worst case, points",
        rows=tuple((one.name, (percent(one.worst[MEASURES[0], REFEREE]),)) for one in found),
        marks=((REFEREE, 0.0),),
    )
    return Section(job="world2-rules", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=(plot,))


def _short(rival: str) -> str:
    return "dual" if rival == DUAL else "referee"


def confirmed(name: str, title: str, panel: str, found: Mapping[str, Mapping[Case, RuleFigures]]) -> Section:
    """The chosen rule and Eq. 7 in each case of the second world."""
    head = (
        "rule",
        "seeds",
        "referee",
        "M",
        *(f"{what} rows, %" for what in MEASURES),
        *(f"{what}, over {_short(rival)}, points" for what in MEASURES for rival in (REFEREE, DUAL)),
    )
    lines = [(rule, case, one) for rule, cases in found.items() for case, one in cases.items()]
    rows = tuple(
        (
            rule,
            case.style,
            case.referee,
            str(case.m),
            *(one.share[what].show(1, percent=True) for what in MEASURES),
            *(rival[what].show(1, percent=True) for what in MEASURES for rival in (one.over_referee, one.over_dual)),
        )
        for rule, case, one in lines
    )
    plot = Dots(
        title=panel,
        axis="usable rows over the referee alone, points",
        rows=tuple(
            (f"{rule}: {case.style}, {case.referee}, M = {case.m}", (percent(one.over_referee[MEASURES[0]]),))
            for rule, case, one in lines
        ),
        marks=((REFEREE, 0.0),),
    )
    return Section(job="world2-rules", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=(plot,))


def bandits(name: str, title: str, panel: str, found: Sequence[Bout]) -> Section:
    """Thompson sampling beside Eq. 8 as it ships, case by case."""
    head = (
        "world", "seeds", "referee", "IFD", "draws", "agents", "uniform, usable %", "as shipped, usable %",
        "thompson, usable %", "thompson over as shipped, points", "in the last tenth, points",
    )  # fmt: skip
    rows = tuple(
        (
            one.world,
            one.case.style,
            one.case.referee,
            one.case.mode,
            f"{one.case.steps:,}",
            "stay" if one.case.drift == "none" else one.case.drift,
            *(value.show(1, percent=True) for value in (one.uniform, one.shipped, one.thompson, one.over)),
            one.over_end.show(1, percent=True) if one.over_end else "–",
        )
        for one in found
    )
    plot = Dots(
        title=panel,
        axis="usable rows, Thompson sampling over Eq. 8 as it ships, points",
        rows=tuple((_label(one), (percent(one.over),)) for one in found),
        marks=(("level", 0.0),),
    )
    return Section(job="world2-policies", name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=(plot,))


def _label(bout: Bout) -> str:
    case = bout.case
    turn = "" if case.drift == "none" else f", {case.drift}"
    return f"{bout.world}: {case.style}, {case.referee}, {case.mode}, {case.steps:,}{turn}"


PAYS = ((SHIPS, SHIPS_PLAINLY), (ORACLE, ORACLE_PLAINLY))
"""Arms that differ in whether questions are rewritten."""


def lessons(name: str, title: str, panel: str, found: Mapping[str, Lesson]) -> Section:
    """What each arm's rows teach for either half of the examination, and what rewriting is worth there."""
    head = (
        "trained on",
        "usable rows, %",
        "well put, %",
        "rewritten, %",
        *(f"right, {level} questions, %" for level in LEVELS),
        *(f"over seeds, {level}, points" for level in LEVELS),
        *(f"over dual, {level}, points" for level in LEVELS),
        *(f"{level}, by run, %" for level in LEVELS),
    )
    rows = tuple(
        (
            arm,
            *(f"{100 * value:.1f}" for value in (one.usable, one.well_put, one.rewritten)),
            *(share(one, level).show(1, percent=True) for level in LEVELS),
            *(over(one, found["seeds"], level).show(1, percent=True) for level in LEVELS),
            *(over(one, found[DUAL], level).show(1, percent=True) for level in LEVELS),
            *(" ".join(f"{100 * run:.1f}" for run in one.right[level].mean(axis=1)) for level in LEVELS),
        )
        for arm, one in found.items()
    )
    worth = Grid(
        lead="What rewriting is worth: the arm over the same one with nothing rewritten, points",
        head=("arm", *(f"{level} questions" for level in LEVELS)),
        rows=tuple(
            (arm, *(over(found[arm], found[plainly], level).show(1, percent=True) for level in LEVELS))
            for arm, plainly in PAYS
        ),
    )
    plot = Dots(
        title=panel,
        axis="exact match on held-out questions, %",
        rows=tuple((arm, _shares(one)) for arm, one in found.items()),
        series=LEVELS,
    )
    grids = (Grid(head=head, rows=rows), worth)
    return Section(job="world2-tune", name=name, title=title, grids=grids, plots=(plot,))


def _shares(lesson: Lesson) -> tuple[Interval, ...]:
    return tuple(percent(share(lesson, level)) for level in LEVELS)

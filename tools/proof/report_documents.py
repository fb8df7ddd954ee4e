"""Rows out of documents as a section: what each way taught, where, and what it asked for."""

from __future__ import annotations

from proof.documents_arms import Found
from proof.sections import Dots, Grid, Section, percent


def documents(name: str, title: str, found: Found) -> Section:
    """What the target learned from each way's rows."""
    head = (
        "trained on",
        "rows",
        "calls per row",
        "calls",
        "usable rows, %",
        "useful rows, %",
        "spread over cells",
        "exact match, greedy, %",
        "over the target before, points",
        "over own questions, points",
        "arena_instruct over it, points",
        "by run, %",
    )
    grid = Grid(
        head=head,
        rows=tuple(
            (
                one.arm,
                f"{one.rows:,.0f}",
                f"{one.calls_per_row:.1f}",
                f"{one.calls:,.0f}",
                f"{100 * one.usable:.1f}",
                "–" if one.useful is None else f"{100 * one.useful:.1f}",
                f"{one.spread:.1f}",
                one.exact.show(1, percent=True),
                one.over_before.show(1, percent=True),
                one.over_own.show(1, percent=True),
                one.arena_over.show(1, percent=True),
                " ".join(f"{100 * value:.1f}" for value in one.by_run),
            )
            for one in found.arms
        ),
    )
    plot = Dots(
        title="rows out of documents",
        axis="exact match on held-out questions, %",
        rows=tuple((one.arm, (percent(one.exact),)) for one in found.arms),
        marks=(("the target before", 100 * found.before),),
    )
    return Section(job="documents", name=name, title=title, grids=(grid, _cells(found), _shares(found)), plots=(plot,))


def _cells(found: Found) -> Grid:
    """Where a way's gain comes from."""
    return Grid(
        lead="Exact match by kind of question and demands below it, %",
        head=("question", "the target before", *(one.arm for one in found.arms)),
        rows=tuple(
            (
                f"{kind}, {level}",
                f"{100 * before:.0f}",
                *(f"{100 * one.by_cell[kind, level]:.0f}" for one in found.arms),
            )
            for (kind, level), before in found.before_by_cell.items()
        ),
    )


def _shares(found: Found) -> Grid:
    """What a way asked for."""
    return Grid(
        lead="Of the rows trained on, %",
        head=("question", *(one.arm for one in found.arms)),
        rows=tuple(
            (f"{kind}, {level}", *(f"{100 * one.shares.get((kind, level), 0.0):.1f}" for one in found.arms))
            for kind, level in found.before_by_cell
        ),
    )

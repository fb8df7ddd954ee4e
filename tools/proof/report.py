"""Choices and training as sections: what each question came to, in tables and plots of the same numbers."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from proof.choices import ArmFigures
from proof.defaults import DefaultFigures
from proof.judging import Judging
from proof.rules import RuleFigures
from proof.sections import Dots, Grid, Section, percent
from proof.trained import TunedFigures

USABLE = "usable rows, %"


def versions() -> str:
    """What made the figures; no host names, no paths."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "numpy"))
    return f"Python {platform.python_version()}, {packages}, {platform.machine()}, one thread on a CPU"


def arms(name: str, title: str, panel: str, found: Sequence[ArmFigures], pairs: Sequence[str] | None = None) -> Section:
    """Precision of each arm's choice; with ``pairs``, also who wrote the rows that it chose."""
    head = (
        "arm",
        USABLE,
        "over seeds, points",
        "over full, points",
        "kept from a pair, %",
        "verdicts per seed",
    )
    grid = Grid(
        head=head,
        rows=tuple(
            (
                one.name,
                one.usable.show(1, percent=True),
                one.against_seeds.show(1, percent=True),
                one.against_full.show(1, percent=True),
                f"{100 * one.kept:.0f}",
                f"{one.verdicts:.2f}",
            )
            for one in found
        ),
    )
    usable = {one.name: percent(one.usable) for one in found}
    plot = Dots(
        title=panel,
        axis=USABLE,
        rows=tuple((arm, (one,)) for arm, one in usable.items()),
        marks=tuple((arm, usable[arm].value) for arm in ("seeds", "oracle") if arm in usable),
    )
    grids = (grid, _authors(found, pairs)) if pairs else (grid,)
    return Section(job="choices", name=name, title=title, grids=grids, plots=(plot,))


def _authors(found: Sequence[ArmFigures], pairs: Sequence[str]) -> Grid:
    """Who wrote the rows that each arm chose, in percent."""
    return Grid(
        lead="Who wrote the chosen rows, %",
        head=("written by", *(one.name for one in found)),
        rows=tuple(
            (name, *(f"{100 * one.columns[column]:.1f}" for one in found))
            for column, name in enumerate(("seed", *pairs))
        ),
    )


def rules(name: str, title: str, panel: str, found: Sequence[RuleFigures]) -> Section:
    """Rules of choice, with and without the end scored."""
    head = ("IFD", "rule", USABLE, "over the paper's, points", "rows of the agent that breaks off, %")
    grid = Grid(
        head=head,
        rows=tuple(
            (
                one.mode,
                one.rule,
                one.usable.show(1, percent=True),
                one.against_paper.show(1, percent=True),
                f"{100 * one.cut:.1f}",
            )
            for one in found
        ),
    )
    plot = Dots(
        title=panel,
        axis=USABLE,
        rows=tuple(
            (rule, tuple(percent(one.usable) for one in found if one.rule == rule))
            for rule in dict.fromkeys(one.rule for one in found)
        ),
        series=tuple(f"IFD: {mode}" for mode in dict.fromkeys(one.mode for one in found)),
    )
    return Section(job="rules", name=name, title=title, grids=(grid,), plots=(plot,))


def judging(title: str, found: Sequence[tuple[str, str, Judging]]) -> Section:
    """Lazy judging; each entry with its seeds and its referee."""
    head = ("seeds", "referee", "M", "rows", "other choices", "of all verdicts, %", "of those with a gap above 0, %")
    grid = Grid(
        head=head,
        rows=tuple(
            (
                style,
                referee,
                str(one.m),
                f"{one.rows:,}",
                str(one.different),
                one.share.show(0, percent=True),
                one.share_of_worth.show(0, percent=True),
            )
            for style, referee, one in found
        ),
    )
    plots = tuple(
        Dots(
            title=f"{style} seeds, referee: {referee}",
            axis="verdicts paid for, % of exhaustive judging",
            rows=tuple(
                (f"M = {one.m}", (percent(one.share), percent(one.share_of_worth)))
                for *at, one in found
                if at == [style, referee]
            ),
            series=("of all verdicts", "of those with a gap above 0"),
            marks=(("the aim, of all verdicts:", 60.0),),
            also=(0.0, 100.0),
            digits=0,
        )
        for style, referee in dict.fromkeys((style, referee) for style, referee, _ in found)
    )
    return Section(job="judging", name="judging", title=title, grids=(grid,), plots=plots)


def defaults(name: str, title: str, panel: str, found: Mapping[tuple[str, str], Sequence[DefaultFigures]]) -> Section:
    """The paper's readings against others, by seeds and referee."""
    head = ("seeds", "referee", "switches", USABLE, "over the paper's, points", "at the end, points", "calls")
    grid = Grid(
        head=head,
        rows=tuple(
            (
                style,
                referee,
                one.name,
                one.usable.show(1, percent=True),
                one.against_paper.show(1, percent=True),
                one.end_against_paper.show(1, percent=True),
                f"{one.calls:.1f}",
            )
            for (style, referee), figures in found.items()
            for one in figures
        ),
    )
    plots = tuple(
        Dots(
            title=f"{style} seeds, referee: {referee}; {panel}",
            axis="usable rows over the paper's, points",
            rows=tuple((one.name, (percent(one.against_paper),)) for one in figures),
            marks=(("the paper's", 0.0),),
        )
        for (style, referee), figures in found.items()
    )
    return Section(job="defaults", name=name, title=title, grids=(grid,), plots=plots)


def tuned(name: str, title: str, panel: str, found: Sequence[TunedFigures], ceiling: str) -> Section:
    """What a target makes of each arm's rows; ``ceiling`` is the arm that knows all there is to know."""
    head = (
        "trained on",
        USABLE,
        "exact match, greedy, %",
        "× seeds",
        "over full, points",
        f"way from seeds to {ceiling}, %",
        "exact match, T = 0.7, %",
        "T = 0.7, × seeds",
        "greedy by run, %",
    )
    grid = Grid(
        head=head,
        rows=tuple(
            (
                one.arm,
                f"{100 * one.rows_usable:.1f}",
                one.greedy.show(1, percent=True),
                one.over_seeds.show(3),
                one.over_full.show(1, percent=True),
                one.way.show(0, percent=True) if one.way else "–",
                one.sampled.show(1, percent=True),
                one.sampled_over_seeds.show(3),
                " ".join(f"{100 * value:.1f}" for value in one.by_run),
            )
            for one in found
        ),
    )
    greedy = {one.arm: 100 * one.greedy.value for one in found}
    plot = Dots(
        title=panel,
        axis="exact match on held-out questions, %",
        rows=tuple((one.arm, (percent(one.greedy), percent(one.sampled))) for one in found),
        series=("greedy", "temperature 0.7"),
        marks=(("seeds, greedy", greedy["seeds"]), ("ceiling, greedy", greedy[ceiling])),
    )
    return Section(job="tune", name=name, title=title, grids=(grid, _families(found)), plots=(plot,))


def _families(found: Sequence[TunedFigures]) -> Grid:
    """Where an arm's gain comes from."""
    return Grid(
        lead="Exact match by family, greedy, %",
        head=("family", *(one.arm for one in found)),
        rows=tuple((family, *(f"{100 * one.by_family[family]:.0f}" for one in found)) for family in found[0].by_family),
    )

"""Figures as Markdown: a section per question, put into RESULTS.md between markers, so that prose stays."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from proof.choices import ArmFigures
from proof.defaults import DefaultFigures
from proof.judging import Judging
from proof.longruns import Case, Summary
from proof.rules import RuleFigures
from proof.trained import TunedFigures

RESULTS = Path(__file__).with_name("RESULTS.md")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def versions() -> str:
    """What made the figures; no host names, no paths."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "numpy"))
    return f"Python {platform.python_version()}, {packages}, {platform.machine()}, one thread on a CPU"


def arms(found: Sequence[ArmFigures]) -> str:
    """Precision of each arm's choice."""
    head = (
        "arm",
        "usable rows, %",
        "over seeds, points",
        "over full, points",
        "kept from a pair, %",
        "verdicts per seed",
    )
    return table(
        head,
        (
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


def authors(found: Sequence[ArmFigures], pairs: Sequence[str]) -> str:
    """Who wrote the rows that each arm chose, in percent."""
    rows = (
        (name, *(f"{100 * one.columns[column]:.1f}" for one in found)) for column, name in enumerate(("seed", *pairs))
    )
    return table(("written by", *(one.name for one in found)), rows)


def rules(found: Sequence[RuleFigures]) -> str:
    """Rules of choice, with and without the end scored."""
    head = ("IFD", "rule", "usable rows, %", "over what ships, points", "rows of the agent that breaks off, %")
    return table(
        head,
        (
            (
                one.mode,
                one.rule,
                one.usable.show(1, percent=True),
                one.against_shipped.show(1, percent=True),
                f"{100 * one.cut:.1f}",
            )
            for one in found
        ),
    )


def judging(found: Sequence[tuple[str, str, Judging]]) -> str:
    """Lazy judging; each entry with its seeds and its referee."""
    head = ("seeds", "referee", "M", "rows", "other choices", "of all verdicts, %", "of those with a gap above 0, %")
    return table(
        head,
        (
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


def defaults(found: Mapping[tuple[str, str], Sequence[DefaultFigures]]) -> str:
    """What ships against what could ship, by seeds and referee."""
    head = ("seeds", "referee", "switches", "usable rows, %", "over what ships, points", "at the end, points", "calls")
    rows = (
        (
            style,
            referee,
            one.name,
            one.usable.show(1, percent=True),
            one.against_shipped.show(1, percent=True),
            one.end_against_shipped.show(1, percent=True),
            f"{one.calls:.1f}",
        )
        for (style, referee), figures in found.items()
        for one in figures
    )
    return table(head, rows)


def tuned(found: Sequence[TunedFigures]) -> str:
    """What the target makes of each arm's rows."""
    head = (
        "trained on",
        "usable rows, %",
        "exact match, greedy, %",
        "× seeds",
        "over full, points",
        "exact match, T = 0.7, %",
        "greedy by training seed, %",
    )
    return table(
        head,
        (
            (
                one.arm,
                f"{100 * one.rows_usable:.1f}",
                one.greedy.show(1, percent=True),
                one.greedy_over_seeds.show(3),
                one.greedy_over_full.show(1, percent=True),
                one.sampled.show(1, percent=True),
                " ".join(f"{100 * value:.1f}" for value in one.by_seed),
            )
            for one in found
        ),
    )


def policies(case: Case, found: Sequence[Summary]) -> str:
    """Stationary figures, or recovery where the world turns."""
    return _recovery(found) if case.drift != "none" else _stationary(found)


def _recovery(found: Sequence[Summary]) -> str:
    head = (
        "policy",
        "draws on the turned pair at the end, %",
        "run until recovered, %",
        "usable rows at the end, %",
    )
    rows = (
        (
            one.setting.name,
            one.mean["turned_end"].show(1, percent=True),
            "-" if one.setting.kind == "uniform" else one.mean["recovery"].show(1, percent=True),
            one.mean["usable_end"].show(1, percent=True),
        )
        for one in found
    )
    return table(head, rows)


def _stationary(found: Sequence[Summary]) -> str:
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
    rows = (
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
    return table(head, rows)


def put(name: str, text: str, file: Path = RESULTS) -> None:
    """Replace what stands between the markers of ``name``, or add it at the end."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    block = f"{begin}\n{text}\n{end}"
    page = file.read_text(encoding="utf-8") if file.is_file() else "# Does it make better data?\n"
    if begin in page:
        page = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, page, flags=re.DOTALL)
    else:
        page = f"{page.rstrip()}\n\n{block}\n"
    file.write_text(page, encoding="utf-8")

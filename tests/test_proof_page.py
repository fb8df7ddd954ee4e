"""The report of the proof: one source of figures for Markdown and page, plots that show what they say, one file."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markupsafe import escape
from page_browser import chromium
from test_score_report import Page

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))
bootstrap, page, plots = (import_module(f"proof.{name}") for name in ("bootstrap", "page", "plots"))
report, sections, trained = (import_module(f"proof.{name}") for name in ("report", "sections", "trained"))

PROSE = "# Does it?\n\nYes, *mostly* <script>alert(1)</script>.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def interval(value: float, half: float = 0.03) -> Any:
    return bootstrap.Interval(value, value - half, value + half)


def tuned() -> Any:
    """A section as the fine-tuning yields it."""
    found = [
        trained.TunedFigures(
            arm=arm,
            rows_usable=value,
            greedy=interval(value),
            over_seeds=interval(1 + value),
            over_full=interval(-0.1),
            way=interval(value),
            sampled=interval(value - 0.1),
            sampled_over_seeds=interval(1.0),
            by_run=(value, value),
            by_family={"add": value},
        )
        for arm, value in (("seeds", 0.5), ("full", 0.625), ("full <without> memory", 0.61), ("oracle", 0.75))
    ]
    return report.tuned("tuned noisy-1", "2,000 rows & 5 runs", "noisy-1", found, "oracle")


def course(name: str = "along") -> Any:
    curves = tuple(
        sections.Curve(name=f"pair {number}", values=(10.0, 10.0 + number, 5.0 * number), strong=number > 2)
        for number in range(1, 6)
    )
    lines = sections.Lines(
        title="M = 2", axis="usable rows, %", across="draws", length=5000.0, curves=curves, marks=(("even", 6.7),),
        turn=2500.0,
    )  # fmt: skip
    grid = sections.Grid(head=("pair", "end"), rows=(("pair 1", "5.0"),), lead="At the end")
    return sections.Section(job="policies", name=name, title=f"{name}: a run", grids=(grid,), plots=(lines,), made="Py")


def test_every_section_of_a_job_stands_on_the_page_with_the_figures_of_its_markdown() -> None:
    found = [tuned(), course(), course("again")]
    text = page.page(PROSE, found)
    for section in found:
        assert escape(section.title) in text
        assert len(section.plots) == 1
        for grid in section.grids:
            for row in (grid.head, *grid.rows):
                line = f"| {' | '.join(row)} |"
                assert line in sections.markdown(section)
                assert all(f">{escape(cell)}</t" in text for cell in row)
    assert "62.5 [59.5, 65.5]" in text
    assert text.count("<svg") == 3
    assert text.index("What training on") < text.index("Evolution over long runs")


def test_the_page_needs_no_other_file_and_what_looks_like_a_tag_stays_text() -> None:
    text = page.page(PROSE, [tuned(), course()])
    assert not re.search(r"https?:|<script|<link|<img|url\(|\bsrc=", text)
    assert text.index("<h1>Does it?</h1>") < text.index("<nav>") < text.index("Yes, ")
    assert "<em>mostly</em> &lt;script&gt;" in text
    assert "<td>2</td>" in text
    assert "full &lt;without&gt; memory" in text


def test_no_name_title_or_figure_of_a_section_is_ever_markup() -> None:
    nasty = '"></svg></title><script>alert("1")</script>'
    dots = sections.Dots(
        title=nasty, axis=nasty, rows=((nasty, (interval(1.0), interval(2.0))),), series=(nasty, nasty),
        marks=((nasty, 1.5),),
    )  # fmt: skip
    curve = sections.Curve(name=nasty, values=(1.0, 2.0))
    lines = sections.Lines(title=nasty, axis=nasty, across=nasty, length=2.0, curves=(curve,), marks=((nasty, 1.5),))
    grid = sections.Grid(head=(nasty,), rows=((nasty,),), lead=nasty)
    evil = sections.Section(job=nasty, name=nasty, title=nasty, grids=(grid,), plots=(dots, lines), made=nasty)
    read = Page(page.page(f"# {nasty}\n\n{nasty}\n", [evil]))
    assert "script" not in read.tags
    assert [ElementTree.fromstring(svg).tag for svg in read.svgs] == ["svg"] * 2
    assert {"onload", "onclick", "src"}.isdisjoint(read.attributes)
    assert read.text.count("<script>alert") >= 18


def test_what_was_kept_comes_back_and_a_section_of_the_same_name_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "sections.json"
    assert sections.kept(file) == []
    sections.keep([tuned(), course()], file)
    sections.keep([course("along")], file)
    assert sections.kept(file) == [tuned(), course()]


def test_a_section_replaces_itself_in_the_results_and_leaves_the_prose_alone(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# Title\n\nProse before.\n\n## Figures\n", encoding="utf-8")
    first, again = (
        sections.Section(job="one", name="one", title=title, grids=(sections.Grid(head=("head",), rows=((title,),)),))
        for title in ("old", r"\2 new")
    )
    sections.put(first, results)
    results.write_text(results.read_text(encoding="utf-8") + "\nProse after.\n", encoding="utf-8")
    sections.put(again, results)
    text = results.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.index("Prose before.") < text.index(r"| \2 new |") < text.index("Prose after.")
    assert sections.prose(results) == "# Title\n\nProse before.\n"


def test_the_command_writes_the_page_of_what_was_kept_and_says_when_there_is_nothing(tmp_path: Path) -> None:
    loader = SourceFileLoader("proof_run", str(TOOLS / "proof" / "run"))
    run = module_from_spec(spec_from_loader("proof_run", loader))  # type: ignore[arg-type] # a loader gives a spec
    loader.exec_module(run)
    with pytest.raises(SystemExit, match="no figures yet"):
        run.write_page(tmp_path, write=False)
    sections.keep([tuned()], tmp_path / run.KEPT)
    run.write_page(tmp_path, write=False)
    text = (tmp_path / run.PAGE).read_text(encoding="utf-8")
    assert "<h1>Does it make better data?</h1>" in text
    assert "62.5 [59.5, 65.5]" in text
    assert set(run.JOBS) | set(run.JOBS_BY_NAME) >= set(page.CHAPTERS)


def test_every_interval_lies_within_the_plots_box_and_panels_share_their_axis() -> None:
    narrow, wide = (
        sections.Dots(title=label, axis="%", rows=((f"the policy {label}", (interval(low, 1), interval(high, 9))),))
        for label, low, high in (("one", 3.0, 20.0), ("two", -40.0, 95.0))
    )
    drawn = plots.draw([narrow, wide])
    axes = [shape for one in drawn for shape in one.shapes if shape.css == "axis"]
    assert len(axes) == 2
    spans = {tuple(map(float, re.findall(r"-?[\d.]+", axis.at["d"]))) for axis in axes}
    (left, *_, right), *_ = (sorted((one[0], one[2])) for one in spans)
    assert {(one[0], one[2]) for one in spans} == {(left, right)}
    assert 0 < left < right < plots.WIDTH
    for one in drawn:
        found = [shape for shape in one.shapes if shape.css.startswith("interval ")]
        assert len(found) == 2
        for path in found:
            low, high = re.findall(r"[MH](-?[\d.]+)", path.at["d"])
            assert left <= float(low) < float(high) <= right


def test_curves_stay_in_their_box_and_a_pair_keeps_its_colour_from_panel_to_panel() -> None:
    low, high = course().plots[0], course().plots[0]
    high = sections.Lines(
        title="M = 3", axis=low.axis, across="draws", length=5000.0, curves=tuple(reversed(low.curves))
    )
    colours = []
    for one in plots.draw([low, high]):
        curves = {shape.says: shape for shape in one.shapes if shape.tag == "path" and shape.says}
        assert len(curves) == 5
        for path in curves.values():
            numbers = [float(value) for value in re.findall(r"-?[\d.]+", path.at["d"])]
            assert all(0 <= x <= plots.WIDTH for x in numbers[::2])
            assert all(0 <= y <= one.height for y in numbers[1::2])
        colours.append({name: path.css for name, path in curves.items()})
    assert colours[0] == colours[1]
    assert colours[0]["pair 1"] == "curve grey"


def test_a_phone_shows_the_page_without_scrolling_sideways_and_no_text_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page.page(PROSE, [tuned(), course()]), encoding="utf-8")
    boxes = """[...document.querySelectorAll('svg text')].map(one => {
        const [text, box] = [one.getBoundingClientRect(), one.ownerSVGElement.getBoundingClientRect()];
        const cut = text.left < box.left - 3 || text.right > box.right + 3 || text.bottom > box.bottom + 1;
        return [one.textContent, cut, text.height];
    })"""
    with chromium() as browser:
        for width in (390, 1280):
            opened = browser.new_page(viewport={"width": width, "height": 900})
            opened.goto(file.as_uri())
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            found = opened.evaluate(boxes)
            assert [text for text, cut, _ in found if cut] == []
            assert min(height for *_, height in found) > 10

"""The score report: what is counted, what is drawn, and that no text of a row is ever markup."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.engine.score_dataset.report import report_page
from star_agents.engine.score_dataset.tally import ENDS, OTHER_REASONS, REASONS, RESERVOIR, Tally, quantile
from star_agents.records import Message, Sample, Score
from star_agents.report.axes import Axis
from star_agents.report.charts import outside

WORK: dict[str, str | int] = {
    "small": "org/small",
    "large": "org/<large>",
    "mode": "perplexity_ratio",
    "max_length": 2048,
    "input": "sha256:00",
    "dtype of small": "float32",
}
TAGS = (
    {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "h1", "h2", "h3", "p", "b"}
    | {"span", "figure", "figcaption", "article", "details", "summary", "table", "tr", "td"}
    | {"svg", "path", "rect", "text"}
)


def sample(text: str) -> Sample:
    return Sample(instruction=text, response="r")


def tally_of(pairs: list[tuple[float, float]]) -> Tally:
    tally = Tally()
    for row, (small, large) in enumerate(pairs):
        tally.add(Score(ifd_small=small, ifd_large=large), lambda row=row: sample(f"row {row}"))  # type: ignore[misc]
    return tally


def some_pairs(count: int) -> list[tuple[float, float]]:
    chance = random.Random(1)
    return [
        (large + chance.gauss(0.05, 0.1), large) for large in (chance.lognormvariate(-0.4, 0.3) for _ in range(count))
    ]


class Page(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.said: list[str] = []
        self.feed(page)
        self.text = "".join(self.said)
        self.svgs = re.findall("<svg.*?</svg>", page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_the_page_stands_alone_and_runs_nothing() -> None:
    page = report_page("data.jsonl", WORK, tally_of(some_pairs(500)))
    read = Page(page)
    assert set(read.tags) <= TAGS
    assert not {"src", "href", "style", "onload", "onclick"} & read.attributes
    assert not re.search(r"https?:|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme:dark" in page
    assert len(page) < 150_000
    assert [ElementTree.fromstring(svg).tag for svg in read.svgs] == ["svg"] * 3


def test_what_models_and_people_wrote_is_text_and_never_markup() -> None:
    nasty = '</style></div><script>alert("1")</script>&amp;<img src=x onerror=alert(2)>\ud800'
    talk = Sample(
        instruction=nasty,
        input=nasty,
        response=nasty * 20,
        history=(Message(role="system", content=nasty), Message(role="user", content=nasty)),
    )
    tally = Tally()
    tally.add(Score(ifd_small=2.0, ifd_large=1.0), lambda: talk)
    tally.add(Score(reason=f"unreadable row: {nasty}"), lambda: talk)
    page = Page(report_page(nasty, {**WORK, "small": nasty}, tally))
    assert set(page.tags) <= TAGS
    shown = nasty.replace("\ud800", "\ufffd")
    assert page.text.count(shown) >= 7
    assert f"IFD scores of {shown}" in page.text


def test_a_long_text_is_folded_and_lost_nowhere() -> None:
    words = " ".join(f"word{n}" for n in range(3000))
    lines = "\n".join(f"line{n}" for n in range(500))
    short = "s" * 500
    tally = Tally()
    tally.add(Score(ifd_small=2.0, ifd_large=1.0), lambda: Sample(instruction=words, input=lines, response=short))
    page = report_page("d", WORK, tally)
    texts = re.findall(r'<div class="text" dir="auto">(.*?)</div>', page, re.DOTALL)
    assert "".join(texts) == words + lines + short
    assert [len(text) < 600 for text in texts] == [True, False, True, False, True]
    assert page.count("<details>") == 2
    assert texts[2].count("\n") == 8


def test_counts_and_reasons_are_told() -> None:
    tally = tally_of(some_pairs(50))
    for _ in range(1200):
        tally.add(Score(reason="the response is empty"), lambda: sample("unused"))
    text = Page(report_page("d.csv", WORK, tally)).text
    assert "IFD scores of d.csv" in text
    assert "50of 1,250 rows scored" in text
    assert "1,200the response is empty" in text
    assert f"{tally.positive} rows" in text
    assert "org/<large>" in text


def test_a_file_without_any_score_still_has_a_page() -> None:
    tally = Tally()
    tally.add(Score(reason="the response is empty"), lambda: sample("unused"))
    page = Page(report_page("d", WORK, tally))
    assert page.svgs == []
    assert "No row could be scored" in page.text
    assert "the response is empty" in page.text


@pytest.mark.parametrize(
    "pairs", [[(0.5, 0.25)], [(1.0, 1.0)] * 3, [(1e9, 1e-9), (1e-9, 1e9)], [(0.0, 0.0)], [(1e12, 1e12), (1e12, 1e12)]]
)
def test_the_oddest_scores_can_be_drawn(pairs: list[tuple[float, float]]) -> None:
    for svg in Page(report_page("d", WORK, tally_of(pairs))).svgs:
        assert "nan" not in svg
        assert "inf" not in svg
        ElementTree.fromstring(svg)


def test_zero_is_always_on_the_axis_of_the_gap() -> None:
    for gaps in ([0.3, 0.4, 0.5], [-3.0, -2.0], [-0.1, 0.1]):
        axis = Axis.over(gaps, also=0.0)
        assert axis.low <= 0 <= axis.high
        assert abs(axis.low / axis.step - round(axis.low / axis.step)) < 1e-6


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_every_value_within_the_fence_has_its_bin(values: list[float]) -> None:
    axis = Axis.over(values)
    found = [axis.bin_of(value) for value in values]
    assert sum(one is None for one in found) == outside(axis, values) <= len(values) // 2
    for value, index in zip(values, found, strict=True):
        if index is not None:
            assert axis.low + index * axis.step - axis.step / 1e3 <= value <= axis.low + (index + 1.001) * axis.step


@given(st.lists(st.tuples(st.floats(0.01, 9), st.floats(0.01, 9)), max_size=60))
def test_the_ends_are_those_that_sorting_gives(pairs: list[tuple[float, float]]) -> None:
    tally = tally_of(pairs)
    gaps = [small - large for small, large in pairs]
    by_gap = sorted(range(len(pairs)), key=lambda row: (-gaps[row], row))
    highest = by_gap[:ENDS]
    assert [pair.row - 1 for pair in tally.highest] == highest
    lowest = sorted(range(len(pairs)), key=lambda row: (gaps[row], row))[:ENDS]
    assert [pair.row - 1 for pair in tally.lowest] == [row for row in lowest if row not in highest]
    assert tally.positive == sum(gap > 0 for gap in gaps)


def test_a_pair_that_stands_in_the_file_often_is_shown_once() -> None:
    tally = Tally()
    for row in range(100):
        tally.add(Score(ifd_small=1.0 + row % 5, ifd_large=1.0), lambda row=row: sample(f"{row % 5}"))  # type: ignore[misc]
    assert [pair.row for pair in tally.highest] == [5, 4, 3, 2, 1]
    assert tally.lowest == []


def test_beyond_the_reservoir_a_sample_stands_for_all_and_the_same_file_gives_the_same_page() -> None:
    pairs = some_pairs(RESERVOIR + 10_000)
    tally, again = tally_of(pairs), tally_of(pairs)
    assert tally.sampled
    assert len(tally.small) == len(tally.large) == RESERVOIR
    everything = sorted(small - large for small, large in pairs)
    middle = quantile(tally.gaps, 0.5)
    assert middle == pytest.approx(everything[len(everything) // 2], abs=0.003)
    assert set(tally.gaps) <= set(everything)
    page = report_page("d", WORK, tally)
    assert page == report_page("d", WORK, again)
    assert "50,000 of the 60,000 scored rows" in page


def test_reasons_without_end_do_not_fill_the_memory() -> None:
    tally = Tally()
    for row in range(REASONS + 100):
        tally.add(Score(reason=f"found the number {row}"), lambda: sample("unused"))
    assert len(tally.reasons) == REASONS + 1
    assert tally.reasons[OTHER_REASONS] == 100

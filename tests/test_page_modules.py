"""The page's pure modules, run by the browser that will run them: the sentence, numbers, differences, curves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_browser import chromium
from playwright.sync_api import Page

import star_agents.web

PAGE = Path(star_agents.web.__file__).parent / "page"
STATUS = {
    "state": "ready",
    "seeds": {"waiting": 360, "working": 32, "kept": 600, "base": 200, "dropped": 12, "quarantined": 0},
    "rate": {"seeds_per_minute": 41.2, "seeds_per_minute_overall": 40.0, "eta_s": 1740.0},
    "calls": {"answered": 5000},
    "cost": {"usd": 1.84, "calls_of_unknown_price": 0},
    "budgets": [{"key": "budget_usd", "unit": "usd", "limit": 20}],
    "pairs": {"keep/gpt": 0.24, "keep/phi": 0.19},
    "waiting_for": None,
}
NONE = {"waiting": 0, "working": 0, "kept": 0, "base": 0, "dropped": 0, "quarantined": 0}
END = " $1.84 of $20.00 spent. Best pair: keep/gpt, drawn with 24 %."


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page whose modules come from the files, without a daemon."""
    with chromium() as browser:
        page = browser.new_page()
        page.route("**/*", lambda route: route.fulfill(path=PAGE / route.request.url.rpartition("/")[2]))
        page.goto("http://page.invalid/icon.svg")
        yield page


def call(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """What an exported function gives for plain data."""
    script = "([module, name, given]) => import(`/${module}.js`).then((loaded) => loaded[name](...given))"
    return page.evaluate(script, [module, function, list(arguments)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "Working: 812 of 1,204 seeds done, 41 a minute, about 29 min left." + END),
        ({"state": "paused"}, "Pausing: 812 of 1,204 seeds done, 392 wait." + END),
        (
            {"waiting_for": {"reason": "the budget is reached"}},
            "Waiting: the budget is reached. 812 of 1,204 seeds done." + END,
        ),
        ({"state": "draining"}, "Draining: 32 seeds in hand, then it stops. 812 of 1,204 seeds done." + END),
        ({"seeds": {**NONE, "kept": 1, "base": 2}}, "Done: 1 of 3 seeds improved, 2 kept the base answer." + END),
        (
            {"cost": {"usd": 0, "calls_of_unknown_price": 0}, "state": "draining"},
            "Draining: 32 seeds in hand, then it stops. 812 of 1,204 seeds done. It cost nothing."
            " Best pair: keep/gpt, drawn with 24 %.",
        ),
        ({"seeds": NONE, "calls": {"answered": 0}, "pairs": {}}, "Ready, with nothing to do: there are no seeds yet."),
        (
            {"budgets": [], "pairs": {"a/b": 0.5, "a/c": 0.5}},
            "Working: 812 of 1,204 seeds done, 41 a minute, about 29 min left. $1.84 spent.",
        ),
    ],
)
def test_the_sentence_says_it_in_plain_words(page: Page, change: dict[str, Any], said: str) -> None:
    parts = call(page, "sentence", "sentence", {**STATUS, **change})
    assert call(page, "sentence", "plain", parts) == said


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        ("money", None, "–"),
        ("money", 0, "$0"),
        ("money", 0.00001, "< $0.0001"),
        ("money", 0.0123, "$0.0123"),
        ("money", 1234.5, "$1,234.50"),
        ("latency", 0.0042, "4.2 ms"),
        ("latency", 0.25, "250 ms"),
        ("latency", 12.3, "12 s"),
        ("about", 0.2, "under a second"),
        ("about", 61.0, "about 61 s"),
        ("duration", 3599, "60 min"),
        ("duration", 90000, "25 h"),
        ("percent", -0.0001, "0 %"),
        ("rate", 0, "0"),
        ("rate", 3.25, "3.3"),
    ],
)
def test_numbers_read_as_people_write_them(page: Page, function: str, value: Any, text: str) -> None:
    assert call(page, "format", function, value) == text


@pytest.mark.parametrize(
    ("text", "other", "new"),
    [
        ("the answer is 86 .", "the answer is 33 .", ["86"]),
        ("so it is, the answer is 4", "the answer is 4", ["so it is,"]),
        ("the same", "the same", []),
        ("", "anything", []),
        ("all new", "", ["all new"]),
        ("it is 5 ." * 2000, "it is 6", []),
    ],
)
def test_a_difference_marks_the_new_words_and_loses_none(page: Page, text: str, other: str, new: list[str]) -> None:
    runs = call(page, "difference", "difference", text, other)
    assert "".join(run["text"] for run in runs) == text
    assert [run["text"].strip() for run in runs if run["isNew"]] == new


def test_a_curve_stays_small_and_keeps_its_first_and_last_point(page: Page) -> None:
    script = """async () => {
        const { CurvePoints, MOST_POINTS } = await import("/curve_points.js");
        const points = new CurvePoints();
        for (let seq = 0; seq <= 100000; seq += 1) points.add(seq, seq < 50000 ? { a: 1 } : { a: 0.5, b: seq });
        return { seqs: points.seqs, most: MOST_POINTS, a: points.columns.get("a"), b: points.columns.get("b") };
    }"""
    told = page.evaluate(script)
    seqs = told["seqs"]
    assert len(seqs) <= told["most"]
    assert (seqs[0], seqs[-1]) == (0, 100_000)
    assert seqs == sorted(set(seqs))
    assert len(told["a"]) == len(told["b"]) == len(seqs)
    # A pair that came later has no past; every value stands at its own outcome.
    assert [value for seq, value in zip(seqs, told["b"], strict=True)] == [
        seq if seq >= 50_000 else None for seq in seqs
    ]

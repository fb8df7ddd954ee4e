"""The page's pure modules, run by the browser that will run them: the sentence, numbers, differences, curves, gaps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_browser import chromium
from playwright.sync_api import Page

import star_agents.web

PAGE = Path(star_agents.web.__file__).parent / "page"
STATUS: dict[str, Any] = {
    "state": "ready",
    "seeds": {
        "waiting": 360,
        "working": 32,
        "kept": 600,
        "base": 200,
        "dropped": 12,
        "quarantined": 0,
        "stranded": 0,
        "catching_up": 0,
    },
    "rate": {"seeds_per_minute": 41.2, "seeds_per_minute_overall": 40.0, "eta_s": 1740.0},
    "calls": {"answered": 5000},
    "cost": {"usd": 1.84, "calls_of_unknown_price": 0},
    "referee": {"won_by_tie": 0},
    "recipes": {"star": {"in_chain": True, "outcomes": {}}},
    "budgets": [{"key": "budget_usd", "unit": "usd", "limit": 20, "reached": ""}],
    "pairs": {"keep/gpt": 0.24, "keep/phi": 0.19},
    "win_rates": {"keep/gpt": {"wins": 60, "answers": 180, "rate": 1 / 3, "low": 0.268, "high": 0.405}},
    "best_pair": "keep/gpt",
    "waiting_for": None,
}
NONE = {
    "waiting": 0,
    "working": 0,
    "kept": 0,
    "base": 0,
    "dropped": 0,
    "quarantined": 0,
    "stranded": 0,
    "catching_up": 0,
}
BEST = " Best pair: keep/gpt, chosen in 33 % (27–41 %) of its 180 answers."
END = f" $1.84 of $20.00 spent.{BEST}"
REACHED = "agent gpt: a call of up to $0.02 could pass the budget of $20 ($19.99 spent, $0 reserved)"


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
            {"waiting_for": {"reason": "agent gpt is down"}},
            "Waiting: agent gpt is down. 812 of 1,204 seeds done." + END,
        ),
        (
            {
                "waiting_for": {"reason": REACHED},
                "budgets": [{"key": "budget_usd", "unit": "usd", "limit": 20, "reached": REACHED}],
            },
            "Waiting: budget_usd is reached; raise it in agents.yaml to go on. 812 of 1,204 seeds done." + END,
        ),
        (
            {
                "waiting_for": {"reason": REACHED},
                "budgets": [
                    {"key": "budget_calls_per_day", "unit": "calls", "limit": 5000, "spent": 5000, "reached": REACHED}
                ],
            },
            "Waiting: budget_calls_per_day is reached (5,000 of 5,000 calls); raise it in agents.yaml to go on, or wait"
            f" for the next day of UTC. 812 of 1,204 seeds done. $1.84 spent.{BEST}",
        ),
        ({"state": "draining"}, "Draining: 32 seeds in hand, then it stops. 812 of 1,204 seeds done." + END),
        ({"seeds": {**NONE, "kept": 1, "base": 2}}, "Done: 1 of 3 seeds improved, 2 kept the base answer." + END),
        (
            {"seeds": {**NONE, "kept": 2, "dropped": 1}, "recipes": {"mine": {"in_chain": True}}, "best_pair": None},
            "Done: 2 of 3 seeds kept, 1 dropped. $1.84 of $20.00 spent.",
        ),
        (
            {"seeds": {**NONE, "kept": 2, "base": 1}, "referee": {"won_by_tie": 1}},
            "Done: 2 of 3 seeds improved (1 by a larger gap at a tie), 1 kept the base answer." + END,
        ),
        (
            {"cost": {"usd": 0, "calls_of_unknown_price": 0}, "state": "draining"},
            f"Draining: 32 seeds in hand, then it stops. 812 of 1,204 seeds done. It cost nothing.{BEST}",
        ),
        (
            {"cost": {"usd": None, "calls_of_unknown_price": 7}, "state": "draining"},
            f"Draining: 32 seeds in hand, then it stops. 812 of 1,204 seeds done. What it cost is unknown.{BEST}",
        ),
        (
            {"cost": {"usd": 1.5, "calls_of_unknown_price": 7}, "state": "draining", "best_pair": None},
            "Draining: 32 seeds in hand, then it stops. 812 of 1,204 seeds done. "
            "$1.50 of $20.00 and 7 calls of unknown price spent.",
        ),
        (
            {"seeds": NONE, "calls": {"answered": 0}, "best_pair": None},
            "Ready, with nothing to do: there are no seeds yet.",
        ),
        (
            {"budgets": [], "best_pair": None},
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
        ("money", None, "unknown"),
        ("moneyEach", None, "–"),
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
        ("digitsOf", 20, 0),
        ("digitsOf", 1, 0),
        ("digitsOf", 0.5, 1),
        ("digitsOf", 0.25, 2),
        ("digitsOf", 0.1 + 0.2, 1),
        ("digitsOf", 0.005 * 100, 1),
        ("digitsOf", 0.0025, 4),
    ],
)
def test_numbers_read_as_people_write_them(page: Page, function: str, value: Any, text: Any) -> None:
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


@pytest.mark.parametrize(
    ("high", "even", "top"),
    [
        (0.1, 0.1, 0.2),
        (0.125 + 1e-9, 0.125, 0.25),
        (0, 0.25, 0.5),
        (0.5, 0.5, 1),
        (1, 1, 1.06),
        (0.8, 0.1, 0.848),
    ],
)
def test_the_axis_of_probabilities_goes_from_0_to_twice_the_even_share_or_beyond_the_leader(
    page: Page, high: float, even: float, top: float
) -> None:
    assert call(page, "curve_points", "shareRange", high, even) == [0, pytest.approx(top)]


def test_the_first_and_last_bin_of_the_gaps_are_open_and_say_what_they_hold(page: Page) -> None:
    def bins(chosen: dict[int, int], others: dict[int, int]) -> dict[str, Any]:
        counts = {"chosen": [chosen.get(at, 0) for at in range(40)], "others": [others.get(at, 0) for at in range(40)]}
        return {"low": -1, "width": 0.05, **counts}

    piled = bins({30: 2, 39: 1200}, {0: 3, 20: 1, 39: 34})
    assert call(page, "gap_bins", "openEnds", piled) == (
        "Below −0.95: 3, all drawn in one bin. 0.95 or more: 1,234, all drawn in one bin."
    )
    assert call(page, "gap_bins", "openEnds", bins({1: 5, 20: 4}, {38: 7})) == ""
    assert call(page, "gap_bins", "openEnds", {"width": 1, "low": 0, "chosen": [], "others": []}) == ""
    limits = [call(page, "gap_bins", "limits", piled, at) for at in (0, 1, 20, 38, 39)]
    assert limits == [["−∞", "−0.95"], ["−0.95", "−0.90"], ["0.00", "0.05"], ["0.90", "0.95"], ["0.95", "∞"]]
    medians = [call(page, "gap_bins", "median", piled, counted(at)) for at in (0, 20, 39, None)]
    assert medians == ["< −0.95", "0.03", "≥ 0.95", "–"]


def counted(at: int | None) -> list[int]:
    """Three gaps in one of 40 bins, or none at all."""
    return [3 if number == at else 0 for number in range(40)]


def test_the_ticks_of_an_axis_differ_from_each_other_whatever_its_step(page: Page) -> None:
    script = """async (step) => {
        const { decimal, digitsOf, percent } = await import("/format.js");
        const ticks = Array.from({ length: 12 }, (_, at) => (at - 5) * step);
        const shares = ticks.map((tick) => percent(tick, digitsOf(step * 100)));
        return [ticks.map((tick) => decimal(tick, digitsOf(step))), shares];
    }"""
    for step in (scale * 10.0**power for power in range(-5, 3) for scale in (1, 2, 2.5, 5)):
        for texts in page.evaluate(script, step):
            assert len(set(texts)) == 12, (step, texts)


def test_a_pair_keeps_its_look_whoever_leads_and_whoever_joins(page: Page) -> None:
    script = """async (curves) => {
        const { CurvePoints } = await import("/curve_points.js");
        const { coloured, looksOf } = await import("/colours.js");
        return curves.map(([points, ranked]) => {
            const kept = new CurvePoints();
            kept.replace(points);
            return Object.fromEntries(coloured(ranked, looksOf(kept.came())));
        });
    }"""

    def point(seq: int, names: list[str]) -> dict[str, Any]:
        return {"seq": seq, "at": 0, "probabilities": {name: 1 / len(names) for name in names}}

    few = [f"keep/{letter}" for letter in "dbac"]
    before, reordered, joined, gone = page.evaluate(
        script,
        [
            [[point(0, few), point(9, few)], few],
            [[point(0, few[::-1])], sorted(few)],
            [[point(0, few), point(9, [*few, "a/first_by_name"])], ["a/first_by_name", *few]],
            [[point(0, few), point(9, ["keep/d", "keep/new"])], ["keep/d", "keep/new"]],
        ],
    )
    assert len({look["colour"] for look in before.values()}) == 4
    assert reordered == before
    assert {name: joined[name] for name in few} == before
    assert gone["keep/d"] == before["keep/d"]
    assert gone["keep/new"] not in before.values(), "the look of a pair that left is not given to the next"

    many = [f"keep/{number:02}" for number in range(20)]
    (all_coloured,) = page.evaluate(script, [[[point(0, many)], many]])
    assert len({(look["colour"], look["isDashed"]) for look in all_coloured.values()}) == 20
    crowd = [f"keep/{number:02}" for number in range(60)]
    one, other = page.evaluate(script, [[[point(0, crowd)], crowd], [[point(0, crowd)], crowd[::-1]]])
    assert (list(one), list(other)) == (crowd[:10], crowd[50:]), "of a crowd the leaders are coloured"


def game(left: int, right: int, scores: list[float], judge: str = "j") -> dict[str, Any]:
    said = {"scores": scores, "value": 1, "orders": 1, "reason": "", "rewards": [], "gap": None}
    return {"judge": judge, "left": left, "right": right, **said}


def measured(left: int, right: int, scores: list[float], gap: float | None = None) -> dict[str, Any]:
    """What a reward model says of a battle: one game, whatever the order."""
    return {**game(left, right, scores, "reward:m"), "orders": 0, "rewards": [0.5, -1.5], "gap": gap}


@pytest.mark.parametrize(
    ("games", "said"),
    [
        ([game(0, 1, [8, 5]), game(1, 0, [6, 9])], "8.5 : 5.5"),
        ([game(0, 1, [8, 5]), game(1, 0, [])], "no battle"),
        ([game(0, 1, [8, 4]), game(1, 0, [4, 8]), game(0, 1, [9, 9], "k"), game(1, 0, [], "k")], "8 : 4"),
        ([game(0, 1, [], "")], "the same answer"),
        ([game(0, 1, [8, 4]), game(1, 0, [4, 8]), measured(1, 0, [5, 7])], "7.5 : 4.5"),
        ([game(0, 1, [8, 4]), game(1, 0, [4, 8]), measured(0, 1, [])], "8 : 4"),
        ([measured(1, 0, [], 2.5)], "−2.5"),
        ([measured(0, 1, [])], "no battle"),
    ],
    ids=[
        "mean of both orders",
        "one order is none",
        "a juror with one order does not count",
        "equal answers",
        "a reward model counts once",
        "without a scale it does not count",
        "alone it tells a distance",
        "alone and without a scale",
    ],
)
def test_a_battle_stands_as_the_points_of_both_where_both_orders_were_judged(
    page: Page, games: list[dict[str, Any]], said: str
) -> None:
    assert call(page, "battles", "standing", games, 0) == said


def turn(name: str, *, mark: str = "", group: str = "", **lost: Any) -> dict[str, Any]:
    counts = {"draws": 0, "rewards": 0, "mean_reward": None, "outcomes": 0, "dropped": 0}
    shares = {"share": 0.1, "share_at_start": 0.2}
    return {"name": name, "group": group, "mark": mark, **shares, **counts, "measures": {"lost": lost} if lost else {}}


def test_a_filter_finds_marks_too_and_an_arm_that_came_later_says_so(page: Page) -> None:
    known = {"rows": [turn("a"), turn("b", mark="grown")], "groups": [], "all": turn("")}
    found = page.evaluate(
        "known => import('/turn_rows.js').then(({ itemsOf }) => itemsOf(known, 'GROWN', new Set()))", known
    )
    assert ([one["text"] for one in found["items"]], found["left"]) == (["b"], 0)


def test_a_rate_that_fell_clearly_of_late_has_an_arrow(page: Page) -> None:
    before, newest = ({"n": 60, "mean": mean, "low": mean - 0.1, "high": mean + 0.1} for mean in (0.7, 0.2))
    cases = {"fell": (before, newest, "20 % ↓"), "rose": (newest, before, "20 % ↑"), "same": (before, before, "20 %")}
    script = """([known, turn]) => import('/turn_rows.js').then(({ columnsOf }) => {
        const column = columnsOf(known, {}).find(({ text }) => text === "Lost");
        return [column.of(turn), column.note(turn)];
    })"""
    for earlier, late, said in cases.values():
        one = turn("a", all={"n": 120, "mean": 0.2, "low": 0.1, "high": 0.3}, before=earlier, newest=late)
        known = {"is_pool": True, "recipe": "arena", "all": one}
        told, note = page.evaluate(script, [known, one])
        assert told == said
        assert note.startswith("of late: ")
        assert note.endswith("of 60")

"""An arena as a daemon tells it: an opened outcome has its answers side by side, the battle matrix and the reasons."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from daemons import Running, get, post, star_agents
from page_browser import chromium, opened
from playwright.sync_api import Browser, expect

from star_agents.offline import seeds

PROMPTS = 12


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon that has worked an arena of the sample agents."""
    folder = tmp_path_factory.mktemp("arena")
    path = folder / "arena.yaml"
    assert star_agents("init", "--recipe", "arena", path).returncode == 0
    path.write_text(path.read_text("utf-8").replace("mode: target ", "mode: round_robin "), "utf-8")
    with Running("serve", "-c", path, "--data-dir", folder / "data", "--port", "0") as running:
        ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
        url = ready["detail"].split()[0]
        post(url, list(seeds.rows(PROMPTS, seed=3)))
        running.wait_for("outcome_committed", lambda line: line["seq"] == PROMPTS)
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_a_story_holds_every_game(url: str) -> None:
    (outcome,) = get(url, "/v1/outcomes/1")["outcomes"]
    games = outcome["judgements"]
    assert [one["role"] for one in outcome["candidates"]] == ["target"] + ["opponent"] * 5
    pairs = {frozenset((one["left"], one["right"])) for one in games}
    assert len(pairs) == 15
    for one in games:
        assert len(one["scores"]) == (2 if one["judge"] else 0)
        assert one["orders"] == 1 or not one["judge"]


def test_an_opened_outcome_shows_the_battle_matrix_and_what_the_judges_said(browser: Browser, url: str) -> None:
    (outcome,) = get(url, "/v1/outcomes/1")["outcomes"]
    with opened(browser, f"{url}#outcome=1") as page:
        matrix = page.locator("#story table.battles")
        expect(matrix.locator("tbody tr")).to_have_count(6)
        expect(matrix.locator("tbody th").first).to_have_text("novice (target)")
        expect(page.locator("#story .candidate")).to_have_count(6)
        judged = [one for one in outcome["judgements"] if one["judge"]]
        games = page.locator("#story details", has_text="with reasons")
        games.locator("summary").click()
        expect(games.locator("tbody tr")).to_have_count(len(judged))
        expect(games.locator("tbody tr").first).to_contain_text(judged[0]["reason"].splitlines()[0])


def test_the_leaderboard_is_that_of_the_games(url: str) -> None:
    board = get(url, "/v1/leaderboard")
    assert (board["seq"], board["prompts"], board["battles"]) == (PROMPTS, PROMPTS, 15 * PROMPTS)
    assert {one["player"] for one in board["players"]} == {"novice", "tutor", "chatty", "terse", "scholar", "dreamer"}
    assert board["players"][-1]["player"] == "dreamer"
    for one in board["players"]:
        assert one["wins"] + one["ties"] + one["losses"] == one["battles"] == 5 * PROMPTS
    (judge,) = board["judges"]
    assert (judge["judge"], judge["unreadable"]) == ("referee", 0)
    assert (judge["agreement"]["answers"], judge["games"]) == (judge["both_orders"], 2 * judge["both_orders"])
    assert judge["agreement"]["wins"] + judge["by_position"]["wins"] <= judge["both_orders"]
    assert judge["longer_won"]["answers"] > 0, "lengths of the answers are read from the store"
    assert (board["one_order_only"], board["juror_spread"]) == (0, None)


def test_the_page_shows_the_leaderboard_with_intervals(browser: Browser, url: str) -> None:
    best = get(url, "/v1/leaderboard")["players"][0]
    with opened(browser, url) as page:
        rows = page.locator("#leaderboard table.ratings tbody tr")
        expect(rows).to_have_count(6)
        expect(rows.first).to_contain_text(best["player"])
        expect(rows.first).to_contain_text(f"{best['rating']:.0f}" if best["rating"] is not None else best["standing"])
        expect(page.locator("#leaderboard-lead")).to_contain_text(f"{15 * PROMPTS} battles over {PROMPTS} prompts")


def test_the_page_shows_beside_it_how_far_the_judge_can_be_trusted(browser: Browser, url: str) -> None:
    (judge,) = get(url, "/v1/leaderboard")["judges"]
    with opened(browser, url) as page:
        row = page.locator("#leaderboard table.judges tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text(f"referee{100 * judge['agreement']['rate']:.0f} % (")
        expect(row).to_contain_text(f"0 of {judge['games']}")
        (exam,) = get(url, "/v1/status")["exams"]["arena"]["judges"].values()
        assert exam["passed"]
        expect(page.locator("#leaderboard-exams")).to_have_text(f"Exam: referee {exam['right']} of {exam['pairs']}.")

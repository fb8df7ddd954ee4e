"""The page on what the loop turns to: sentences, curve, and a table that stays readable with hundreds of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from daemons import Running, get, post, star_agents
from openai_server import OpenAIServer
from page_browser import chromium, opened
from playwright.sync_api import Browser, Locator, Page, expect
from test_arena_kills import JUDGED, play, set_up
from test_page_pools import ARMS, study, work

from star_agents.offline import documents

DOCUMENTS = 4


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon that has worked documents of two skills to the end."""
    folder = tmp_path_factory.mktemp("loop")
    path = folder / "loop.yaml"
    assert star_agents("init", "--recipe", "arena_instruct", path).returncode == 0
    text = path.read_text("utf-8").replace("[reading_comprehension]", "[reading_comprehension, brain_teaser]")
    path.write_text(text, "utf-8")
    with Running("serve", "-c", path, "--data-dir", folder / "data", "--port", "0") as running:
        url = running.wait_for("state_changed", lambda line: line["state"] == "ready")["detail"].split()[0]
        post(url, documents.rows(DOCUMENTS))
        running.wait_for("outcome_committed", lambda line: line["seq"] >= DOCUMENTS and is_done(url))
        yield url


def is_done(url: str) -> bool:
    seeds = get(url, "/v1/status")["seeds"]
    return bool(seeds["waiting"] + seeds["working"] == 0)


def rows_of(page: Page) -> Locator:
    return page.locator("#turns-table tbody tr")


@pytest.mark.parametrize(("width", "height"), [(1440, 1000), (390, 844)])
def test_it_says_in_sentences_and_by_group_what_the_loop_turned_to_and_what_the_target_lost_there(
    browser: Browser, url: str, width: int, height: int
) -> None:
    told = get(url, "/v1/turns/agent_instruct.types")
    with opened(browser, url, width=width, height=height) as page:
        expect(page.locator("#turns-title")).to_have_text("What the loop turns to")
        expect(page.locator("#turns-choice")).to_have_value("agent_instruct.types")
        expect(page.locator("#turns-said li")).to_have_text(told["sentences"])
        expect(page.locator("#turns-curve")).to_have_attribute("aria-label", re.compile("of each of 55 arms"))
        expect(page.locator("#turns-curve canvas")).to_be_visible()
        expect(rows_of(page)).to_have_count(10 + 2)
        for row, one in zip(rows_of(page).all(), [*told["rows"][:10], *told["groups"]], strict=True):
            cells = row.locator("td").all_inner_texts()
            lost = one["measures"]["lost"]["all"] if one["measures"] else {"n": 0}
            assert cells[0] == f"{100 * one['share']:.1f} %"
            assert cells[1] == f"{100 * one['share_at_start']:.1f} %"
            assert cells[6] == (f"{100 * lost['mean']:.0f} %" if lost["n"] else "–")
            assert cells[7].endswith(f"of {lost['n']}") if lost["n"] else cells[7] == ""
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_groups_unfold_a_filter_finds_and_each_pool_can_be_chosen(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        expect(page.locator("#turns-choice option")).to_have_text(["skills", "transformations", "types", "levels"])
        teasers = page.get_by_role("button", name=re.compile(r"^brain_teaser \(12\)"))
        expect(teasers).to_have_attribute("aria-expanded", "false")
        teasers.click()
        expect(rows_of(page)).to_have_count(10 + 2 + 12)
        expect(teasers).to_have_attribute("aria-expanded", "true")
        page.locator("#turns-filter").fill("KINship")
        expect(rows_of(page)).to_have_count(1)
        expect(rows_of(page)).to_contain_text("brain_teaser/kinship")
        page.locator("#turns-filter").fill("nobody is called so")
        expect(page.locator("#turns-more")).to_have_text("nothing of that name")
        page.locator("#turns-filter").fill("")
        page.locator("#turns-choice").select_option("agent_instruct.levels")
        levels = page.locator("#turns-table tr.turn-group button")
        expect(levels).to_have_text([re.compile(r"level \d \(55\)")] * 3)
        expect(page.locator("#turns-said li")).to_have_text(get(url, "/v1/turns/agent_instruct.levels")["sentences"])


def test_hundreds_of_arms_are_folded_and_their_names_are_text(browser: Browser, tmp_path: Path) -> None:
    with study(tmp_path) as (running, url):
        work(running, url, 0, 2)
        with opened(browser, url, width=390, height=844) as page:
            page.locator("#turns-choice").select_option("study.topic")
            expect(rows_of(page)).to_have_count(10 + 1)
            expect(rows_of(page).first).to_contain_text(re.compile(r"topic \d+ <b>"))
            page.get_by_role("button", name=f"{ARMS - 10} that changed less").click()
            expect(rows_of(page)).to_have_count(ARMS + 1)
            page.locator("#turns-filter").fill("topic")
            expect(rows_of(page)).to_have_count(100)
            expect(page.locator("#turns-more")).to_have_text(f"and {ARMS - 100} more")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_an_arena_alone_shows_what_its_target_lost_by_a_column_of_its_seeds(browser: Browser, tmp_path: Path) -> None:
    rows = [{"instruction": f"Name {n}.", "category": "<i>maths</i>" if n % 3 else "writing"} for n in range(6)]
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(OpenAIServer(play)) as server:
        set_up(tmp_path / "arena", server.url, JUDGED)
        folder = tmp_path / "arena"
        with Running("serve", "-c", folder / "agents.yaml", "--data-dir", folder / "out", "--port", "0") as running:
            url = running.wait_for("state_changed", lambda line: line["state"] == "ready")["detail"].split()[0]
            post(url, rows)
            running.wait_for("outcome_committed", lambda line: line["seq"] == len(rows))
            told = get(url, "/v1/turns/category")
            assert [(one["name"], one["outcomes"]) for one in told["rows"]] == [("<i>maths</i>", 4), ("writing", 2)]
            with opened(browser, url) as page:
                expect(page.locator("#turns-title")).to_have_text("How seeds ended by category")
                expect(page.locator("#turns-curve")).to_be_hidden()
                heads = page.locator("#turns-table thead th")
                expect(heads).to_have_text(["Value", "Seeds", "Lost", "95 %", "Best score", "Usefulness", "95 %"])
                expect(rows_of(page).locator("th")).to_have_text(["<i>maths</i>", "writing"])
                mean = told["rows"][0]["measures"]["lost"]["all"]["mean"]
                expect(rows_of(page).first.locator("td").nth(1)).to_have_text(f"{100 * mean:.0f} %")

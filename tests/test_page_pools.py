"""The page where recipes of somebody's own are at work: curves of any pool, hundreds of arms, nothing of Star's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from daemons import Running, get, post
from openai_server import OpenAIServer
from page_browser import chromium, opened
from playwright.sync_api import Browser, Page, expect
from test_own_recipe import STUDY, respond, written

ARMS = 300
STARS_WORDS = ("π", "Gap", "pair", "Referee", "Selection", "improved", "base")
MANY = STUDY.replace(
    '{"style": ["plain", "formal"]}',
    f'{{"style": ["plain", "formal"], "topic": [f"topic {{n}} <b>" for n in range({ARMS})]}}',
).replace('await bench.draw("style")\n', 'await bench.draw("style")\n    await bench.draw("topic")\n')


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def study(folder: Path) -> Iterator[tuple[Running, str]]:
    """A daemon of two recipes without Star, which draw from a small pool and from one of hundreds of arms."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(OpenAIServer(respond)) as server:
        path = written(folder, server.url, study=MANY)
        with Running("serve", "-c", path, "--data-dir", folder / "data", "--port", "0") as daemon:
            ready = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
            yield daemon, ready["detail"].split()[0]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    with study(tmp_path_factory.mktemp("study")) as (running, url):
        work(running, url, 0, 4)
        yield running, url


def work(daemon: Running, url: str, first: int, count: int) -> int:
    """Work so many documents, each with two children; returns the number of the last outcome."""
    post(url, [{"document": f"text {n}", "title": f"title {n}"} for n in range(first, first + count)])
    last = 3 * (first + count)
    daemon.wait_for("outcome_committed", lambda line: line["seq"] == last)
    return last


def curve_says(page: Page, text: str) -> None:
    expect(page.locator("#curve")).to_have_attribute("aria-label", re.compile(text))


def test_every_pool_can_be_chosen_and_its_curves_are_live(browser: Browser, tmp_path: Path) -> None:
    with study(tmp_path) as (running, url), _page(browser, url, work(running, url, 0, 2)) as page:
        choice = page.locator("#pool-choice")
        expect(choice.locator("option")).to_have_text(["study.style", "study.topic"])
        expect(page.locator("#pools-title")).to_have_text("Pool study.style")
        heads = page.locator("#pool-table thead th")
        expect(heads).to_have_text(["Arm", "Share", "Change", "Draws", "Mean reward"])
        expect(page.locator("#pool-table tbody th").filter(has_text=re.compile("plain|formal"))).to_have_count(2)
        curve_says(page, "of each of 2 arms over 6 outcomes")
        choice.select_option("study.topic")
        expect(page.locator("#pools-title")).to_have_text("Pool study.topic")
        curve_says(page, f"of each of {ARMS} arms over 6 outcomes")
        before = page.evaluate("document.querySelector('#curve canvas').toDataURL()")
        work(running, url, 2, 3)
        curve_says(page, f"of each of {ARMS} arms over 15 outcomes")
        page.wait_for_function("before => document.querySelector('#curve canvas').toDataURL() !== before", arg=before)
        draws = page.locator("#pool-table tbody tr td:nth-child(4)")
        assert sum(map(int, draws.all_inner_texts())) <= 5
        page.reload()
        page.get_by_role("button", name="topic").click()
        expect(page.locator("#pools-title")).to_have_text("Pool study.topic")
        expect(choice).to_have_value("study.topic")


@contextmanager
def _page(browser: Browser, url: str, outcomes: int) -> Iterator[Page]:
    with opened(browser, url) as page:
        expect(page.locator("#outcome-table tbody tr")).to_have_count(outcomes)
        yield page


@pytest.mark.parametrize(("width", "height"), [(1440, 1000), (390, 844)])
def test_hundreds_of_arms_stay_a_table_that_fits_and_says_what_it_leaves_out(
    browser: Browser, daemon: tuple[Running, str], width: int, height: int
) -> None:
    with opened(browser, daemon[1], width=width, height=height) as page:
        page.locator("#pool-choice").select_option("study.topic")
        expect(page.locator("#pool-table tbody tr")).to_have_count(100)
        expect(page.locator("#pool-more")).to_have_text(f"and {ARMS - 100} arms that are drawn less")
        expect(page.locator("#pool-table tbody th").first).to_have_text(re.compile(r"^topic \d+ <b>$"))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_a_chain_without_star_shows_what_its_recipes_declare_and_none_of_stars_words(
    browser: Browser, daemon: tuple[Running, str]
) -> None:
    with opened(browser, daemon[1]) as page:
        heads = page.locator("#outcome-table thead th:visible")
        expect(heads).to_have_text(["No.", "Time", "Kind", "Recipe", "Seed", "Rows", "Children", "Cost"])
        row = page.locator("#outcome-table tbody tr").filter(has_text="title 0")
        expect(row.locator("td:visible")).to_have_text(
            [re.compile(r"\d+"), re.compile(":"), "kept", "study", re.compile("title 0"), "5", "2", "$0"]
        )
        for id_ in ("gaps-section", "referee-section"):
            expect(page.locator(f"#{id_}")).to_be_hidden()
        expect(page.locator("#footer")).to_contain_text("Recipe study → answer.")
        shown = page.locator("body").inner_text()
        assert [word for word in STARS_WORDS if word in shown] == []
        row.click()
        story = page.locator("#story")
        expect(story.get_by_role("heading", level=3)).to_have_text(["The seed", "7 trials"])
        expect(story.locator(".candidate").first).to_contain_text(re.compile(r"words *5"))
        told = story.inner_text()
        assert [word for word in ("π", "Gap", "the base", "Pairs drawn", "could not win") if word in told] == []


def test_before_the_first_seed_the_page_says_what_the_first_recipe_takes(browser: Browser, tmp_path: Path) -> None:
    with study(tmp_path) as (_, url), opened(browser, url) as page:
        expect(page.locator("#first-steps")).to_contain_text("Recipe study takes documents.")
        expect(page.locator("#first-steps")).not_to_contain_text("agent-pairs", use_inner_text=True)
        expect(page.locator("#curl-command")).to_contain_text('{"document": "')
        page.locator("#open-add-first").click()
        expect(page.locator("#add-text")).to_have_attribute("placeholder", re.compile("document"))
        assert get(url, "/v1/status")["seeds"]["waiting"] == 0

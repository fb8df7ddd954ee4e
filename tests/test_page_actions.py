"""What the page does: adds, pauses, releases, downloads, lets in, and comes back by itself; in a real browser."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import provider
from page_browser import add, chromium, config, opened, post, seeds, sequence, start
from playwright.sync_api import Browser, expect

TOKEN = "sk-line-test"
"""What `Running` sets in the environment of every daemon."""
WITH_TOKEN = {"replaced": "{server: {token: os.environ/LINE_TEST_KEY}}"}
GONE = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with provider(tmp_path_factory.mktemp("provider") / "book.jsonl") as endpoint:
        yield endpoint


def test_an_empty_page_says_how_to_begin_and_takes_the_first_seeds(
    browser: Browser, endpoint: str, tmp_path: Path
) -> None:
    daemon, url = start(tmp_path, config(endpoint))
    with daemon, opened(browser, url, errors=["400"]) as page:
        expect(page.locator("#sentence")).to_have_text("Ready, with nothing to do: there are no seeds yet.")
        expect(page.locator("#add-command")).to_have_text(f"star-agents add seeds.jsonl --url {url}")
        page.locator("#open-add-first").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Paste").fill('{"instruction": "Why?", "output": "So."}\n{"output": "No instruction."}')
        form.get_by_role("button", name="Add", exact=True).click()
        expect(form.locator(".notice li")).to_contain_text("instruction")
        form.get_by_label("Paste").fill("\n".join(json.dumps(row) for row in seeds(0, 3)))
        form.get_by_role("button", name="Add", exact=True).click()
        expect(form.locator("[role=status]")).to_have_text("3 new seeds taken in.")
        form.get_by_role("button", name="Add", exact=True).click()
        expect(form.locator("[role=status]")).to_have_text("3 new seeds taken in.")  # the same request, answered again
        file = tmp_path / "rows.json"
        file.write_text(json.dumps(seeds(2, 3)))
        form.get_by_label("or a file").set_input_files(file)
        form.get_by_role("button", name="Add", exact=True).click()
        expect(form.locator("[role=status]")).to_have_text("2 new seeds taken in, 1 known already.")
        page.keyboard.press("Escape")
        expect(page.locator("#outcome-table tbody tr")).to_have_count(5)
        expect(page.locator("#first-steps")).to_be_hidden()


def test_pause_pauses_and_resume_goes_on(browser: Browser, endpoint: str, tmp_path: Path) -> None:
    daemon, url = start(tmp_path, config(endpoint))
    with daemon, opened(browser, url) as page:
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Resume")).to_be_enabled()
        add(url, seeds(0, 4))
        expect(page.locator("#sentence")).to_contain_text("Paused: 0 of 4 seeds done, 4 wait.")
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_enabled()
        expect(page.locator("#outcome-table tbody tr")).to_have_count(4)


def test_a_page_that_saw_its_daemon_die_misses_nothing(browser: Browser, endpoint: str, tmp_path: Path) -> None:
    daemon, url = start(tmp_path, config(endpoint))
    with daemon, opened(browser, url, errors=GONE) as page:
        add(url, seeds(0, 6))
        expect(page.locator("#outcome-table tbody tr")).to_have_count(6)
        page.evaluate("window.isSame = true")
        daemon.end(signal.SIGKILL)
        expect(page.locator("#connection")).to_contain_text("connection lost, trying again; numbers of")
        again, _ = start(tmp_path, config(endpoint), int(url.rpartition(":")[2]))
        with again:
            add(url, seeds(6, 7))
            again.wait_for("outcome_committed", lambda line: line["seq"] == 13)
            expect(page.locator("#connection")).to_have_text("live")
            expect(page.locator("#outcome-table tbody tr")).to_have_count(13)
            assert sequence(page) == list(range(13, 0, -1))
            expect(page.locator("#curve")).to_have_attribute("aria-label", re.compile("over 13 outcomes"))
            expect(page.locator("#log li").last).to_contain_text("state_changed")
            assert page.evaluate("window.isSame")


def test_who_has_the_token_comes_in(browser: Browser, endpoint: str, tmp_path: Path) -> None:
    daemon, url = start(tmp_path, config(endpoint, **WITH_TOKEN))
    with daemon:
        with opened(browser, url, errors=["401"]) as page:
            asked = page.get_by_role("dialog", name="Token")
            asked.get_by_label("Token").fill("guess")
            asked.get_by_role("button", name="Open").click()
            expect(asked.locator(".notice")).to_have_text("That is not the token.")
            asked.get_by_label("Token").fill(TOKEN)
            asked.get_by_role("button", name="Open").click()
            expect(page.locator("#connection")).to_have_text("live")
            expect(asked).to_be_hidden()
            assert page.evaluate("document.cookie") == ""
        with opened(browser, f"{url}/#token={TOKEN}") as page:
            expect(page.locator("#connection")).to_have_text("live")
            assert TOKEN not in page.url


def test_the_dataset_downloads_in_the_chosen_format(browser: Browser, endpoint: str, tmp_path: Path) -> None:
    daemon, url = start(tmp_path, config(endpoint))
    with daemon, opened(browser, url) as page:
        add(url, seeds(0, 3))
        expect(page.locator("#outcome-table tbody tr")).to_have_count(3)
        page.get_by_role("button", name="Download").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Alpaca").check()
        form.get_by_label("JSON", exact=True).check()
        with page.expect_download() as download:
            form.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == "star_agents-alpaca.json"
        rows = json.loads(Path(download.value.path()).read_text())
        assert sorted(row["instruction"] for row in rows) == [row["instruction"] for row in seeds(0, 3)]


def test_a_seed_that_was_set_aside_is_released(browser: Browser, endpoint: str, tmp_path: Path) -> None:
    daemon, url = start(tmp_path, config(endpoint))
    with daemon:
        post(f"{url}/v1/pause")
        add(url, seeds(0, 1))
        daemon.end()
    with sqlite3.connect(tmp_path / "data" / "store.sqlite3") as store:
        store.execute("UPDATE seeds SET state = 'quarantined', deaths = 3")
    store.close()
    daemon, url = start(tmp_path, config(endpoint))
    with daemon, opened(browser, url) as page:
        expect(page.locator("#seeds .quarantined dd")).to_have_text("1")
        page.get_by_role("button", name="Look at them").click()
        aside = page.get_by_role("dialog")
        expect(aside.locator("tbody tr")).to_have_count(1)
        aside.get_by_role("button", name=re.compile("^Release [0-9a-f]{8}")).click()
        expect(aside.locator("[role=status]")).to_have_text("1 seed waits again.")
        page.keyboard.press("Escape")
        expect(page.locator(".notice:visible")).to_have_count(0)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#outcome-table tbody tr")).to_have_count(1)

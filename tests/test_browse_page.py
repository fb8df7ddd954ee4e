"""The page of `browse` in a real Chromium: found, compared, reviewed by keys, at a desk and on a phone."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browse_store import MARKUP, fill
from page_browser import chromium, opened
from playwright.sync_api import Browser, expect

from star_agents.storage.reader import StoreReader


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    """A store of the test's own."""
    return Path(shutil.copytree(filled, tmp_path / "out"))


@pytest.fixture(scope="module")
def browser(filled: Path) -> Iterator[Browser]:
    with chromium() as one:
        yield one


@contextmanager
def browse(folder: Path, *options: str) -> Iterator[str]:
    """The command, as a user starts and stops it; its address."""
    command = [sys.executable, "-m", "star_agents", "browse", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_keys_that_come_faster_than_rows_are_fetched_mean_the_rows_to_come(browser: Browser, folder: Path) -> None:
    with browse(folder, "--reviewer", "Ada") as url, opened(browser, url) as page:
        rows = page.locator("#found li button")
        expect(rows).to_have_count(50)
        for key in "jjaarj":  # The first row is one that was dropped.
            page.keyboard.press(key)
        expect(rows.nth(5)).to_have_attribute("aria-current", "true")
        for number, verdict in enumerate(("accepted", "accepted", "rejected"), start=1):
            expect(rows.nth(number)).to_contain_text(verdict)


def test_rows_are_found_read_side_by_side_and_reviewed_by_keys(browser: Browser, folder: Path) -> None:
    with browse(folder, "--reviewer", "Ada") as url, opened(browser, url, width=1280, height=900) as page:
        rows = page.locator("#found li button")
        expect(rows).to_have_count(50)
        page.keyboard.press("/")
        page.keyboard.type("deeper")
        expect(rows.first).to_contain_text("deeper")
        page.get_by_label("Words in the texts").blur()
        page.keyboard.press("j")
        expect(rows.first).to_have_attribute("aria-current", "true")
        expect(page.locator(".side")).to_have_count(2)
        expect(page.locator("#detail")).to_contain_text(MARKUP)
        assert page.locator("#detail img, #detail b").count() == 0
        page.keyboard.press("a")
        expect(rows.nth(1)).to_have_attribute("aria-current", "true")
        expect(rows.first).to_contain_text("accepted")
        page.keyboard.press("r")
        expect(rows.nth(2)).to_have_attribute("aria-current", "true")
        page.keyboard.press("e")
        page.locator("textarea[name=response]").fill("A person's words.")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".side").nth(2)).to_contain_text("A person's words.")
        page.keyboard.press("k")
        expect(rows.nth(1)).to_contain_text("rejected")
        expect(page.locator("#detail")).to_contain_text("rejected by Ada")
        page.keyboard.press("u")
        expect(rows.nth(1)).not_to_contain_text("rejected")
        page.locator("select[name=review]").select_option("edited")
        expect(rows).to_have_count(1)
        assert "review=edited" in page.url
        page.get_by_role("button", name="Download selection").click()
        with page.expect_download() as started:
            page.get_by_role("link", name="Download").click()
        assert "A person's words." in Path(started.value.path()).read_text()
    with StoreReader(folder) as reader:
        assert reader.count_reviews() == {"accepted": 1, "edited": 1}


def test_on_a_phone_a_row_takes_the_place_of_the_list_and_gives_it_back(browser: Browser, folder: Path) -> None:
    with browse(folder) as url, opened(browser, url, width=400, height=800) as page:
        page.locator("select[name=shape]").select_option("preference")
        expect(page.locator("#found li button").first).to_contain_text("preference")
        page.locator("#found li button").first.click()
        expect(page.locator(".side h4").nth(1)).to_have_text("Chosen")
        expect(page.locator("#found")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        expect(page.get_by_role("button", name="Accept")).to_have_count(0)
        page.get_by_role("button", name="← Rows").click()
        expect(page.locator("#found")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400

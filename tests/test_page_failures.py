"""The page of a daemon that holds because too much failed: what it says, and the button that lets it go on."""

from __future__ import annotations

import re
from pathlib import Path

from daemons import provider
from page_browser import add, chromium, config, opened, seeds, start
from playwright.sync_api import expect


def test_a_daemon_that_holds_says_what_failed_and_is_resumed_by_a_button(tmp_path: Path) -> None:
    with provider(tmp_path / "book.jsonl") as endpoint, chromium() as browser:
        daemon, url = start(tmp_path, config(endpoint.removesuffix("/v1") + "/nothing-here"))
        with daemon, opened(browser, url, width=390, height=844) as page:
            expect(page.locator("#failures-section")).to_be_hidden()
            add(url, seeds(0, 200))
            daemon.wait_for("failure_limit_passed")
            expect(page.locator("#sentence")).to_have_text(re.compile(r"^Holding: too much failed, as told below\. "))
            expect(page.locator("#notices")).to_contain_text("candidates failed; failure_limits allows 50%: agent ")
            expect(page.locator("#failures li").first).to_have_text(
                re.compile(r"^agent [abc] failed (\d+) of \1 calls: the provider does not know the model \(first: ")
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.get_by_role("button", name="Resume").click()
            lifted = daemon.wait_for("failure_hold_lifted")
            assert lifted["why"] == "resumed"

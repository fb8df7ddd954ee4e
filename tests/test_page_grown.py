"""The page where a recipe adds arms to its pool: they are marked, and named with what became of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from daemons import Running, post
from openai_server import OpenAIServer
from page_browser import chromium, opened
from playwright.sync_api import Browser, expect
from test_grown_arms import written
from test_own_recipe import respond

RETIRED = re.compile("curt retired as told.*retired at outcome 3: told so", re.DOTALL)
ADDED = re.compile("terse added as told.*added at outcome 2", re.DOTALL)
SUMMARY = "2 arms added while it worked, 1 of them retired"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_added_arms_are_marked_and_those_that_were_retired_are_named_with_why(browser: Browser, tmp_path: Path) -> None:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(OpenAIServer(respond)) as server:
        path = written(tmp_path, server.url)
        with Running("serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0") as daemon:
            ready = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
            url = ready["detail"].split()[0]
            post(url, [{"document": text} for text in ("add curt", "add terse", "retire curt", "at last")])
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == 4)
            with opened(browser, url) as page:
                marked = page.locator("#pool-table tbody tr").filter(has=page.locator(".badge"))
                expect(marked.locator("th")).to_have_text("terseadded")
                expect(page.locator("#pool-added-summary")).to_have_text(SUMMARY)
                named = page.locator("#pool-added-list li")
                expect(named).to_have_count(2)
                expect(named.first).to_contain_text(RETIRED)
                expect(named.last).to_contain_text(ADDED)

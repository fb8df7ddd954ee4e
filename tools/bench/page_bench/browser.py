"""The page in a real browser: how long until it can be used."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

USABLE = """() => document.getElementById("connection").dataset.state === "live"
    && document.querySelectorAll("#outcome-table tbody tr").length >= 20
    && document.querySelectorAll("#pool-table tbody tr, #pair-table tbody tr").length > 0
    && document.querySelector("#agent-table tbody tr") !== null
    && /\\d/.test(document.getElementById("sentence").textContent)
    && document.querySelector("#curve canvas") !== null
    && performance.now()"""
"""Milliseconds since the navigation began, once the sentence, the curve, the tables and the stream are there. Older
pages have a table of pairs where there is one of arms."""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Headless Chromium of this machine."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        sys.exit("no Chromium on this machine: install it (apt-get install chromium), or measure without `usable`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        browser.new_page().goto("about:blank")  # What the first page of a browser takes is not ours.
        yield browser
        browser.close()


def usable_after_s(browser: Browser, url: str) -> float:
    """Seconds until the page can be used, in a context that has cached nothing."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.goto(url, wait_until="commit")
    shown = page.wait_for_function(USABLE, polling=20, timeout=60_000)
    seconds = float(shown.json_value()) / 1000
    context.close()
    return seconds

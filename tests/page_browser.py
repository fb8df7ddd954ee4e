"""A real headless Chromium before a real daemon; what goes wrong unseen in a page fails the test that opened it."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from daemons import Running
from lines import agents_yaml
from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 90_000
"""How long a test waits for what a healthy page shows within a second."""
PRICED = ", input_cost_per_token: 0.00001, output_cost_per_token: 0.00002"
FAST_EVOLUTION = "{evolution: {rate: 0.05}, budget_usd: 20}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; skips where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    width: int = 1440,
    height: int = 1000,
    scheme: Any = "light",
    without: str = "",
    errors: Sequence[str] = (),
) -> Iterator[Page]:
    """The page at ``url``, where files that match ``without`` are missing.

    At the end: no error but those that hold one of ``errors``, and no request to another host.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    troubles: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: troubles.append(f"uncaught: {error}"))
    page.on("console", lambda line: troubles.append(line.text) if line.type in ("error", "warning") else None)
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    if without:
        page.route(without, lambda route: route.fulfill(status=404))
    page.goto(url)
    yield page
    context.close()
    assert [one for one in troubles if not any(known in one for known in errors)] == []
    assert hosts <= {urlsplit(url).netloc}


def start(folder: Path, config: str, port: int = 0) -> tuple[Running, str]:
    """A daemon on its folder, and its address."""
    path = folder / "agents.yaml"
    path.write_text(config)
    daemon = Running("serve", "-c", path, "--data-dir", folder / "data", "--port", str(port))
    ready = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
    return daemon, ready["detail"].split()[0]


def config(provider: str, **options: Any) -> str:
    """Three agents with prices, fast to evolve, no scorer."""
    return agents_yaml(provider, **{"per_agent": PRICED, "replaced": FAST_EVOLUTION, **options})


def post(url: str, data: Any = None) -> None:
    """POST as a script does."""
    body = b"" if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    urllib.request.urlopen(request, timeout=60).close()


def add(url: str, rows: Sequence[dict[str, Any]]) -> None:
    """Send seeds."""
    post(f"{url}/v1/seeds", rows)


def seeds(start: int, count: int) -> list[dict[str, str]]:
    """Distinct rows."""
    return [{"instruction": f"What follows {n}?", "output": f"It is {n + 1}."} for n in range(start, start + count)]


def sequence(page: Page) -> list[int]:
    """Numbers of the outcomes that the table shows, from top to bottom."""
    return [int(text.replace(",", "")) for text in page.locator("#outcome-table tbody a").all_inner_texts()]

"""A reward model that judges alone, as a daemon tells it: who waits for its scale, and then battles by distances."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from daemons import Running, get, post, star_agents
from page_browser import chromium, opened
from playwright.sync_api import Browser, expect
from tiny_rewards import save

from star_agents.offline import seeds

PROMPTS = 4


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.slow
def test_instructions_wait_for_the_scale_and_a_smaller_one_decides_them(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("arena")
    path, judge = folder / "arena.yaml", f"reward:{save(folder / 'model')}"
    assert star_agents("init", "--recipe", "arena", path).returncode == 0
    text = path.read_text("utf-8").replace("judges: [referee]", f'exam: "off"\n  judges: ["{judge}"]')
    path.write_text(text, "utf-8")
    with Running("serve", "-c", path, "--data-dir", folder / "data", "--port", "0") as running:
        ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
        url = ready["detail"].split()[0]
        post(url, list(seeds.rows(PROMPTS, seed=3)))
        with opened(browser, url) as page:
            waits = page.locator("#notices .notice", has_text="battles are measured that its scale is made of")
            expect(waits).to_contain_text("their instructions wait until then, at no cost", timeout=30_000)
            told = get(url, "/v1/status")
            assert (told["seeds"]["kept"], told["seeds"]["dropped"]) == (0, 0)
            said = " ".join(star_agents("status", folder / "data").stdout.split())
            assert "of the 100 battles are measured" in said
            path.write_text(text.replace("mode: target ", "calibration: 10\n  mode: target "), "utf-8")
            running.wait_for("outcome_committed", lambda line: line["seq"] == PROMPTS)
            expect(waits).to_have_count(0, timeout=30_000)
            health = page.locator("#leaderboard table.judges tbody tr", has_text=judge)
            expect(health.locator("td").first).to_have_text("no order", timeout=30_000)
        seq = next(one["seq"] for one in get(url, "/v1/outcomes?limit=4")["outcomes"] if one["kind"] == "kept")
        with opened(browser, f"{url}#outcome={seq}") as page:
            matrix = page.locator("#story table.battles")
            expect(matrix.locator("td", has_text="+").first).to_be_visible(timeout=30_000)
            games = page.locator("#story details", has_text="with reasons")
            games.locator("summary").click()
            expect(games.locator("tbody tr").first).to_contain_text("(reward ")

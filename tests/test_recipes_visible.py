"""Recipes of somebody's own as a daemon tells them: status, curve, metrics, log and page, by what they declare."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from daemons import Running, get, post, refusal, star_agents
from openai_server import OpenAIServer
from page_browser import chromium, opened
from playwright.sync_api import Browser, expect
from test_own_recipe import STUDY, respond, written

from star_agents.engine.stored_status import status_of_folder

HOSTILE = "<img src=x onerror='window.owned = true'>"
DOCUMENTS = 6
ROWS = [{"document": f"text {number}", "title": f"title {number}"} for number in range(DOCUMENTS)]
NAMED = STUDY.replace('["plain", "formal"]', f'["plain", "{HOSTILE}"]').replace(
    "high=100)", f'high=100, what="words of a question {HOSTILE}")'
)
"""The recipe with names that would be markup, if anybody let them."""


@contextmanager
def provider() -> Iterator[str]:
    """The test server in a thread of its own; yields its base URL."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(OpenAIServer(respond)) as server:
        yield server.url


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str, Path]]:
    """A daemon that has worked six documents and their twelve children; its process, address and folder."""
    folder = tmp_path_factory.mktemp("daemon")
    with provider() as endpoint:
        path = written(folder, endpoint, study=NAMED, more="evolution: {policy: thompson}")
        with Running("serve", "-c", path, "--data-dir", folder / "data", "--port", "0") as running:
            ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
            url = ready["detail"].split()[0]
            post(url, ROWS)
            running.wait_for("outcome_committed", lambda line: line["seq"] == 3 * DOCUMENTS)
            yield running, url, folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


Daemon = tuple[Running, str, Path]


def test_a_daemon_and_its_folder_tell_the_same_of_recipes_and_pools(daemon: Daemon) -> None:
    _, url, folder = daemon
    live, stored = get(url, "/v1/status"), status_of_folder(folder / "data").to_dict()
    assert list(live["recipes"]) == ["study", "answer"]
    assert live["recipes"] == stored["recipes"]
    assert live["pools"] == stored["pools"]
    study = live["recipes"]["study"]
    assert (study["rows"], study["children"]) == ({"sft": 5 * DOCUMENTS}, 2 * DOCUMENTS)
    assert study["measures"]["words"]["values"] == 7 * DOCUMENTS
    arms = live["pools"]["study.style"]["arms"]
    assert list(arms) == ["plain", HOSTILE]
    assert sum(arm["rewards"] for arm in arms.values()) == DOCUMENTS


def test_the_curve_of_a_pool_of_ones_own_reaches_from_the_start_to_now(daemon: Daemon) -> None:
    _, url, _ = daemon
    curve = get(url, "/v1/pools/study.style/curve")
    first, last = curve["points"][0], curve["points"][-1]
    assert (first["seq"], first["probabilities"]) == (0, {"plain": 0.5, HOSTILE: 0.5})
    arms = get(url, "/v1/status")["pools"]["study.style"]["arms"]
    assert last["probabilities"] == {name: arm["probability"] for name, arm in arms.items()}
    assert refusal(base=url, path="/v1/pools/study.colour/curve").code == 404


def test_the_line_of_a_seed_says_which_recipe_worked_it_and_what_it_gave(daemon: Daemon) -> None:
    running, _, _ = daemon
    lines = [line for line in running.lines if line["event"] == "outcome_committed"]
    given = {(line["recipe"], line["rows"], line["children"]) for line in lines}
    assert given == {("study", 5, 2), ("answer", 1, 0)}


def test_metrics_tell_recipes_measures_and_pools(daemon: Daemon) -> None:
    _, url, _ = daemon
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as response:
        text = response.read().decode()
    assert f'star_agents_recipe_rows_total{{recipe="study",shape="sft"}} {5 * DOCUMENTS}.0' in text
    assert f'star_agents_recipe_children_total{{recipe="study"}} {2 * DOCUMENTS}.0' in text
    last = f'star_agents_recipe_measure_bucket{{le="+Inf",measure="words",recipe="study"}} {7 * DOCUMENTS}.0'
    assert last in text
    assert 'star_agents_pool_probability{arm="plain",pool="study.style"}' in text


def test_a_run_ends_with_tables_of_recipes_measures_and_pools_in_words_that_fit(tmp_path: Path) -> None:
    (tmp_path / "documents.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    with provider() as endpoint:
        path = written(tmp_path, endpoint)
        ended = star_agents(
            *("run", "-q", "-y", "-c", path, "-s", tmp_path / "documents.jsonl", "-o", tmp_path / "out"),
            environ={"LINE_TEST_KEY": "sk-line-test", "COLUMNS": "200"},
        )
    assert ended.returncode == 0, ended.stderr
    shown = ended.stdout
    assert re.search(r"study\W+6\W+0\W+30\W+12\W+42\W+0", shown)
    assert re.search(r"words\W+5\W+42\W+0 to 100\W+high", shown)
    assert re.search(r"plain\W+0\.\d{4}\W+\d\W+0\.750", shown)
    assert "18 seeds kept, 0 dropped; 18 calls sent" in shown
    assert "pairs, by probability" not in shown
    assert "improved" not in shown
    agents = star_agents("status", tmp_path / "out", environ={"COLUMNS": "200"}).stdout.partition("\nrecipes")[0]
    assert "unknown price" in agents
    assert "candidates" not in agents, "which only Star has"


def test_recipes_lists_a_chain_that_has_a_name_and_shows_its_recipes_with_defaults_as_agents_yaml_has_them() -> None:
    line = "arena_instruct  (short for [agent_instruct, arena])"
    assert line in star_agents("recipes").stdout.splitlines()
    shown = star_agents("recipes", "arena_instruct")
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (0, line)
    assert 'default {"sft": 3.0, "preference": 2.0, "min_winner": 5.0, "pairs": 1}' in shown.stdout
    assert "agent_instruct  (built in; takes document" in shown.stdout


@pytest.mark.parametrize(("width", "height"), [(1440, 1000), (390, 844)])
def test_the_page_shows_each_recipe_with_its_measures_and_pools_and_no_name_is_markup(
    browser: Browser, daemon: Daemon, width: int, height: int
) -> None:
    _, url, _ = daemon
    with opened(browser, url, width=width, height=height) as page:
        section = page.get_by_role("region", name="Recipes")
        expect(section.get_by_role("heading", level=3)).to_have_text(["study", "answer"])
        study = section.locator("article").first
        expect(study.locator("> .lead").first).to_have_text(
            f"Takes documents. {DOCUMENTS} seeds worked; rows: {5 * DOCUMENTS} sft; {2 * DOCUMENTS} children; "
            f"{7 * DOCUMENTS} trials."
        )
        measure = study.locator(".measure")
        expect(measure).to_contain_text(re.compile(r"words.*higher is better; mean 5.0 \(42 values\)", re.DOTALL))
        expect(measure.locator("canvas")).to_have_count(1)
        expect(study.locator(".draws-from")).to_have_text(
            re.compile(r"Draws from style \(2 arms, 6 draws, .* leads with \d+\.\d %\)")
        )
        rows = page.locator("#pool-table tbody tr")
        expect(rows).to_have_count(2)
        expect(page.locator("#pool-table")).to_contain_text(HOSTILE)
        expect(rows.filter(has_text="plain")).to_contain_text(re.compile(r"plain\d+\.\d %[+−–]?\d"))
        for id_ in ("gaps-section", "referee-section"):
            expect(page.locator(f"#{id_}")).to_be_hidden()
        expect(page.locator("#sentence")).to_have_text(re.compile(r"^Done: 18 of 18 seeds kept\."))
        expect(page.locator("#figures")).not_to_contain_text("Referee")
        owned: Any = page.evaluate("window.owned")
        assert owned is None
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"

"""`serve` in agents.yaml as daemons and batches have it: live edits, what they tell, and that nothing outlives them."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

from daemons import PATIENCE_S, Running, get, post, replace, rows, star_agents, start
from page_browser import chromium, opened
from playwright.sync_api import expect
from processes import lives, until_gone

SCRIPT = Path(__file__).with_name("model_server.py")


def config(book: Path, *, is_served: bool = True, **settings: object) -> str:
    """One agent that is served, or its calls' stand-in, as the base pair."""
    command = shlex.join([sys.executable, str(SCRIPT), "{port}", "{model}", str(book)])
    qwen: dict[str, Any] = {"model": "hosted_vllm/mini", "serve": {"command": command, "backoff_s": 0.1, **settings}}
    agents = {"qwen": qwen if is_served else {"model": "offline/tutor"}}
    star = {"base_pairs": [{"instruction": "keep", "response": "qwen"}], "selection": "base"}
    return json.dumps({"agents": agents, "star": star})


def made(folder: Path, *orders: str) -> Path:
    """A book with these orders in it."""
    book = folder / "book"
    book.mkdir()
    for order in orders:
        (book / order).touch()
    return book


def became(daemon: Running, what: str) -> dict[str, Any]:
    return daemon.wait_for("server_changed", lambda line: line["what"] == what)


def test_an_edit_starts_a_server_that_is_told_of_and_that_a_killed_daemon_takes_along(tmp_path: Path) -> None:
    book = made(tmp_path)
    daemon, url = start(tmp_path, config(book, is_served=False))
    with daemon:
        assert get(url, "/v1/status")["servers"] == []
        replace(tmp_path / "agents.yaml", config(book))
        ready = became(daemon, "ready")
        (server,) = get(url, "/v1/status")["servers"]
        assert (server["state"], server["pid"], server["agents"]) == ("ready", ready["pid"], ["qwen"])
        post(url, rows(0, 3))
        daemon.wait_for("outcome_committed")
        told = star_agents("status", "--url", url)
        assert f"server of qwen at {ready['address']}: ready, process {ready['pid']}" in told.stdout
        with chromium() as browser, opened(browser, url) as page:
            expect(page.locator("#servers li")).to_contain_text(f"ready, process {ready['pid']}")
        daemon.process.send_signal(signal.SIGKILL)
        until_gone(ready["pid"])


def test_a_daemon_that_drains_ends_its_server_in_order(tmp_path: Path) -> None:
    book = made(tmp_path)
    daemon, _ = start(tmp_path, config(book))
    with daemon:
        ready = became(daemon, "ready")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE_S) == 0
    assert f"ended {ready['pid']}" in (book / "book.txt").read_text()
    assert not lives(ready["pid"])


def test_a_second_signal_does_not_wait_for_a_server_that_will_not_end(tmp_path: Path) -> None:
    daemon, url = start(tmp_path, config(made(tmp_path, "stubborn", "slow"), stop_s=3600))
    with daemon:
        ready = became(daemon, "ready")
        post(url, rows(0, 1))
        give_up_at = time.monotonic() + PATIENCE_S
        while not get(url, "/v1/status")["agents"]["qwen"]["in_flight"]:
            assert time.monotonic() < give_up_at
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for("state_changed", lambda line: line["state"] == "draining")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE_S) == 0
    until_gone(ready["pid"])


def test_a_batch_ends_where_the_server_that_it_needs_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(config(made(tmp_path, "dies"), restarts=1))
    ended = star_agents("run", "-c", path, "-s", "offline", "-n", "2", "-o", tmp_path / "out")
    assert ended.returncode == 4
    assert "said last: key none out of memory" in ended.stdout + ended.stderr
    assert "`agents.qwen.serve.restarts` (1) are used up" in ended.stdout + ended.stderr
    (tmp_path / "book" / "dies").unlink()
    again = star_agents("run", "-c", path, "-s", "offline", "-n", "2", "-o", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert "qwen is served by process" in again.stdout + again.stderr


def test_a_batch_goes_on_where_one_of_an_agents_servers_is_given_up(tmp_path: Path) -> None:
    book = made(tmp_path, "slow")
    live, path = json.loads(config(book)), tmp_path / "agents.yaml"
    gone = {"model": "hosted_vllm/mini", "serve": "/nothing/here {port}"}
    live["agents"]["qwen"] = {"deployments": [live["agents"]["qwen"], gone]}
    path.write_text(json.dumps(live))
    with Running("run", "-c", path, "-s", "offline", "-n", "2", "-o", tmp_path / "out") as batch:
        assert batch.wait_until(lambda: any("/nothing/here: cannot be started" in line for line in batch.other))
        (book / "slow").unlink()
        assert batch.process.wait(PATIENCE_S) == 0


def test_check_names_no_log_that_is_gone_with_it(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(config(made(tmp_path), command="/nothing/here {port}"))
    checked = star_agents("check", "-c", path, "--json")
    (server,) = [one for one in json.loads(checked.stdout) if one["part"] == "server"]
    assert "/nothing/here: cannot be started" in server["detail"]
    assert "all of it" not in server["detail"] + checked.stderr


def test_check_starts_servers_asks_their_agents_and_ends_them(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(config(made(tmp_path)))
    checked = star_agents("check", "-c", path, "--json")
    found = json.loads(checked.stdout)
    (server,) = [one for one in found if one["part"] == "server"]
    assert server["ok"]
    assert "ready after" in server["detail"]
    assert next(one for one in found if one["part"] == "agent qwen")["ok"], checked.stderr
    assert "ended" in (tmp_path / "book" / "book.txt").read_text()

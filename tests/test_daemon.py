"""The real daemon: seeds by HTTP and by folder, live edits under load, drain."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.to_thread import run_sync
from daemons import PATIENCE_S, Running, get, post, provider, refusal, replace, rows, star_agents, start, taken
from lines import agents_yaml, read_jsonl, results
from openai_server import Answer, Body, Hang, OpenAIServer, brain


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with provider(tmp_path_factory.mktemp("provider") / "book.jsonl") as url:
        yield url


def test_seeds_come_by_post_by_add_and_by_folder_and_a_signal_drains(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url, replaced="server: {settle_s: 0.5}"))
    with daemon:
        assert post(base, rows(0, 5)) == taken(5, known=0)
        assert post(base, rows(3, 4)) == taken(2, known=2)

        file = tmp_path / "more.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(100, 6)))
        added = star_agents("add", file, "--url", base, "--json")
        assert json.loads(added.stdout) == taken(6, known=0)

        inbox = tmp_path / "data" / "inbox"
        (inbox / "drop.json").write_text(json.dumps(rows(200, 4)))
        (inbox / "bad.jsonl").write_text('{"instruction": ""}\n')
        daemon.wait_for("seeds_added", lambda line: line["source"] == "drop.json")
        daemon.wait_for("seeds_rejected")
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 17)

        status = get(base, "/v1/status")
        assert status["state"] == "ready"
        assert status["seeds"]["kept"] + status["seeds"]["base"] == 17
        assert set(get(base, "/readyz").values()) == {True}
        assert json.loads(star_agents("status", "--url", base, "--json").stdout)["seeds"] == status["seeds"]
        assert json.loads(star_agents("status", tmp_path / "data", "--json").stdout)["seeds"] == status["seeds"]

        assert daemon.end() == 0
    assert [line["state"] for line in daemon.lines if line["event"] == "state_changed"] == [
        "ready",
        "draining",
        "stopped",
    ]
    assert len(results(tmp_path / "data")) == 17
    assert (inbox / "done" / "drop.json").exists()
    report = (inbox / "rejected" / "bad.jsonl.problems.txt").read_text()
    assert report.startswith("bad.jsonl:1: instruction")
    assert daemon.other == []


def test_live_edits_under_load_add_change_and_remove_agents_and_a_broken_one_changes_nothing(
    tmp_path: Path, url: str
) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    path = tmp_path / "agents.yaml"
    with daemon:
        post(base, rows(0, 200))
        daemon.wait_for("outcome_committed", lambda line: line["seq"] >= 5)

        replace(path, agents_yaml(url, agents=("a", "b", "c", "d")))
        added = daemon.wait_for("config_applied")
        assert "+ agent d" in added["changes"]
        assert "+ pair keep/d" in added["changes"]

        replace(path, agents_yaml(url, agents=("a", "b", "c", "d")).replace("candidates: 2", "candidats: 2"))
        rejected = daemon.wait_for("config_rejected")
        assert "candidats" in str(rejected["problems"])
        assert "did you mean `candidates`" in str(rejected["problems"])
        assert get(base, "/v1/status")["revision"] == added["revision"]
        assert any("candidats" in problem for problem in get(base, "/v1/status")["config_problems"])

        replace(path, agents_yaml(url, agents=("a", "d"), per_agent=", temperature: 0.5"))
        changed = daemon.wait_for("config_applied", lambda line: line["revision"] > added["revision"])
        assert {"- agent b", "- agent c", "~ agent a", "- pair keep/b"} <= set(changed["changes"])
        assert sorted(get(base, "/v1/status")["pairs"]) == ["keep/a", "keep/d"]

        post(base, rows(1000, 20))
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 220)
        assert daemon.end() == 0
    # Only a seed in hand that was about to ask a removed agent may have gone without it.
    failed = [line for line in daemon.lines if line["event"] == "call_failed"]
    assert all(line["agent"] in "bc" and "is not in agents.yaml" in line["error"] for line in failed)
    found = results(tmp_path / "data")
    assert len({result.seed.id for result in found}) == len(found) == 220
    assert {result.row.revision for result in found} >= {1, changed["revision"]}


def test_a_key_at_its_old_place_is_logged_once_and_works(tmp_path: Path, url: str) -> None:
    good = agents_yaml(url)
    daemon, base = start(tmp_path, good.replace("  candidates: 2\n", "") + "candidates: 1\n")
    path = tmp_path / "agents.yaml"
    with daemon:
        noted = daemon.wait_for("config_noted")
        assert (noted["level"], "`star.candidates`" in noted["message"]) == ("warning", True)
        assert get(base, "/v1/status")["config"]["candidates"] == 1
        replace(path, good.replace("  candidates: 2\n", "") + "concurrency: 3\ncandidates: 2\n")
        daemon.wait_for("config_applied")
        replace(path, good.replace("candidates: 2", "candidates: 3"))
        daemon.wait_for("config_applied", lambda line: line["changes"] == ["~ candidates"] and line["revision"] > 2)
        assert get(base, "/v1/status")["config"]["candidates"] == 3
        assert daemon.end() == 0
    places = [line["message"].partition(": ")[0] for line in daemon.lines if line["event"] == "config_noted"]
    assert len(places) == len(set(places)) == 2, "once for each line where it stood"


def test_good_again_is_logged_whether_a_broken_edit_is_taken_back_or_mended_by_another(
    tmp_path: Path, url: str
) -> None:
    good = agents_yaml(url)
    daemon, base = start(tmp_path, good)
    path = tmp_path / "agents.yaml"
    with daemon:
        replace(path, good.replace("candidates: 2", "candidats: 2"))
        daemon.wait_for("config_rejected")
        replace(path, good)
        taken_back = daemon.wait_for("config_mended")
        assert taken_back["level"] == "info"
        assert get(base, "/v1/status")["config_problems"] == []

        replace(path, good.replace("candidates: 2", "candidates: '2'"))
        daemon.wait_for("config_rejected", lambda line: "integer" in str(line["problems"]))
        replace(path, good.replace("candidates: 2", "candidates: 1"))
        mended = daemon.wait_for("config_mended", lambda line: line["revision"] > taken_back["revision"])
        assert mended["revision"] == daemon.wait_for("config_applied")["revision"]

        replace(path, good)
        daemon.wait_for("config_applied", lambda line: line["revision"] > mended["revision"])
        assert daemon.end() == 0
    assert daemon.count("config_mended") == 2, "an edit of a good file mends nothing"


def test_seeds_in_hand_are_worked_again_when_an_edit_takes_their_referee_away(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url, agents=("a", "b", "c")))
    with daemon:
        post(base, rows(0, 120))
        daemon.wait_for("outcome_committed", lambda line: line["seq"] >= 3)
        edited = agents_yaml(url, agents=("b", "c"), replaced="referee: {agents: [b], exam: 'off'}")
        replace(tmp_path / "agents.yaml", edited)
        daemon.wait_for("config_applied")
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 120)
        assert daemon.end() == 0
    assert {result.outcome.kind for result in results(tmp_path / "data")} <= {"kept", "base"}
    assert len(results(tmp_path / "data")) == 120


def test_a_key_that_is_not_in_the_environment_makes_an_edit_a_rejected_one(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        replace(tmp_path / "agents.yaml", agents_yaml(url).replace("LINE_TEST_KEY", "NOT_SET_ANYWHERE"))
        rejected = daemon.wait_for("config_rejected")
        assert "NOT_SET_ANYWHERE" in str(rejected["problems"])
        assert get(base, "/v1/status")["state"] == "ready"
        assert post(base, rows(0, 1))["new"] == 1
        daemon.wait_for("outcome_committed")
        assert daemon.end() == 0


def test_a_second_daemon_on_the_same_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path, url: str) -> None:
    daemon, _ = start(tmp_path, agents_yaml(url))
    with daemon:
        second = star_agents("serve", "-c", tmp_path / "agents.yaml", "--data-dir", tmp_path / "data", "--port", "0")
        assert second.returncode == 3
        assert str(daemon.process.pid) in second.stderr
        assert "Traceback" not in second.stderr
        assert daemon.end() == 0


def test_export_reads_while_the_daemon_works(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        post(base, rows(0, 20))
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 20)
        for layout in ("alpaca", "messages", "sharegpt", "dpo"):
            done = star_agents("export", tmp_path / "data", "-f", layout, "-o", tmp_path / f"{layout}.jsonl")
            assert done.returncode == 0, done.stderr
        assert daemon.end() == 0
    assert len(read_jsonl(tmp_path / "alpaca.jsonl")) == 20
    assert {"instruction", "output"} <= read_jsonl(tmp_path / "alpaca.jsonl")[0].keys()


def test_no_file_of_the_daemon_holds_the_key(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        post(base, rows(0, 3))
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 3)
        daemon.end()
    written = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert os.environ["LINE_TEST_KEY"].encode() not in written + str(daemon.lines).encode()


def test_at_a_budget_the_daemon_waits_says_so_and_goes_on_when_it_is_raised(tmp_path: Path, url: str) -> None:
    def config(budget: float) -> str:
        price = ", input_cost_per_token: 0.001, output_cost_per_token: 0.001, max_tokens: 50"
        others = "selection: random\nserver: {drain_s: 600}"
        return agents_yaml(url, per_agent=price, replaced=f"{others}\nbudget_usd_per_day: {budget}")

    daemon, base = start(tmp_path, config(0.2))
    with daemon:
        post(base, rows(0, 60))
        reached = daemon.wait_for("budget_reached")
        assert "raise `budget_usd_per_day` in agents.yaml to go on, or wait until" in reached["message"]
        while (status := get(base, "/v1/status"))["waiting_for"] is None:
            assert daemon.process.poll() is None
        assert status["waiting_for"] == {"reason": reached["message"], "until": reached["resets_at"]}
        assert status["state"] == "ready"
        (budget,) = status["budgets"]
        assert (budget["key"], budget["limit"], budget["reached"]) == (
            "budget_usd_per_day",
            0.2,
            reached["message"],
        )
        assert 0 < budget["spent"] <= 0.2
        told = star_agents("status", "--url", base).stdout
        assert f"waiting: {reached['message']}" in told
        assert "budget reached" not in told, "the same sentence once"

        replace(tmp_path / "agents.yaml", config(50.0))
        daemon.wait_for("budget_cleared")
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 60)
        assert get(base, "/v1/status")["waiting_for"] is None
        assert daemon.count("budget_reached") == daemon.count("budget_cleared") == 1

        replace(tmp_path / "agents.yaml", config(0.0))
        daemon.wait_for("config_applied", lambda line: line["revision"] == 3)
        post(base, rows(100, 5))
        while get(base, "/v1/status")["waiting_for"] is None:
            assert daemon.process.poll() is None
        status = get(base, "/v1/status")
        assert daemon.end() == 0, "a daemon that waits drains at once"
    assert len(results(tmp_path / "data")) == 60
    read = json.loads(star_agents("status", tmp_path / "data", "--json").stdout)
    assert read["cost"]["usd"] == pytest.approx(status["cost"]["usd"])
    assert read["cost"]["usd_per_sample"] == pytest.approx(read["cost"]["usd"] / 60)
    for part, count in (("agents", "calls"), ("pair_costs", "candidates"), ("pair_costs", "wins")):
        counted = {name: facts[count] for name, facts in status[part].items()}
        assert {name: facts[count] for name, facts in read[part].items()} == counted


def test_a_fresh_interpreter_serves_as_the_forked_ones_of_these_tests_do(tmp_path: Path, url: str) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(agents_yaml(url))
    command = [sys.executable, "-m", "star_agents", "serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0"]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        lines = (json.loads(line) for line in daemon.stderr)
        base = next(line for line in lines if line.get("state") == "ready")["detail"].split()[0]
        assert post(base, rows(0, 3)) == taken(3)
        daemon.send_signal(signal.SIGTERM)
        assert [line["state"] for line in lines if line["event"] == "state_changed"] == ["draining", "stopped"]
        assert daemon.wait(PATIENCE_S) == 0


def test_a_signal_while_the_daemon_is_still_starting_ends_it_with_0(tmp_path: Path, url: str) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(agents_yaml(url))
    with Running("serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0") as daemon:
        while not (tmp_path / "data" / "lock").exists():
            assert daemon.process.poll() is None
        assert daemon.end() == 0
    assert daemon.other == []


async def test_what_a_drained_daemon_left_waiting_is_worked_by_the_next_one(tmp_path: Path) -> None:
    drains = asyncio.Event()

    async def half_of_it(body: Body) -> Answer:
        if len(server.charged) >= 300:
            await drains.wait()
        return brain(body)

    async with OpenAIServer(half_of_it) as server:
        text = agents_yaml(server.url, replaced="concurrency: 8")
        daemon, base = await run_sync(start, tmp_path, text)
        with daemon:
            await run_sync(post, base, rows(0, 150))
            await run_sync(daemon.wait_for, "outcome_committed")
            daemon.process.send_signal(signal.SIGTERM)
            await run_sync(daemon.wait_for, "state_changed", lambda line: line["state"] == "draining")
            drains.set()
            assert await run_sync(daemon.process.wait, PATIENCE_S) == 0
        done = len(results(tmp_path / "data"))
        assert 0 < done < 150
        daemon, _ = await run_sync(start, tmp_path, text)
        with daemon:
            await run_sync(daemon.wait_for, "outcome_committed", lambda line: line["seq"] == 150)
            assert await run_sync(daemon.end) == 0
    found = results(tmp_path / "data")
    assert len({result.seed.id for result in found}) == len(found) == 150


async def test_while_it_drains_it_takes_nothing_answers_questions_and_waits_for_what_is_paid(tmp_path: Path) -> None:
    release = asyncio.Event()
    async with OpenAIServer(lambda body: Hang(release=release, then=Answer(text="Late, and still right."))) as server:
        daemon, base = await run_sync(start, tmp_path, agents_yaml(server.url, replaced="selection: random"))
        with daemon:
            await run_sync(post, base, rows(0, 3))
            await server.until(lambda it: it.in_flight > 0)
            daemon.process.send_signal(signal.SIGTERM)
            await run_sync(daemon.wait_for, "state_changed", lambda line: line["state"] == "draining")
            refused = await run_sync(refusal, base, rows(10, 1))
            assert refused.code == 503
            assert 1 <= int(refused.headers["Retry-After"]) <= 61
            assert (await run_sync(get, base, "/v1/status"))["state"] == "draining"
            assert (await run_sync(get, base, "/livez")) == {"live": True}
            assert (await run_sync(refusal, base, None, "/readyz")).code == 503
            release.set()
            assert await run_sync(daemon.process.wait, PATIENCE_S) == 0
        charged = len(server.charged)
        assert charged == len(server.requests), "what was in flight was waited for"
    assert len(results(tmp_path / "data")) == 3
    status = json.loads(star_agents("status", tmp_path / "data", "--json").stdout)
    assert (status["calls"]["answered"], status["calls"]["pending"]) == (charged, 0)


async def test_a_second_signal_ends_it_at_once_and_every_seed_waits_for_the_next_start(tmp_path: Path) -> None:
    hang = Hang(release=asyncio.Event())
    async with OpenAIServer(lambda body: hang) as server:
        text = agents_yaml(server.url, replaced="selection: random\nserver: {drain_s: 600}")
        daemon, base = await run_sync(start, tmp_path, text)
        with daemon:
            await run_sync(post, base, rows(0, 4))
            await server.until(lambda it: it.in_flight > 0)
            daemon.process.send_signal(signal.SIGTERM)
            await run_sync(daemon.wait_for, "state_changed", lambda line: line["state"] == "draining")
            assert await run_sync(daemon.end) == 0
        assert daemon.other == []
        seeds = json.loads((await run_sync(star_agents, "status", tmp_path / "data", "--json")).stdout)["seeds"]
        assert (seeds["waiting"], seeds["working"]) == (4, 0)
        server.handler = lambda body: Answer(text="Here is an answer.")
        daemon, _ = await run_sync(start, tmp_path, text)
        with daemon:
            await run_sync(daemon.wait_for, "outcome_committed", lambda line: line["seq"] == 4)
            assert await run_sync(daemon.end) == 0


def test_a_hangup_reloads_at_once_and_systemd_hears_of_everything(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.bind(str(tmp_path / "notify"))
    door.settimeout(PATIENCE_S)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")

    def hear(start: str) -> str:
        """The next datagram that begins so, whatever comes before it."""
        while not (heard := door.recv(4096).decode()).startswith(start):
            assert heard == "WATCHDOG=1"
        return heard

    with door:
        daemon, base = start(tmp_path, agents_yaml(url))
        with daemon:
            assert f"ready at {base}" in hear("READY=1")
            assert hear("WATCHDOG=1")
            (tmp_path / "agents.yaml").write_text(agents_yaml(url, agents=("a", "b", "c", "d")))
            daemon.process.send_signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in hear("RELOADING=1")
            assert "revision 2" in hear("READY=1")
            assert "+ agent d" in daemon.wait_for("config_applied")["changes"]

            (tmp_path / "agents.yaml").write_text(agents_yaml(url) + "candidats: 3\n")
            daemon.process.send_signal(signal.SIGHUP)
            hear("RELOADING=1")
            assert "not in force: agents.yaml:" in hear("READY=1")
            assert get(base, "/v1/status")["revision"] == 2
            daemon.process.send_signal(signal.SIGTERM)
            assert "EXTEND_TIMEOUT_USEC=90000000" in hear("STOPPING=1")
            assert daemon.process.wait(PATIENCE_S) == 0
        assert daemon.count("config_applied") == daemon.count("config_rejected") == 1


def test_a_request_with_a_key_is_answered_the_same_after_a_kill(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        first = post(base, rows(0, 5), Idempotency_Key="batch-1")
        assert first == taken(5, known=0)
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        assert post(base, rows(0, 5), Idempotency_Key="batch-1") == first
        assert post(base, rows(0, 5)) == taken(0, known=5)
        refused = refusal(base, rows(0, 6), Idempotency_Key="batch-1")
        assert refused.code == 422
        assert daemon.end() == 0


DIES_WITH_A_SEED_IN_HAND = """
import asyncio, os, sys
from pathlib import Path
from star_agents.records import Sample, Seed
from star_agents.storage.store import Store

async def die() -> None:
    store = await Store.open(Path(sys.argv[1]))
    await store.add_seeds([Seed.of(Sample(instruction="Die.", response="No."), source="killer:1")])
    assert await store.lease(1)
    os._exit(9)

asyncio.run(die())
"""


def test_a_seed_that_killed_three_processes_is_shown_and_released_by_http(tmp_path: Path, url: str) -> None:
    for _ in range(3):
        died = subprocess.run([sys.executable, "-c", DIES_WITH_A_SEED_IN_HAND, str(tmp_path / "data")], check=False)
        assert died.returncode == 9
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        (aside,) = get(base, "/v1/quarantine")["seeds"]
        assert (aside["deaths"], aside["source"]) == (3, "killer:1")
        assert results(tmp_path / "data") == []
        assert post(base, {"seeds": [aside["id"]]}, "/v1/quarantine/release") == {"released": 1}
        daemon.wait_for("outcome_committed", lambda line: line["seed_id"] == aside["id"])
        assert get(base, "/v1/quarantine") == {"seeds": []}
        assert daemon.end() == 0


def test_a_store_that_cannot_be_written_any_more_ends_it_with_75_and_the_next_start_goes_on(
    tmp_path: Path, url: str
) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        post(base, rows(0, 5))
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 5)
        # As on a full disk: no file of this process may grow beyond a byte.
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, 1))
        assert refusal(base, rows(10, 50)).code == 503
        (tmp_path / "data" / "inbox" / "more.json").write_text(json.dumps(rows(100, 1)))
        assert daemon.process.wait(PATIENCE_S) == 75
    assert any("start again to go on" in line for line in daemon.other)
    assert not any("Traceback" in line for line in daemon.other)
    daemon, _ = start(tmp_path, agents_yaml(url))
    with daemon:
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 6)
        assert daemon.end() == 0

"""A fault in a recipe's code: it says nothing of what was drawn, is counted everywhere, and a retry is heard once."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from daemons import Running, get, post, star_agents
from lines import results, run
from openai_server import OpenAIServer
from test_own_recipe import ANSWER, documents, respond, written
from test_recipes_visible import provider
from test_stranded import draws_rewarded, rewards_due

from star_agents.engine.configuration import read_config
from star_agents.engine.stored_status import status_of_folder
from star_agents.storage.reader import StoreReader

THOMPSON = "evolution: {policy: thompson}"
ODD = ANSWER.replace("    return done", '    if "Question 5" in seed.sample.question: [][7]\n    return done')
"""Fails on one of the two children of each document."""
ODD_LINE = ODD[: ODD.index("    if ")].count("\n") + 1
BROKEN = ANSWER.replace("worth=0.75", "worth=7")
"""Breaks a rule for each of them."""


def wins(folder: Path) -> float:
    with StoreReader(folder) as reader:
        counts = reader.pools()["study.style"].state["counts"]
    return float(sum(won - 1 for won, _ in counts.values()))


@pytest.mark.parametrize(("fault", "faults"), [(ODD, 3), (BROKEN, 6)])
async def test_a_fault_leaves_the_reward_of_its_parent_due_and_the_retry_is_heard_once(
    tmp_path: Path, fault: str, faults: int
) -> None:
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, answer=fault, more=THOMPSON))
        result = await run(config, documents(3), tmp_path / "out")
        assert result.summary["counts"]["dropped"] == faults
        assert (rewards_due(tmp_path / "out"), draws_rewarded(tmp_path / "out")) == (3, 0)
        again = await run(config, [], tmp_path / "out", retry_dropped=True)
        assert again.summary["counts"]["dropped"] == faults, "as broken as before"
        assert (rewards_due(tmp_path / "out"), draws_rewarded(tmp_path / "out")) == (3, 0)
        (tmp_path / "mended").mkdir()
        mended = read_config(written(tmp_path / "mended", server.url, more=THOMPSON))
        last = await run(mended, [], tmp_path / "out", retry_dropped=True)
    assert (last.summary["counts"]["dropped"], last.calls) == (0, 0)
    assert rewards_due(tmp_path / "out") == 0
    assert draws_rewarded(tmp_path / "out") == 3
    assert wins(tmp_path / "out") == pytest.approx(3 * 0.75)


async def test_a_child_that_its_recipe_drops_counts_nothing_for_its_parents_once_however_often_it_is_retried(
    tmp_path: Path,
) -> None:
    choosy = ANSWER.replace("import Settings, done", "import Settings, done, dropped")
    choosy = choosy.replace("    return done", '    return dropped(seed, "no good")\n    return done')
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url, answer=choosy, more=THOMPSON))
        await run(config, documents(2), tmp_path / "out")
        (tmp_path / "mended").mkdir()
        mended = read_config(written(tmp_path / "mended", server.url, more=THOMPSON))
        await run(mended, [], tmp_path / "out", retry_dropped=True)
    assert (rewards_due(tmp_path / "out"), draws_rewarded(tmp_path / "out"), wins(tmp_path / "out")) == (0, 2, 0.0)


async def test_faults_are_counted_by_recipe_and_place_and_told_by_status_run_log_summary_and_report(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(respond) as server:
        path = written(tmp_path, server.url, answer=ODD, more=THOMPSON)
        rows = [json.dumps({"document": one.document.text, "title": one.document.title}) for one in documents(3)]
        (tmp_path / "seeds.jsonl").write_text("\n".join(rows))
        seeds, out = tmp_path / "seeds.jsonl", tmp_path / "out"
        done = await anyio.to_thread.run_sync(lambda: star_agents("run", "-c", path, "-s", seeds, "-o", out, "-q"))
    told = f"recipe answer failed 3 of 6 seeds: second.py:{ODD_LINE}: IndexError (first: list index out of range)"
    assert done.returncode == 0
    assert f"tolerated: {told}" in done.stderr.replace("\n", " ")
    assert [one.sentence for one in status_of_folder(tmp_path / "out").failures] == [told]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [one["sentence"] for one in summary["failures"]] == [told]
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    (first,) = [line for line in lines if line["event"] == "failure_first_seen"]
    assert (first["part"], first["agent"], first["reason"]) == (
        "recipe",
        "answer",
        f"second.py:{ODD_LINE}: IndexError",
    )
    assert star_agents("report", tmp_path / "out", "-o", tmp_path / "report.html").returncode == 0
    assert told in (tmp_path / "report.html").read_text().replace("&#39;", "'")
    assert sum(one.outcome.is_fault for one in results(tmp_path / "out")) == 3


def test_a_daemon_that_holds_for_faults_of_a_recipe_names_its_file_and_line_and_says_where_to_mend_it(
    tmp_path: Path,
) -> None:
    with provider() as endpoint:
        path = written(tmp_path, endpoint, answer=BROKEN)
        with Running("serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0") as running:
            ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
            url = ready["detail"].split()[0]
            post(url, [{"document": f"text {number}"} for number in range(60)])
            message = running.wait_for("failure_limit_passed")["message"]
            status = get(url, "/v1/status")
    begins = BROKEN[: BROKEN.index("@recipe")].count("\n") + 1
    assert "recipe answer failed" in message
    assert f"second.py:{begins}: says that the seed is worth N and N to N is possible (first: says" in message
    assert "Mend the recipe, whose file is read at the start, and start `serve` again" in message
    assert "agents.yaml" not in message
    assert status["held_because"] == message
    assert [one["part"] for one in status["failures"]] == ["recipe"]

"""Rounds on a small world: what they come to, killed in every phase, with trainings that fail and servers that die."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from openai_server import OpenAIServer
from rounds_world import arguments, book, play, rows, set_up, state

from star_agents.process.crash_points import VARIABLE


def ran(nursery: Nursery, folder: Path, rounds: int = 1, **environment: str) -> int:
    nursery.start(*arguments(folder, rounds), **environment)
    return nursery.ended()


def asked_twice(server: OpenAIServer) -> list[str]:
    """Requests that were charged more than once."""
    times = Counter(json.dumps(body, sort_keys=True) for body in server.charged)
    return [body for body, n in times.items() if n > 1]


@pytest.mark.timeout(600)
async def test_rounds_killed_in_every_phase_end_as_those_that_nobody_killed(tmp_path: Path) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(check_kills, nursery, server, tmp_path)


def check_kills(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    whole, killed = folder / "whole", folder / "killed"
    set_up(whole, server.url)
    assert ran(nursery, whole) == 0, nursery.noise[-20:]
    sent, found = len(server.charged), state(whole)
    assert list(found["steps"]) == ["base", "r0-sft", "r1-sft"]
    phases = sum(len(step["done"]) for step in found["steps"].values())
    assert [len(one["done"]) for one in found["steps"].values()] == [1, 5, 6]
    taught = {name: len(found) for name, found in rows(whole).items()}
    assert book(whole, "trained") == [
        f"trained {one} by sft on {taught[f'{one}.jsonl']}" for one in ("r0-sft", "r1-sft")
    ]
    server.charged.clear()
    set_up(killed, server.url, orders={"kills": ["r1-sft"]})
    lives = 0
    # Each life notes one phase, and dies when the next is done and not noted.
    while (code := ran(nursery, killed, 1, **{VARIABLE: "phase_done:2"})) == -signal.SIGKILL:
        lives += 1
        assert lives <= phases + 1, "it does not come on"
    assert code == 0, nursery.noise[-20:]
    assert lives >= phases - 1
    assert state(killed) == found
    assert rows(killed) == rows(whole)
    summary = json.loads((killed / "out" / "summary.json").read_text())
    by_name = {one["name"]: one for one in summary["steps"]}
    strengths = [by_name[name]["rating"]["standing"] for name in found["steps"]]
    assert strengths == ["loses all"] * 3, "the opponent is beaten by no target of these skills"
    assert by_name["r1-sft"]["gain"]["standing"] == "wins all", "and each target beats the one before"
    assert "How strong each target is" in (killed / "out" / "report.html").read_text()
    assert book(killed, "trained") == book(whole, "trained"), "nothing was trained twice"
    assert len(book(killed, "killed")) == 1
    assert (len(server.charged), asked_twice(server)) == (sent, []), "nothing was paid again"
    assert sorted(book(killed, "asked")) == sorted(book(whole, "asked"))


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_what_goes_wrong_is_told_and_goes_on(tmp_path: Path) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            for number, check in enumerate(CHECKS):
                server.charged.clear()
                folder = tmp_path / str(number)
                await anyio.to_thread.run_sync(check, nursery, server, folder)


def told(nursery: Nursery) -> str:
    return "\n".join(nursery.noise)


def a_failed_training_leaves_the_last_good_target_and_is_tried_again(
    nursery: Nursery, server: OpenAIServer, folder: Path
) -> None:
    set_up(folder, server.url, orders={"fails": ["r1-sft"], "nan": ["r1-sft-try2"]})
    assert ran(nursery, folder) == 4
    assert "r1-sft: the training failed: it ended with exit code 1: out of memory" in told(nursery)
    assert "The target stays r0-sft" in told(nursery)
    sent = len(server.charged)
    assert ran(nursery, folder) == 4
    assert "its loss is no number" in told(nursery)
    assert not state(folder)["steps"]["r1-sft"]["done"].keys() & {"model", "ready", "taken"}
    assert ran(nursery, folder) == 0
    found = state(folder)["steps"]["r1-sft"]
    assert found["done"]["taken"] == {"model": "r1-sft-try3"}
    assert len(found["failures"]) == 2
    assert len([one for one in server.charged[sent:] if "first answer" not in str(one)]) == 0, "no answer is paid again"


def a_failed_training_is_gone_on_without_where_that_is_set(
    nursery: Nursery, server: OpenAIServer, folder: Path
) -> None:
    set_up(folder, server.url, stages="[sft, dpo]", training=", on_failure: go_on", orders={"fails": ["r1-sft"]})
    assert ran(nursery, folder) == 0
    steps = state(folder)["steps"]
    assert steps["r1-sft"]["given_up"]
    assert steps["r1-dpo"]["done"]["model"]["began_with"] == "r0-sft"
    assert steps["r1-dpo"]["done"]["exam"]["gain_over"] == "r0-sft"


def rloo_learns_by_a_reward_model_of_its_own_pairs(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    set_up(folder, server.url, stages="[sft, rloo]")
    assert ran(nursery, folder) == 0, told(nursery)
    trained = [one.split(" on ")[0] for one in book(folder, "trained")]
    assert trained[2:] == ["trained r1-rloo-reward by reward", "trained r1-rloo by rloo"]
    pairs = rows(folder)["r1-rloo.jsonl"]
    assert pairs
    assert all(one.keys() == {"prompt", "chosen", "rejected", "margin"} for one in pairs)
    assert state(folder)["steps"]["r1-rloo"]["done"]["data"]["target"] == "r1-sft"


def a_server_that_dies_is_started_again_and_one_that_keeps_dying_ends_the_work(
    nursery: Nursery, server: OpenAIServer, folder: Path
) -> None:
    set_up(folder, server.url, orders={"serve_dies": 4})
    assert ran(nursery, folder) == 0, told(nursery)
    assert "the server of base ended with exit code 3" in state(folder)["troubles"][0]
    other = folder / "other"
    set_up(other, server.url, orders={"serve_dies": 1})
    assert ran(nursery, other) == 4
    assert "`rounds.target.restarts` (3) are used up" in told(nursery)
    (other / "out" / "models" / "order.json").write_text("{}")
    assert ran(nursery, other) == 0, told(nursery)


def a_budget_holds_over_data_and_exams_together(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    set_up(folder, server.url, budget=", budget_calls: 6")
    assert ran(nursery, folder) == 4
    assert "agents.one.budget_calls" in told(nursery)
    of_one = [body for body in server.charged if body["model"] == "one"]
    assert len(of_one) == 6
    again = folder / "agents.yaml"
    again.write_text(again.read_text().replace("budget_calls: 6", "budget_calls: 600"))
    assert ran(nursery, folder) == 0, told(nursery)
    assert asked_twice(server) == []


def rounds_that_do_not_pay_end_by_themselves(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    set_up(folder, server.url)
    settings = folder / "agents.yaml"
    # Every target is worth the same to this judge, so that no round can pay.
    settings.write_text(settings.read_text().replace("  stages:", "  stop_when_flat: true\n  start: off\n  stages:"))
    flat = settings.read_text().replace("openai/judge", "openai/flat")
    settings.write_text(flat)
    assert ran(nursery, folder, 2) == 0, told(nursery)
    found = state(folder)
    assert "round 1 did not pay" in found["stopped"]
    assert "r2-sft" not in found["steps"]


def rounds_that_ended_early_do_so_again_where_their_last_training_was_given_up(
    nursery: Nursery, server: OpenAIServer, folder: Path
) -> None:
    set_up(folder, server.url, stages="[sft, dpo]", training=", on_failure: go_on", orders={"fails": ["r1-dpo"]})
    settings = folder / "agents.yaml"
    flat = settings.read_text().replace("  stages:", "  stop_when_flat: true\n  start: off\n  stages:")
    settings.write_text(flat.replace("openai/judge", "openai/flat"))
    for _ in range(2):
        assert ran(nursery, folder, 2) == 0, told(nursery)
        found = state(folder)
        assert found["steps"]["r1-dpo"]["given_up"]
        assert "round 1 did not pay" in found["stopped"]
        assert "r2-sft" not in found["steps"]


def every_target_is_graded_on_a_benchmark(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    set_up(folder, server.url)
    question = {"question_id": 1, "category": "writing", "turns": ["Name a sea.", "And another."]}
    (folder / "questions.jsonl").write_text(json.dumps(question))
    settings = folder / "agents.yaml"
    graded = f"  benchmark: {{questions: {folder}/questions.jsonl, judge: judge}}\n  stages:"
    settings.write_text(settings.read_text().replace("  stages:", graded))
    assert ran(nursery, folder) == 0, told(nursery)
    steps = state(folder)["steps"]
    assert [one["done"]["benchmark"]["score"] for one in steps.values()] == [2, 4, 6], "as the judge's rule has it"
    assert [one["done"]["benchmark"]["graded"] for one in steps.values()] == [2, 2, 2]
    sent = len(server.charged)
    assert ran(nursery, folder) == 0
    assert len(server.charged) == sent


CHECKS = (
    a_failed_training_leaves_the_last_good_target_and_is_tried_again,
    a_failed_training_is_gone_on_without_where_that_is_set,
    rloo_learns_by_a_reward_model_of_its_own_pairs,
    a_server_that_dies_is_started_again_and_one_that_keeps_dying_ends_the_work,
    a_budget_holds_over_data_and_exams_together,
    rounds_that_do_not_pay_end_by_themselves,
    rounds_that_ended_early_do_so_again_where_their_last_training_was_given_up,
    every_target_is_graded_on_a_benchmark,
)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_signal_drains_a_batch_and_ends_a_training_in_order(tmp_path: Path) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(play) as server:
            await anyio.to_thread.run_sync(check_signals, nursery, server, tmp_path)


def check_signals(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    set_up(folder, server.url, orders={"waits": ["r0-sft"]})
    nursery.start(*(one for one in arguments(folder) if one != "-q"))
    nursery.wait_until(lambda: any("r0-sft | waits" in line for line in nursery.noise), "a training")
    assert nursery.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert book(folder, "told to stop") == ["told to stop r0-sft"], "a training is asked before it is ended"
    (folder / "out" / "models" / "order.json").write_text("{}")
    nursery.start(*(one for one in arguments(folder) if one != "-q"))
    nursery.wait_until(lambda: any("r1-sft" in line and "are worked" in line for line in nursery.noise), "data")
    assert nursery.end(signal.SIGTERM) in (0, 128 + signal.SIGTERM)
    assert ran(nursery, folder) == 0
    assert asked_twice(server) == []
    assert len(book(folder, "trained")) == 2

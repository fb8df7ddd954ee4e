"""kill -9 of a whole daemon, the order of syncing, and the lock. Loops: chaos_kills, chaos_points, chaos_sync."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chaos_kills import kill_daemon
from chaos_methods import CHAIN, STAR, Method
from chaos_nursery import Nursery
from chaos_points import kill_at_points
from chaos_provider import charges, mark_of, signed
from chaos_sync import check_sync_order

from star_agents.process.crash_points import VARIABLE

VERBS = 120


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_kills_of_a_daemon_lose_no_seed_and_repay_no_answer_that_was_durable(tmp_path: Path, kills: int) -> None:
    report = kill_daemon(tmp_path, rounds=kills, seed=1)
    assert report.violations == []
    assert report.outcomes == report.seeds > kills
    assert report.replays == kills + 1
    assert report.worst_in_flight <= STAR.at_once


@pytest.mark.timeout(300)
def test_kills_while_pairs_come_and_go_leave_what_a_replay_of_the_outcomes_gives(tmp_path: Path) -> None:
    report = kill_daemon(tmp_path, rounds=4, seed=2, edited=True)
    assert report.violations == []
    assert report.edits >= 2


@pytest.mark.timeout(300)
def test_kills_of_a_chain_of_own_recipes_leave_rows_children_rewards_and_tallies_as_a_recount_has_them(
    tmp_path: Path,
) -> None:
    report = kill_daemon(tmp_path, rounds=4, seed=5, edited=True, method=CHAIN)
    assert report.violations == []
    assert report.outcomes == report.seeds > 0
    assert report.edits >= 2


@pytest.mark.parametrize(
    "method", [pytest.param(STAR, marks=pytest.mark.slow, id="star"), pytest.param(CHAIN, id="chain")]
)
@pytest.mark.timeout(600)
def test_a_death_at_every_named_point_leaves_what_the_point_says(tmp_path: Path, method: Method) -> None:
    report = kill_at_points(tmp_path, rounds=1, seed=3, method=method)
    assert report.violations == []
    assert report.reached == dict.fromkeys(method.points, 1), "a point that is never reached proves nothing"
    assert report.outcomes == report.seeds


def test_nothing_is_said_to_be_durable_before_the_log_is_synced(tmp_path: Path) -> None:
    report = check_sync_order(tmp_path, rounds=VERBS, seed=4)
    assert report.violations == []
    assert report.synced_commits > VERBS


def test_a_crash_point_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    config = tmp_path / "agents.yaml"
    config.write_text("agents: {tutor: {model: offline/tutor}}\nselection: base\nmemory: off\n")
    with Nursery() as nursery:
        nursery.start("serve", "-c", config, "--data-dir", tmp_path / "data", "--port", "0", **{VARIABLE: "nowhere"})
        assert nursery.ended() == 2
        assert "there is no crash point 'nowhere'" in nursery.noise[-1]


def test_a_signature_joins_an_answer_with_its_charge(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    body = {"model": "a", "messages": [{"role": "user", "content": "What follows 1?"}]}
    answer = signed(body)
    mark = mark_of(answer.text)
    assert mark is not None
    book.write_text(json.dumps({"sha256": f"{mark}rest"}) + '\n{"sha256": "torn')
    assert charges(book, 0) == ([mark], len(book.read_text().splitlines()[0]) + 1)

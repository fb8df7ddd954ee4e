"""The loops of chaos_store, chaos_wal and chaos_store_model at the suite's size; tools/chaos runs them at full size."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos_store import kill_store
from chaos_store_child import LANES
from chaos_store_model import check_against_model
from chaos_wal import tear_logs

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    ("what", "kills"), [("star", 40), ("chain", 20), pytest.param("star", 100, marks=pytest.mark.slow)]
)
def test_kills_of_a_store_at_work_lose_nothing_and_repeat_nothing(what: str, kills: int, tmp_path: Path) -> None:
    report = kill_store(tmp_path, rounds=kills, seed=5, what=what)
    assert report.violations == []
    assert report.outcomes == report.seeds > kills
    assert report.worst_in_flight <= LANES


@pytest.mark.parametrize("logs", [80, pytest.param(150, marks=pytest.mark.slow)])
def test_torn_logs_open_as_of_the_last_whole_commit(tmp_path: Path, logs: int) -> None:
    report = tear_logs(tmp_path, rounds=logs, seed=5)
    assert report.violations == []
    assert report.prefixes > report.commits // 2, "the damage must fall into many different commits"


@pytest.mark.parametrize("sequences", [40, pytest.param(100, marks=pytest.mark.slow)])
def test_sequences_of_verbs_do_what_the_model_does(sequences: int) -> None:
    check_against_model(rounds=sequences, seed=5, steps=15)

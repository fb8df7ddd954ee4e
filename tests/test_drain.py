"""SIGTERM at random moments, and a second daemon on the same folder. Loops: chaos_daemon.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos_daemon import DRAIN_S, second_daemons, serving, sigterm_rounds
from lines import agents_yaml


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_sigterm_at_any_moment_ends_with_0_in_time_and_nothing_is_paid_again(tmp_path: Path, rounds: int) -> None:
    report = sigterm_rounds(tmp_path, rounds=rounds, random_seed=1)
    books = report.books
    assert books is not None
    assert (report.rounds, report.exits) == (rounds, {0: rounds + 1})
    assert report.slowest_s < DRAIN_S
    assert report.in_the_middle > rounds / 4, "most signals came while seeds were being worked"
    assert (books.repaid, books.pending, books.charged) == (0, 0, books.answered)
    assert books.seeds == books.outcomes == report.sent
    assert report.noise == []


def test_a_second_daemon_is_refused_at_once_with_the_owner_s_pid(tmp_path: Path) -> None:
    config, data = tmp_path / "agents.yaml", tmp_path / "data"
    config.write_text(agents_yaml("http://127.0.0.1:9/v1"))
    with serving(config, data) as (daemon, _):
        for refusal in second_daemons(config, data, rounds=5):
            assert refusal.code == 3
            assert refusal.seconds < 20, "it waits for no lock, for which the store has 30 s"
            assert f"(pid {daemon.process.pid})" in refusal.said
            assert refusal.said.count("\n") == 1
        assert daemon.end() == 0

"""Seed after seed over a provider without latency: nothing grows. The loop: chaos_soak."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos_soak import soak


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_after_5000_seeds_a_daemon_holds_no_more_than_after_1000(tmp_path: Path) -> None:
    report = soak(tmp_path, rounds=5000)
    assert report.violations == []
    assert report.outcomes == 5000


def test_a_soak_says_what_grew(tmp_path: Path) -> None:
    """Too short to judge memory by, so this one may say that it grew; nothing else may."""
    report = soak(tmp_path, rounds=200)
    assert [one for one in report.violations if not one.startswith("memory")] == []
    assert report.outcomes == 200

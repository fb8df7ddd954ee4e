"""Long and hostile POSTs to a whole daemon. Loop: chaos_posts."""

from __future__ import annotations

from pathlib import Path

from chaos_posts import post_hostile


def test_a_daemon_takes_honest_posts_once_among_hostile_ones_and_goes_on_answering(tmp_path: Path) -> None:
    report = post_hostile(tmp_path, rounds=40, seed=2)
    assert report.violations == []
    assert report.taken > 0
    assert len(report.kinds) > 10

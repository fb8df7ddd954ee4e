"""agents.yaml edited while seeds are worked, three edits in ten bad or half-written. The loop: chaos_daemon.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos_daemon import edit_rounds


@pytest.mark.parametrize("edits", [20, pytest.param(50, marks=pytest.mark.slow)])
def test_edits_under_load_drop_no_call_and_no_bad_one_is_ever_in_force(tmp_path: Path, edits: int) -> None:
    report = edit_rounds(tmp_path, rounds=edits, random_seed=2)
    books = report.books
    assert books is not None
    assert report.edits == report.good + report.bad == edits
    assert report.bad + report.torn >= edits / 5
    assert (report.applied, report.rejected) == (report.good, report.bad + report.torn)
    assert report.bad_in_force == []
    assert (books.charged, books.pending) == (books.answered, 0), "what was charged was answered and recorded"
    assert books.repaid == 0
    assert books.seeds == books.outcomes == report.sent
    assert books.dropped == 0
    assert report.failures == report.noise == []

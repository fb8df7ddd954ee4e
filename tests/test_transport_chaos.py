"""A few hundred replies of the loop `tools/chaos transports`: every kind of misbehaviour, on every way."""

from __future__ import annotations

import pytest
from chaos_transports import KINDS, misbehave


@pytest.mark.timeout(300)
async def test_whatever_a_server_sends_comes_to_a_right_answer_or_a_failure_of_ours() -> None:
    report = await misbehave(rounds=176, seed=3)
    assert report.violations == []
    assert set(report.kinds) == set(KINDS)
    assert report.answers >= report.kinds["honest"] + report.kinds["in pieces"] + report.kinds["broken usage"] > 0

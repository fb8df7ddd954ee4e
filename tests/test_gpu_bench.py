"""What `tools/gpu` makes of what a training says, told without a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "bench"))

from scoring_bench.gpu_training import read

WELL = """sft: 60000 steps, learning rate 0.0003
1/60,000 steps, loss 10.8543, about 2 h left
2/60,000 steps, loss 10.1000, 56,123 tokens/s, about 86 min left
1,200/60,000 steps, loss 4.2000, 91,000 tokens/s, about 80 min left
stopped after step 1,201, saved in out.part
"""


def test_a_training_that_learned_and_saved_is_told_with_its_speed_and_losses() -> None:
    row = read(WELL, "160m", 143, 121.0)
    assert row.holds
    assert "1,200 steps at 91,000 tokens/s" in row.measured
    assert "10.8543 → 4.2000" in row.measured
    assert read(WELL.replace("saved in", "was in"), "160m", 0, 90.0).holds, "it was whole before the time was over"


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (WELL, 1),
        (WELL, -9),
        (WELL.replace("4.2000", "11.0"), 143),
        (WELL.replace("saved in", "was in"), 143),
        ("Traceback", 143),
    ],
)
def test_one_that_failed_learned_nothing_or_saved_nothing_does_not_hold(output: str, code: int) -> None:
    assert read(output, "160m", code, 121.0).holds is False

"""The state of rounds as a folder keeps it, one of whose trainings failed."""

from __future__ import annotations

from typing import Any

STEP: dict[str, Any] = {
    "data": {"battles": 50, "loss_rate": 0.8, "difficulty": 6.5},
    "rows": {"rows": 60, "own_rows": 40},
}
STATE: dict[str, Any] = {
    "form": 1,
    "fixed": {"agent": "student", "model": "base-model"},
    "rounds": 2,
    "steps": {
        "base": {"done": {}, "failures": [], "given_up": False},
        "r1-sft": {
            "done": {**STEP, "model": {"first_loss": 2.5, "last_loss": 1.25}, "taken": {"model": "models/r1-sft"}},
            "failures": [{"reason": "<b>out of memory</b>", "folder": "r1-sft"}],
            "given_up": False,
        },
    },
    "troubles": ["the server of base ended with exit code 3"],
    "stopped": "",
}

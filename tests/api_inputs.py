"""Configs and seeds for the tests of the Python API: sample agents of this process, no scorer, no server."""

from __future__ import annotations

from typing import Any

TUTORED: dict[str, Any] = {
    "agents": {"tutor": {"model": "offline/tutor"}, "referee": {"model": "offline/referee", "roles": []}},
    "star": {
        "pairs": [{"instruction": "keep", "response": "tutor"}],
        "referee": {"agents": ["referee"], "exam": "off"},
        "selection": "referee",
        "candidates": 1,
        "show_reference": True,
    },
    "memory": "off",
}
"""As agents.yaml holds it."""


def rows(count: int) -> list[dict[str, Any]]:
    """Distinct rows of Alpaca's columns."""
    return [{"instruction": f"What is {number} plus one?", "output": f"It is {number + 1}."} for number in range(count)]

"""What JSON would cost to read is measured as it arrives, piece by piece."""

from __future__ import annotations

import json

import pytest

from star_agents.limits.json_structure import JsonBounds, JsonMeter, TooMuchJson, measure


def test_structure_is_measured_the_same_however_the_text_is_cut() -> None:
    text = json.dumps([{"a": 'x [[{,:"\\" \\\\'}, [1, {"b,": []}]], separators=(",", ":")).encode()
    exact = JsonBounds(depth=4, containers=5, keys=2, elements=2)
    for size in range(1, len(text) + 1):
        meter = JsonMeter(exact)
        for start in range(0, len(text), size):
            meter.feed(text[start : start + size])
    for name in ("depth", "containers", "keys", "elements"):
        less = {"depth": 4, "containers": 5, "keys": 2, "elements": 2}
        less[name] -= 1
        with pytest.raises(TooMuchJson):
            measure(text, JsonBounds(**less))

"""A second daemon on a folder that another one works on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos_nursery import Nursery
from lines import agents_yaml

_LOCKED = 3
"""Exit code of a daemon that may not use its store."""
_NOBODY = "http://127.0.0.1:9/v1"
IN_TIME_S = 1.0


@dataclass
class LockReport:
    """How the second ones ended. ``violations`` holds a sentence for each that was not refused as it should be."""

    rounds: int
    seed: int = 0
    slowest_s: float = 0.0
    violations: list[str] = field(default_factory=list)


def second_daemons(folder: Path, *, rounds: int) -> LockReport:
    """Start ``rounds`` daemons, one after another, beside one that works on the same folder."""
    report = LockReport(rounds=rounds)
    config, data = folder / "agents.yaml", folder / "data"
    config.write_text(agents_yaml(_NOBODY))
    serve = ("serve", "-c", config, "--data-dir", data, "--port", "0")
    with Nursery() as first, Nursery() as others:
        first.start(*serve)
        assert first.wait_for("state_changed", lambda line: line["state"] == "ready"), first.noise
        for _ in range(rounds):
            began = time.monotonic()
            others.start(*serve)
            if others.wait_for("state_changed", lambda line: line["state"] == "ready"):
                report.violations.append("two daemons work on one store")
                others.end()
            elif others.ended() != _LOCKED or f"(pid {first.pid})" not in others.noise[-1]:
                report.violations.append(f"refused with {others.ended()}: {others.noise[-1:]}")
            report.slowest_s = max(report.slowest_s, time.monotonic() - began)
    if report.slowest_s > IN_TIME_S:
        report.violations.append(f"the slowest refusal took {report.slowest_s:.1f} s")
    return report

"""A status of a daemon with everything in it, for tests of whoever reads one."""

from __future__ import annotations

from typing import Any

from star_agents.observe.status import Status
from star_agents.observe.status.reading import read

AGENT: dict[str, Any] = {
    "calls": 50,
    "usd": 1.0,
    "calls_of_unknown_price": 0,
    "usd_per_call": 0.02,
    "candidates": 8,
    "wins": 6,
    "win_rate": 0.75,
    "win_rate_low": 0.41,
    "win_rate_high": 0.93,
    "failed": 0,
    "errors": {},
    "retries": 0,
    "latency_s": None,
    "tokens_per_second": None,
}
"""One that agents.yaml no longer has."""
STATE: dict[str, Any] = {"in_flight": 0, "queued": 0, "is_down": False, "deployments": [], "throttled": []}
PLAIN: dict[str, Any] = {
    "version": "1.2.3",
    "state": "ready",
    "pid": 1,
    "revision": 7,
    "started_at": 1_000.5,
    "now": 2_000.5,
    "latest_seq": 14,
    "config_problems": [],
    "waiting_for": None,
    "held_because": "",
    "seeds": {
        "waiting": 5,
        "working": 2,
        "kept": 10,
        "base": 3,
        "dropped": 1,
        "quarantined": 4,
        "stranded": 6,
        "catching_up": 0,
    },
    "stranded": [],
    "parts": {},
    "rate": {"seeds_per_minute": 1.0, "seeds_per_minute_overall": 1.0, "usd_per_hour": 0.0, "eta_s": 420.0},
    "calls": {"answered": 60, "pending": 2, "maybe_paid_twice": 1, "prompt_tokens": 600, "completion_tokens": 900},
    "cost": {
        "usd": 1.25,
        "calls_of_unknown_price": 3,
        "usd_per_sample": 0.1,
        "usd_per_improved": 0.125,
        "projected_usd": 2.0,
    },
    "budgets": [],
    "batches": {"seeds": 0, "agents": {}, "at_work": []},
    "target": None,
    "agents": {"a": {**AGENT, **STATE}},
    "pairs": {"keep/a": 0.75, "a/a": 0.25},
    "pair_costs": {},
    "win_rates": {},
    "best_pair": None,
    "best_agent": None,
    "gaps": {"width": 0.5, "low": -1.0, "chosen": [0, 1, 4, 2], "others": [1, 3, 1, 0]},
    "recipes": {},
    "pools": {},
    "turns": {},
    "exams": {},
    "scales": [],
    "referee": {
        "verdicts": 9,
        "wins": 5,
        "losses": 2,
        "ties": 2,
        "won_by_tie": 0,
        "without_verdict": 0,
        "both_orders": 8,
        "agree": 6,
        "agreement": 0.75,
        "unreadable": 1,
        "exam": None,
    },
    "failures": [],
    "refused": [],
    "memory": {
        "size": 6,
        "at_most": 1_000_000,
        "waiting": 2,
        "forgotten": 5,
        "left_out": 1,
        "renewed": 2,
        "recall": 0.98,
        "trouble": "",
        "draws": 12,
        "hits": 4,
        "hit_rate": 0.33,
    },
    "scorer": None,
    "store": {"commits": 100, "commit_seconds": 0.75, "file_bytes": 4096, "wal_bytes": 1024},
    "servers": [],
    "egress": None,
    "config": {
        "revision": 7,
        "agents": ["a"],
        "pairs": ["keep/a", "a/a"],
        "base_pairs": ["keep/seed"],
        "candidates": 2,
        "selection": "dual",
        "small": None,
        "large": None,
    },
}


def status_with(**parts: Any) -> Status:
    """The status, with these parts in the place of its own."""
    return read(Status, {**PLAIN, **parts})

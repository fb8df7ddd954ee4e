"""How `rounds`, `status` and `report` show rounds: a line a step, and who is how strong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.cli.tables import print_table
from star_agents.engine.campaign.report import rounds_remarks
from star_agents.text.figures import usd, usd_sum
from star_agents.text.printing import say

WORK = ["step", "rows", "lost", "difficulty", "loss", "calls", "cost"]
TARGETS = ["target", "rating", "gain over", "gain", "benchmark"]


def show_rounds(summary: Mapping[str, Any]) -> None:
    """Print the table of the steps, the players, and what else a person has to know."""
    print_table("data and trainings", WORK, [_work_row(one) for one in summary["steps"]])
    rated = [_target_row(one) for one in summary["steps"] if one["rating"] or one["benchmark"]]
    if rated:
        print_table(f"targets, {summary['anchor']} = 1000", TARGETS, rated)
    for sentence in rounds_remarks(summary):
        say(sentence)


def _work_row(one: Mapping[str, Any]) -> list[str]:
    return [
        one["name"],
        _rows(one),
        "-" if one["loss_rate"] is None else f"{one['loss_rate']:.0%} of {one['battles']:,}",
        "-" if one["difficulty"] is None else f"{one['difficulty']:.2f}",
        _losses(one),
        "-" if one["calls"] is None else f"{one['calls']:,}",
        "-" if one["usd"] is None else usd_sum(one["usd"], one["calls_of_unknown_price"]),
    ]


def _target_row(one: Mapping[str, Any]) -> list[str]:
    gain = one["gain"]
    gained = "-" if gain is None else rating_in_words(gain, signed=True)
    return [
        one["name"],
        rating_in_words(one["rating"], signed=False),
        one["gain_over"] or "-",
        gained,
        _grade(one["benchmark"]),
    ]


def _grade(graded: Mapping[str, Any] | None) -> str:
    """``6.41 [6.10, 6.70]``."""
    if graded is None:
        return "-"
    if graded["score"] is None:
        return "none"
    ends = ("open" if graded[end] is None else f"{graded[end]:.2f}" for end in ("low", "high"))
    without = "".join(f", {graded[what]:,} {what}" for what in ("unreadable", "missing") if graded[what])
    return f"{graded['score']:.2f} [{', '.join(ends)}]{without}"


def _rows(one: Mapping[str, Any]) -> str:
    if one["rows"] is None:
        return "-"
    return f"{one['rows']:,}" if one["rows"] == one["own_rows"] else f"{one['rows']:,} ({one['own_rows']:,} new)"


def _losses(one: Mapping[str, Any]) -> str:
    if (reward := one["reward"]) is not None and None not in reward:
        return f"reward {reward[0]:.3f} → {reward[1]:.3f}"
    if one["first_loss"] is None:
        return "failed" if one["given_up"] else "-"
    return f"{one['first_loss']:.3f} → {one['last_loss']:.3f}"


def rating_in_words(rated: Mapping[str, Any] | None, *, signed: bool) -> str:
    """``1052 [1010, 1095]``."""
    if rated is None:
        return "-"
    if rated["rating"] is None:
        return str(rated["standing"])
    ends = [_points(rated[end], signed=signed) for end in ("low", "high")]
    return f"{_points(rated['rating'], signed=signed)} [{', '.join(ends)}]"


def _points(value: float | None, *, signed: bool) -> str:
    if value is None:
        return "open"
    whole = round(value)
    return f"{whole:+,}" if signed and whole else f"{whole:,}"


def show_estimate(estimate: Mapping[str, Any]) -> None:
    """Print what is to come, at most."""
    rows = [
        [
            one["name"],
            f"{one['seeds']:,}" if one["seeds"] else "-",
            "unknown" if one["calls"] is None else f"{one['calls']:,}",
            f"{one['exam_calls']:,}" if one["exam_calls"] else "-",
            "unknown" if one["usd"] is None else usd(one["usd"]),
            f"{one['rows']:,}" if one["rows"] else "-",
            "-" if one["training_steps"] is None else f"{one['training_steps']:,}",
        ]
        for one in estimate["steps"]
    ]
    print_table(
        f"{len(rows)} steps, each amount at the most",
        ["step", "seeds", "calls", "calls of the exam", "dollars", "rows", "training steps"],
        rows,
    )
    for sentence in estimate["remarks"]:
        say(sentence)

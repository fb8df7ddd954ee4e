"""A folder that an earlier version wrote opens, and status, report and exports say of it what they said then.

How folder and recording were made: recorded/README.md. A newer version may say more; what it said before stays.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from recorded.comparing import differences
from recorded.store import NAMES, bring_up_to_date, first_differences, recording, said, unpack


@pytest.mark.parametrize("name", NAMES)
def test_an_older_folder_opens_and_says_what_it_said(name: str, tmp_path: Path) -> None:
    assert not list(first_differences(name, tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_an_older_folder_holds_every_end_that_a_seed_can_come_to(name: str) -> None:
    report = recording(name)["report"]
    counts = report["counts"]
    assert all(counts[end] for end in ("kept", "base", "dropped", "quarantined", "waiting"))
    assert counts["cost_usd"] > 0
    assert report["config_revisions"] == 2
    assert report["referee"]["verdicts"]
    assert {one["name"] for one in report["failures"]} >= {"ghost", "hasty", "novice"}


def test_a_store_in_which_something_changed_does_not_agree(tmp_path: Path) -> None:
    """The comparison reads the store: a changed one does not agree with the recording."""
    (name, *_) = NAMES
    unpack(name, tmp_path)
    bring_up_to_date(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as connection:
        connection.execute("UPDATE seeds SET state = 'waiting' WHERE state = 'quarantined'")
    found = list(differences(recording(name), said(tmp_path)))
    assert "status.seeds.quarantined: recorded 1, now 0" in found


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda said: said["status"].pop("calls"), "status.calls: recorded"),
        (lambda said: said["rows"]["messages"].pop(), "rows.messages: recorded"),
        (lambda said: said["rows"]["messages"][0]["provenance"].update(seed_id="x"), "rows.messages[0].provenance"),
        (lambda said: said["report"]["curve"][-1].update(seq=-1), "report.curve["),
    ],
)
def test_what_is_missing_or_otherwise_is_named(edit: Callable[[Any], object], words: str) -> None:
    recorded = recording(NAMES[0])
    now = copy.deepcopy(recorded)
    now["status"]["new"] = "a newer version may say more"
    assert not list(differences(recorded, now))
    edit(now)
    (found,) = differences(recorded, now)
    assert found.startswith(words)

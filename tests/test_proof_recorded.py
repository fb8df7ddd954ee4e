"""The recorded tables of the proof: what is equal is said to be, and the first difference is named."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
recorded, sections = (import_module(f"proof.{name}") for name in ("recorded", "sections"))
Interval = import_module("proof.bootstrap").Interval


def section(name: str, *, cell: str = "81.6", low: float = 0.1, made: str = "torch 1") -> Any:
    grid = sections.Grid(head=("arm", "usable"), rows=(("seeds", "68.7"), ("full", cell)))
    plot = sections.Dots(title="", axis="", rows=(("full", (Interval(0.2, low, 0.3),)),))
    return sections.Section(job="choices", name=name, title="150 seeds", grids=(grid,), plots=(plot,), made=made)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "recorded.jsonl"
    recorded.write([section("one"), section("two")], file)
    return file


def test_equal_figures_are_as_recorded_whatever_made_them(file: Path) -> None:
    assert not list(recorded.differences([section("one"), section("two", made="torch 2")], file))
    assert recorded.made(file) == "torch 1"


def test_the_first_cell_that_differs_is_named(file: Path) -> None:
    found = list(recorded.differences([section("one"), section("two", cell="81.7")], file))
    assert found == ["two: table 1, full, usable: recorded '81.6', now '81.7'"]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ([section("one"), section("two", low=0.1 + 2**-56)], "two: another plots"),
        ([section("one"), replace(section("two"), title="151 seeds")], "two: title"),
        ([section("one")], "two: recorded, and not there now"),
        ([section("one"), section("two"), section("three")], "three: not recorded"),
    ],
)
def test_whatever_else_differs_is_told(now: list[Any], words: str, file: Path) -> None:
    (found,) = recorded.differences(now, file)
    assert found.startswith(words)


def test_the_shipped_recording_holds_every_job_but_no_empty_table() -> None:
    made, *lines = map(json.loads, recorded.RECORDED.read_text(encoding="utf-8").splitlines())
    assert "torch" in made["made"]
    assert {line["job"] for line in lines} == set(import_module("proof.jobs").JOBS)
    assert all(grid["rows"] for line in lines for grid in line["grids"])

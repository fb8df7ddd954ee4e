"""`sa.score`: rows of every kind come back as what they were, with the scores of the command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from click.testing import CliRunner

import star_agents as sa
from star_agents.cli.score import command

pytestmark = pytest.mark.timeout(600)

MODELS: dict[str, Any] = {"small": "offline/small", "large": "offline/large"}
COLUMNS = {"ifd_small", "ifd_large", "gap", "reason", "ifd_formula"}
ROWS: list[dict[str, Any]] = [
    {"instruction": "Name the month after may .", "output": "the month after may is june .", "n": 1},
    {"instruction": "Say nothing.", "output": "", "n": 2},
    {"instruction": "Add 2 and 3 .", "output": "2 plus 3 is 5 .", "n": 3},
]


@pytest.fixture(scope="module")
def scored() -> list[dict[str, Any]]:
    return sa.score(ROWS, **MODELS, progress=False)


def same(one: Any, other: Any) -> bool:
    """A score is missing as None, or as NaN."""
    missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in (one, other)]
    return missing == [True, True] or one == pytest.approx(other)


def test_dicts_come_back_as_dicts_with_the_columns_of_the_command(scored: list[dict[str, Any]], tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, ROWS)))
    words = [str(source), "--small", MODELS["small"], "--large", MODELS["large"], "-o", str(tmp_path / "out.jsonl")]
    assert CliRunner().invoke(command, words).exit_code == 0
    by_command = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for row, of_the_command, given in zip(scored, by_command, ROWS, strict=True):
        assert row.keys() == of_the_command.keys() == given.keys() | COLUMNS
        assert all(same(row[name], of_the_command[name]) for name in row)
    assert sa.score(source, **MODELS, progress=False) == scored


def test_a_row_without_a_score_says_why_and_gets_no_0(scored: list[dict[str, Any]]) -> None:
    assert [bool(row["reason"]) for row in scored] == [False, True, False]
    assert scored[1]["ifd_small"] is None
    assert scored[0]["gap"] == scored[0]["ifd_small"] - scored[0]["ifd_large"]
    assert "gap" not in ROWS[0], "what was given is left as it was"


def test_samples_have_no_columns_so_scores_come_for_them(scored: list[dict[str, Any]]) -> None:
    samples = [sa.Sample(instruction=row["instruction"], response=row["output"]) for row in ROWS]
    seeds = [sa.Seed.of(sample) for sample in samples]
    alone = sa.Sample(instruction="x", response="y", history=(sa.Message(role="user", content="alone"),))
    scores = sa.score([*samples, *seeds, alone], **MODELS, progress=False)
    assert [one.ifd_small for one in scores[:3]] == pytest.approx([row["ifd_small"] for row in scored])
    assert scores[3:6] == scores[:3]
    assert "history" in scores[6].reason


def test_a_dataset_comes_back_as_a_dataset_of_typed_columns(scored: list[dict[str, Any]]) -> None:
    given = datasets.Dataset.from_list([{**row, "gap": "an older one"} for row in ROWS])
    found = sa.score(given, **MODELS, progress=False)
    assert isinstance(found, datasets.Dataset)
    assert set(found.column_names) == ROWS[0].keys() | COLUMNS
    assert found.features["gap"] == datasets.Value("float64")
    assert found.features["reason"] == datasets.Value("string")
    assert all(same(row["gap"], other["gap"]) for row, other in zip(found, scored, strict=True))
    assert given["gap"][0] == "an older one"
    bare = sa.score(datasets.Dataset.from_list([{"instruction": "x"}] * 2), **MODELS, progress=False)
    assert bare.features["ifd_small"] == datasets.Value("float64"), "also where no row has a score"


async def test_a_frame_comes_back_as_a_frame_with_its_index_inside_a_running_event_loop_too(
    scored: list[dict[str, Any]],
) -> None:
    given = pd.DataFrame(ROWS, index=[7, 7, 9])
    found = sa.score(given, **MODELS, progress=False)
    assert list(found.index) == [7, 7, 9]
    assert found["gap"].dtype == "float64"
    assert all(same(one, row["gap"]) for one, row in zip(found["gap"], scored, strict=True))
    assert list(found["reason"]) == [row["reason"] for row in scored]
    assert COLUMNS.isdisjoint(given.columns)


def test_nothing_is_scored_where_nothing_is_given() -> None:
    assert sa.score([], **MODELS) == []
    assert list(sa.score(pd.DataFrame({"instruction": []}), **MODELS).columns)[1:] == [
        "ifd_small",
        "ifd_large",
        "gap",
        "reason",
        "ifd_formula",
    ]


@pytest.mark.parametrize(
    ("rows", "options", "error", "told"),
    [
        ([*ROWS, sa.Sample(instruction="x")], {}, sa.UsageError, "all be dicts"),
        (["text"], {}, sa.UsageError, "rows:1 must be a dict"),
        (17, {}, sa.UsageError, "rows are expected"),
        ("nothing.jsonl", {}, sa.SeedFileError, "no such file"),
        (ROWS, {"mode": "paper"}, sa.UsageError, "mode='paper'"),
        (ROWS, {"max_length": 0}, sa.UsageError, "max_length=0"),
        (ROWS, {"large": "offline/nope"}, sa.ScorerError, "offline/nope"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    rows: Any, options: dict[str, Any], error: type[sa.StarAgentsError], told: str
) -> None:
    with pytest.raises(error, match=told):
        sa.score(rows, **{**MODELS, **options}, progress=False)

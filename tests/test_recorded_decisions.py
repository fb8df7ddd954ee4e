"""Star decides as earlier versions did: the same draws, texts, judgements and winners, and the same floats.

How the recordings were made: recorded/README.md. `star-referee` computes without torch and is compared to the last bit
on every machine. `star-dual` has the real scorer: decisions are compared everywhere, and its floats to the last bit
where torch computes as it did on the machine of the recording, within `TOLERANCE` elsewhere.
"""

from __future__ import annotations

import copy
from itertools import islice
from pathlib import Path

import pytest
from recorded.decisions import CASES, ENDS, Run, arithmetic, first_differences, read_recording, run_case

FEW, ALL = ENDS


def is_exact(case: str) -> bool:
    return not CASES[case] or arithmetic() == read_recording(case)[0]["arithmetic"]


@pytest.fixture(scope="module")
def without_scorer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_case("star-referee", FEW, tmp_path_factory.mktemp("referee"))


def test_star_decides_as_recorded_without_a_scorer(without_scorer: Run) -> None:
    assert len(without_scorer.decided) == FEW
    assert not list(islice(first_differences("star-referee", without_scorer, exact=True), 10))


def test_star_decides_as_recorded(tmp_path: Path) -> None:
    run = run_case("star-dual", FEW, tmp_path)
    assert len(run.decided) == FEW
    assert not list(islice(first_differences("star-dual", run, exact=is_exact("star-dual")), 10))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES)
def test_star_decides_all_seeds_as_recorded(case: str, tmp_path: Path) -> None:
    run = run_case(case, ALL, tmp_path)
    assert len(run.decided) == ALL
    assert not list(islice(first_differences(case, run, exact=is_exact(case)), 10))


@pytest.mark.parametrize(
    ("aspect", "value"),
    [
        ("winner", "keep/nobody"),
        ("draws", []),
        ("texts", []),
        ("judgements", []),
        ("calls", []),
        ("rewards", [["keep/nobody", 1.0]]),
    ],
)
def test_what_is_decided_otherwise_is_named_with_its_seed(aspect: str, value: object, without_scorer: Run) -> None:
    decided = copy.deepcopy(list(without_scorer.decided))
    decided[6][aspect] = value
    found = list(first_differences("star-referee", Run(decided=decided, end=without_scorer.end), exact=True))
    assert [one.partition(": recorded")[0] for one in found] == [f"seed 7: {aspect}"]


def test_a_float_in_its_last_bit_counts_only_where_the_processor_is_the_same(without_scorer: Run) -> None:
    decided = copy.deepcopy(list(without_scorer.decided))
    pair, probability = next(iter(decided[24]["probabilities"].items()))
    decided[24]["probabilities"][pair] = probability * (1 + 2**-52)
    run = Run(decided=decided, end=without_scorer.end)
    assert [one.split(":")[:2] for one in first_differences("star-referee", run, exact=True)] == [
        ["seed 25", " probabilities"]
    ]
    assert not list(first_differences("star-referee", run, exact=False))
    decided[24]["probabilities"][pair] = probability + 0.001
    assert list(first_differences("star-referee", run, exact=False))


def test_an_end_that_differs_is_named(without_scorer: Run) -> None:
    end = copy.deepcopy(dict(without_scorer.end))
    end["rows"]["messages"][0] += 1
    run = Run(decided=without_scorer.decided, end=end)
    found = list(first_differences("star-referee", run, exact=True))
    assert [one.partition(": recorded")[0] for one in found] == [f"after {FEW} seeds.rows.messages[0]"]

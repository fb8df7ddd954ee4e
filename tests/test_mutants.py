"""Mutants change text that stands there, and name tests that exist: one that misses its text proves nothing."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
catalogue = import_module("chaos_mutants.catalogue")
EVERY = (*catalogue.BY_LOOPS, *catalogue.BY_TESTS)


@pytest.mark.parametrize("mutant", EVERY, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_text_that_stands_there_once_into_another(mutant: Any) -> None:
    for edit in mutant.edits:
        assert (ROOT / edit.file).read_text("utf-8").count(edit.text) == 1, edit.file
        assert edit.text != edit.replacement


@pytest.mark.parametrize("mutant", catalogue.BY_TESTS, ids=lambda mutant: mutant.name)
def test_a_mutant_names_a_test_that_there_is(mutant: Any) -> None:
    file, _, name = mutant.test.partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / "tests" / file).read_text("utf-8"), re.MULTILINE)


def test_no_two_mutants_have_one_name() -> None:
    assert len({mutant.name for mutant in EVERY}) == len(EVERY)

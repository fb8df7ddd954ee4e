"""Many texts looked for in one: nothing is missed, however many there are and however they begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.text.needles import Needles

FEW_LETTERS = st.text("abAB é", min_size=1, max_size=12)


@pytest.mark.parametrize("others", [0, 1_000], ids=["few", "many"])
@given(st.sets(FEW_LETTERS, max_size=30), st.text("abAB é", max_size=60))
def test_what_stands_in_the_text_is_found_and_nothing_else(others: int, needles: set[str], text: str) -> None:
    more = {f"{number:06}-0" for number in range(others)}
    assert sorted(Needles(needles | more).found_in(text)) == sorted(one for one in needles if one in text)


def test_hundreds_that_begin_alike_are_told_apart_and_found_together() -> None:
    keys = [f"sk-proj-{number:04}" for number in range(500)]
    assert Needles(keys).found_in("it is sk-proj-0007 or sk-proj-0499, and not sk-proj-") == [keys[7], keys[499]]

"""Short names of arms."""

from __future__ import annotations

import pytest

from star_agents.text.arm_names import shared_folder


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["reading/main_point", "reading/inference@2"], "reading/"),
        (["a/b/c", "a/b/d"], "a/b/"),
        (["a/b", "c/d"], ""),
        (["a/b", "plain"], ""),
        (["plain", "tricky"], ""),
        (["reading/main_point"], ""),
        ([], ""),
    ],
)
def test_a_folder_is_shared_where_all_names_lie_in_it(names: list[str], folder: str) -> None:
    assert shared_folder(names) == folder

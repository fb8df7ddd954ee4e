"""Edits are noticed once they have settled. Time is a list of looks, handed in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from star_agents.process.file_watching import edits


class Steps:
    """A sleep that does something else each time, and then ends the watching."""

    def __init__(self, *actions: Callable[[], object]) -> None:
        self._actions = iter(actions)

    async def __call__(self, _: float) -> None:
        action = next(self._actions, None)
        if action is None:
            raise TimeoutError
        action()


def nothing() -> None:
    pass


async def count_edits(path: Path, *actions: Callable[[], object]) -> int:
    """Edits noticed after the first look, which always counts as one."""
    seen = -1
    with pytest.raises(TimeoutError):
        async for _ in edits(path, sleep=Steps(*actions)):
            seen += 1
    return seen


async def test_an_edit_is_noticed_once(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("a")
    assert await count_edits(path, nothing, lambda: path.write_text("bb"), nothing, nothing, nothing) == 1


async def test_a_file_that_is_still_growing_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("a")
    growing = [lambda n=n: path.write_text("a" * n) for n in range(2, 6)]
    assert await count_edits(path, *growing) == 0
    assert await count_edits(path, *growing[1:], nothing, nothing) == 1


async def test_a_file_replaced_by_an_editor_is_noticed_though_it_was_gone_for_a_moment(tmp_path: Path) -> None:
    path, other = tmp_path / "agents.yaml", tmp_path / "new"
    path.write_text("a")
    other.write_text("b")
    assert await count_edits(path, path.unlink, nothing, lambda: other.rename(path), nothing, nothing) == 1


async def test_what_changed_before_the_watching_began_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("a")
    async for _ in edits(path, sleep=Steps()):
        break
    else:
        raise AssertionError("nothing was yielded")

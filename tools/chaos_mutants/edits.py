"""A change of the package's text, and how it is made in a copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Edit:
    """One text of one file that is there exactly once, and what takes its place."""

    file: str
    text: str
    replacement: str


def apply(edit: Edit, copy: Path) -> None:
    """Make the change in a copy.

    Raises:
        ValueError: The text is not there any more, or more than once.
    """
    path = copy / edit.file
    before = path.read_text("utf-8")
    if before.count(edit.text) != 1:
        found = before.count(edit.text)
        raise ValueError(f"{edit.file} has the text to replace {found} times, not once: {edit.text.strip()!r}")
    path.write_text(before.replace(edit.text, edit.replacement), "utf-8")

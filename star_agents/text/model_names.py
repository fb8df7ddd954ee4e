"""What the name of a model says. Needs no torch."""

from __future__ import annotations


def names_a_folder(path: str) -> bool:
    """Whether it can be no Hugging Face name, which is ``model`` or ``organization/model``."""
    return path.startswith((".", "/", "~")) or path.endswith("/") or path.count("/") > 1

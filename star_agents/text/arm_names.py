"""Names of arms where there is room for short ones only."""

from __future__ import annotations

from collections.abc import Collection


def shared_folder(names: Collection[str]) -> str:
    """The folder that several names all lie in, with its slash, such as ``coding/``; empty where there is none."""
    folders = {name.rpartition("/")[0] for name in names}
    return f"{folders.pop()}/" if len(names) > 1 and len(folders) == 1 and "" not in folders else ""

"""A script that is given as text, as ``python -c`` runs it, for processes that ``fork_server`` starts."""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run the first argument; it finds the others as its own."""
    _, text, *arguments = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(text, "utf-8")
        sys.argv = [str(path), *arguments]
        runpy.run_path(str(path), run_name="__main__")

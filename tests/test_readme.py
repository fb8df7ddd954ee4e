"""What README shows in Python runs as it stands, in a folder that holds nothing but the agents.yaml that ships."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)

REPOSITORY = Path(__file__).resolve().parents[1]
SNIPPETS = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_snippets_of_the_readme_run_one_after_another(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "agents.yaml", tmp_path)
    assert len(SNIPPETS) >= 2
    for snippet in SNIPPETS:
        done = subprocess.run(
            [sys.executable, "-c", snippet],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
        assert "Traceback" not in done.stderr
    assert (tmp_path / "out_py" / "dataset.jsonl").exists()

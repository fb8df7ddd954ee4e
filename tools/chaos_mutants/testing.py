"""Runs tests in a copy of the package, as it is and with one safeguard switched off."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos_mutants.edits import ROOT, Edit, apply
from chaos_mutants.safeguards import TestedMutant

_FAILED, _PASSED = 1, 0
"""Exit codes of pytest; any other says that nothing was tested."""
_LONGEST_S = 180
_NOTICED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class _Run:
    code: int
    failed: tuple[str, ...]
    """Tests that failed, by their names."""
    last: str
    """The last line of what was printed."""


def hold(mutants: Sequence[TestedMutant]) -> tuple[bool, str]:
    """Whether every named test passes in the package as it is, and a sentence about it."""
    tests = list(dict.fromkeys(mutant.test for mutant in mutants))
    done = _run(tests, ())
    if done.code == _PASSED:
        return True, f"as it is: {len(tests)} tests pass"
    return False, f"as it is: {', '.join(done.failed) or done.last} FAILS"


def is_caught(mutant: TestedMutant) -> tuple[bool, str]:
    """Whether the mutant's test fails with it, and a sentence about it."""
    done = _run([mutant.test], mutant.edits, "-x")
    if done.code == _FAILED and any(one.partition("[")[0].endswith(mutant.test) for one in done.failed):
        return True, f"{mutant.name}: caught by {mutant.test}"
    return False, f"{mutant.name}: NOT CAUGHT by {mutant.test} ({done.last})"


def _run(tests: Sequence[str], edits: Sequence[Edit], *more: str) -> _Run:
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        copy = Path(place)
        for name in ("star_agents", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "agents.yaml"):
            shutil.copy(ROOT / name, copy)
        for edit in edits:
            apply(edit, copy)
        options = ["-q", "-p", "no:cacheprovider", "-m", "", "--timeout", str(_LONGEST_S), "--basetemp", f"{copy}/tmp"]
        command = [sys.executable, "-m", "pytest", *options, *more, *(f"tests/{test}" for test in tests)]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return _Run(done.returncode, tuple(_NOTICED.findall(done.stdout)), said[-1] if said else "")

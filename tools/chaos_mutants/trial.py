"""Copies the package, switches one promise off in the copy, and runs the loop or test that has to notice, there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from chaos_mutants import testing
from chaos_mutants.catalogue import BY_LOOPS, BY_TESTS
from chaos_mutants.edits import ROOT, Edit, apply
from chaos_mutants.patches import Mutant

COPIED = ("star_agents", "tests", "tools/chaos_lib", "tools/chaos_mutants")
_VIOLATION = re.compile(r"^  violation: (.*)$", re.MULTILINE)


def try_all(names: Sequence[str]) -> bool:
    """Try the mutants of these names, all where none is named; whether each was caught, and nothing else was.

    Raises:
        ValueError: for a name that no mutant has, or an edit whose text is not there any more.
    """
    if unknown := set(names) - {mutant.name for mutant in (*BY_LOOPS, *BY_TESTS)}:
        raise ValueError(f"there is no mutant {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in BY_LOOPS if not names or mutant.name in names]
    # What a loop finds in a mutant proves something only where it finds nothing in the package as it is.
    controls = dict.fromkeys((mutant.loop, max(m.rounds for m in chosen if m.loop == mutant.loop)) for mutant in chosen)
    sound = [_hold(loop, rounds) for loop, rounds in controls]
    caught = [_is_caught(mutant) for mutant in chosen]
    return all(sound + caught + _try_by_tests(names))


def _try_by_tests(names: Sequence[str]) -> list[bool]:
    chosen = [mutant for mutant in BY_TESTS if not names or mutant.name in names]
    results = []
    for is_well, sentence in chain([testing.hold(chosen)] if chosen else [], map(testing.is_caught, chosen)):
        _say(sentence)
        results.append(is_well)
    return results


def _hold(loop: str, rounds: int) -> bool:
    code, found, told = _run(loop, rounds, ())
    held = code == 0
    _say(f"as it is: {loop} finds nothing" if held else f"as it is: {loop} FAILS: {(found or [told])[0]}")
    return held


def _is_caught(mutant: Mutant) -> bool:
    code, found, told = _run(mutant.loop, mutant.rounds, mutant.edits)
    signs = [one for one in found if re.search(mutant.sign, one)]
    if code and signs:
        _say(f"{mutant.name}: caught by {mutant.loop}: {signs[0]}")
        return True
    seen = f"only {found[0]}" if found else told or "nothing"
    _say(f"{mutant.name}: NOT CAUGHT by {mutant.loop}, which saw {seen}")
    return False


def _run(loop: str, rounds: int, edits: Sequence[Edit]) -> tuple[int, list[str], str]:
    """Exit code of the loop in an edited copy, its violations, and the last line of what it said otherwise."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        copy = Path(place)
        for name in COPIED:
            left_out = ("__pycache__", "test_*") if name == "tests" else ("__pycache__",)
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*left_out))
        shutil.copy(ROOT / "tools" / "chaos", copy / "tools" / "chaos")
        for edit in edits:
            apply(edit, copy)
        command = [sys.executable, "tools/chaos", loop, "--rounds", str(rounds)]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    said = (done.stderr or done.stdout).strip().splitlines()
    return done.returncode, _VIOLATION.findall(done.stdout), said[-1] if said else ""


def _say(text: str) -> None:
    print(text, flush=True)

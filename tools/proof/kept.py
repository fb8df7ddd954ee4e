"""What models were asked once is not asked again: answers by content, one JSON line each. Knows files, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
PORTION = 1_000


def ask_once(
    file: Path,
    keys: Sequence[Key],
    name: Callable[[Key], str],
    ask: Callable[[Sequence[Key]], Sequence[object]],
    portion_size: int = PORTION,
) -> list[object]:
    """One answer per key, in order; new ones are asked for in portions, each kept in ``file`` when it is there.

    ``name`` is what stands in the file for a key. A half-written last line is asked again.
    """
    known = _read(file)
    new = [key for key in dict.fromkeys(keys) if name(key) not in known]
    for start in range(0, len(new), portion_size):
        portion = new[start : start + portion_size]
        answers = list(ask(portion))
        with file.open("a", encoding="utf-8") as lines:
            lines.writelines(f"{json.dumps([name(key), one])}\n" for key, one in zip(portion, answers, strict=True))
        known |= {name(key): one for key, one in zip(portion, answers, strict=True)}
        print(f"{file.name}: {start + len(portion):,} of {len(new):,} new", flush=True)
    return [known[name(key)] for key in keys]


def _read(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    whole = [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    file.write_text("".join(whole), encoding="utf-8")
    return dict(json.loads(line) for line in whole)

"""The tables of `all --quick` as they were recorded, for changes that must not move a figure by one bit.

Tables stand there in full, so that the first difference can be named; plots as hashes, whose floats say more than a
table shows. Figures depend on the scorer's and the trained models' floats, and so on processor and torch: two runs on
one machine are equal bit for bit, runs on two machines need not be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from proof.sections import Section

RECORDED = Path(__file__).with_name("recorded.jsonl")


def write(sections: Sequence[Section], file: Path = RECORDED) -> None:
    """Record the sections, one per line, after a line that says what made them."""
    found: list[dict[str, Any]] = [
        {"made": ", ".join(dict.fromkeys(section.made for section in sections))},
        *map(_line, sections),
    ]
    lines = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in found)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def differences(sections: Sequence[Section], file: Path = RECORDED) -> Iterator[str]:
    """Yield what differs from the recorded sections, in their order, the first cell of each."""
    now = {section.name: _line(section) for section in sections}
    recorded = {line["name"]: line for line in _lines(file)[1:]}
    yield from (f"{name}: recorded, and not there now" for name in recorded if name not in now)
    yield from (f"{name}: not recorded" for name in now if name not in recorded)
    for name, line in recorded.items():
        if name in now and line != now[name]:
            yield f"{name}: {_first_difference(line, now[name])}"


def made(file: Path = RECORDED) -> str:
    """Versions and machine of the recording."""
    return str(_lines(file)[0]["made"])


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _line(section: Section) -> dict[str, Any]:
    plain = json.loads(json.dumps(asdict(section)))
    plots = json.dumps(plain.pop("plots"), sort_keys=True)
    del plain["made"]
    return {**plain, "plots": hashlib.sha256(plots.encode()).hexdigest()[:16]}


def _first_difference(recorded: dict[str, Any], now: dict[str, Any]) -> str:
    if recorded["title"] != now["title"]:
        return f"title: recorded {recorded['title']!r}, now {now['title']!r}"
    for number, (before, after) in enumerate(zip(recorded["grids"], now["grids"], strict=False), start=1):
        if before["head"] != after["head"]:
            return f"table {number}: columns {before['head']}, now {after['head']}"
        for row, other in zip(before["rows"], after["rows"], strict=False):
            for column, cell, changed in zip(before["head"], row, other, strict=False):
                if cell != changed:
                    return f"table {number}, {row[0]}, {column}: recorded {cell!r}, now {changed!r}"
    parts = [part for part in recorded if recorded[part] != now[part]]
    return f"another {', '.join(parts)}, though no cell that both have differs"

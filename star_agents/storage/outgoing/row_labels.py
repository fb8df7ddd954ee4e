"""Rows of an export by a label that tells where they come from: counted first, and then capped, balanced or grouped.

A label is one of a row's ``provenance.labels`` (``type``, ``skill``, ``document``, ``agent_instruct:type``; its end
alone where it stands behind a recipe's name, as ``span`` for ``document:span``), or a text beside them (``recipe``,
``pair``, ``source``, ``part``). A row without it stands under ``(none)``.

Of the rows with one value those stay whose key comes first, a hash of the seed, the row's place and a number that the
user gives: the same rows, whoever asks again. Eight bytes of each row are held while they are counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_agents.errors import UsageError
from star_agents.records.row_labels import NONE, value_of
from star_agents.storage.formats.row_writing import atomic_file, json_line
from star_agents.storage.outgoing.result_rows import Row

MOST_GROUPS = 200
"""Files that are written at once."""
_LONGEST_NAME = 80
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Cap:
    """How many rows of one value may stay."""

    rows: int | None = None
    share: float | None = None
    """Of all rows that stay."""
    balanced: bool = False
    """As many of each value as there are of the rarest one."""

    @classmethod
    def parse(cls, text: str) -> Cap:
        """Read ``50`` rows, or a share: ``0.1``, ``10%``. Raises UsageError."""
        fix = "write a number of rows, as 50, or a share of all, as 0.1 or 10%"
        try:
            value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            value = -1.0
        if 0 < value < 1 or (value == 1 and text.endswith("%")):
            return cls(share=value)
        if value >= 1 and value.is_integer() and not text.endswith("%"):
            return cls(rows=int(value))
        raise UsageError(f"--at-most {text}: {fix}")

    def of(self, counts: Mapping[str, int], label: str) -> int:
        """The most rows of one value. Raises UsageError where no number keeps to the share."""
        if self.balanced:
            return min(counts.values())
        if self.share is None:
            return self.rows or 0
        low, high = 0, max(counts.values())
        while low < high:  # What c rows of each leave of all grows ever slower with c: one crossing.
            middle = (low + high + 1) // 2
            kept = sum(min(count, middle) for count in counts.values())
            low, high = (middle, high) if middle <= self.share * kept else (low, middle - 1)
        if not low:
            fewest = math.ceil(1000 / len(counts)) / 1000
            raise UsageError(
                f"--at-most {self.share:.0%}: there are {len(counts)} values of {label}, of which one at least has "
                f"{fewest:.1%} of the rows that stay; give that share or more"
            )
        return low

    def reason(self, most: int, label: str) -> str:
        """Why rows are left out."""
        if self.balanced:
            return f"as many as of the rarest {label}, {most:,}"
        share = f", {self.share:.0%} of those that stay" if self.share is not None else ""
        return f"at most {most:,} of one {label}{share}"


@dataclass
class Values:
    """What was counted of one label."""

    label: str
    seed: int
    keys: dict[str, array[int]] = field(default_factory=dict)
    """By value, the keys of its rows."""
    seen: set[str] = field(default_factory=set)
    """Labels that the rows have."""

    @classmethod
    def counted(cls, rows: Iterable[Row], label: str, seed: int) -> Values:
        """Count rows with their provenance. Raises UsageError where none has the label."""
        found = cls(label, seed)
        place = _Places()
        for row in rows:
            labels = labels_of(row)
            found.seen.update(labels)
            value = value_of(labels, label)
            found.keys.setdefault(value, array("Q")).append(place.key(row, seed))
        if found.keys and found.keys.keys() == {NONE}:
            there = ", ".join(sorted(found.seen)) or "none"
            raise UsageError(f"no row has a label {label}; there are: {there}")
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Rows by value, the most frequent first."""
        return dict(
            sorted(((value, len(keys)) for value, keys in self.keys.items()), key=lambda one: (-one[1], one[0]))
        )

    def capped(self, rows: Iterable[Row], most: int, left_out: Counter[str]) -> Iterator[Row]:
        """Those of the rows that stay; ``left_out`` counts the others by value. Rows that came since they were counted
        are left out, too: a daemon may be at work."""
        last = {value: sorted(keys)[:most][-1] for value, keys in self.keys.items()}
        place, kept = _Places(), Counter[str]()
        for row in rows:
            value, key = value_of(labels_of(row), self.label), place.key(row, self.seed)
            if value in last and key <= last[value] and kept[value] < most:
                kept[value] += 1
                yield row
            else:
                left_out[value] += 1


class _Places:
    """Tells rows of one seed apart by their order."""

    def __init__(self) -> None:
        self._seed_id, self._place = "", 0

    def key(self, row: Row, seed: int) -> int:
        seed_id = str(_provenance(row).get("seed_id", ""))
        self._place = self._place + 1 if seed_id == self._seed_id else 0
        self._seed_id = seed_id
        return int.from_bytes(hashlib.sha256(f"rows{seed}:{seed_id}:{self._place}".encode()).digest()[:8])


def labels_of(row: Row) -> dict[str, str]:
    """What a row says of where it comes from, by name."""
    told = _provenance(row)
    labels: Mapping[str, Any] = told.get("labels") or {}
    beside = {name: value for name, value in told.items() if isinstance(value, str) and name != "seed_id"}
    return {**beside, **{str(name): str(value) for name, value in labels.items()}}


def write_groups(rows: Iterable[Row], values: Values, path: Path, *, provenance: bool) -> dict[str, tuple[Path, int]]:
    """Write one file for each value, beside ``path`` and all or none; path and rows of each by value.

    Raises:
        UsageError: the file is no .jsonl, there are too many values, or a file cannot be written.
    """
    if path.suffix.lower() != ".jsonl":
        raise UsageError(f"--group writes .jsonl alone; name the files so: -o {path.with_suffix('.jsonl')}")
    if len(values.keys) > MOST_GROUPS:
        fix = "group by another one, or export once and divide the rows by their provenance"
        raise UsageError(
            f"--group {values.label}: {len(values.keys):,} values, and {MOST_GROUPS} files are possible; {fix}"
        )
    paths, counts = _paths(values.counts, path), Counter[str]()
    with ExitStack() as files:
        handles = {value: files.enter_context(atomic_file(one)) for value, one in paths.items()}
        for row in rows:
            value = value_of(labels_of(row), values.label)
            if value in handles:
                handles[value].write(json_line(row if provenance else without_provenance(row)))
                counts[value] += 1
    return {value: (one, counts[value]) for value, one in paths.items()}


def without_provenance(row: Row) -> Row:
    """The row without where it comes from."""
    return {name: value for name, value in row.items() if name != "provenance"}


def _paths(values: Iterable[str], path: Path) -> dict[str, Path]:
    """``rows.jsonl`` is ``rows-VALUE.jsonl``, in letters, digits, ``_``, ``.`` and ``-``; a name that two values would
    have, or that is cut, ends in a part of the value's hash."""
    plain = {value: _safe(value) for value in values}
    often = Counter(name.casefold() for name in plain.values())
    return {
        value: path.with_name(
            f"{path.stem}-{name if often[name.casefold()] == 1 else _hashed(name, value)}{path.suffix}"
        )
        for value, name in plain.items()
    }


def _safe(value: str) -> str:
    name = _UNSAFE.sub("_", unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()).strip("._")
    return name if 0 < len(name) <= _LONGEST_NAME else _hashed(name[: _LONGEST_NAME - 9] or "value", value)


def _hashed(name: str, value: str) -> str:
    return f"{name}-{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _provenance(row: Row) -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads(row["provenance"])
    return told

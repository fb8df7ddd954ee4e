"""A memory bank's graphs as files beside the store: a cache, trusted only where it fits what the store holds.

``memory.hnsw`` is the graph of a small bank, ``memory.hnsw.2-250000.graph`` and ``.codes`` are the second of a larger
one with so many instructions in it, and ``memory.hnsw.json`` tells which files belong together, with the checksum of
each and how many of its first instructions are forgotten. It is renamed over the old one last. Files of a larger bank
have other names whenever they hold others, so a kill before that leaves the old ones in force; one between the
renaming of ``memory.hnsw`` and it leaves none, and the graph is made anew.

They fit where every checksum is right, the embedder is the same, each instruction is in the store, none up to the
newest is missing, and 16 vectors of each graph, its newest among them, are those of the store. What each graph was
found to find is told beside them, too; files of an earlier release tell nothing of it, and theirs are measured anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from star_agents.process.crash_points import crash_point
from star_agents.scheduling.memory_segments import Check, CodedSegment, Room, Segment, WholeSegment
from star_agents.scheduling.vector_codes import Vector, VectorCoder

Read = Callable[[Sequence[int]], dict[int, Vector]]
"""Reads vectors by sequence number."""

_FORMAT = 3
_READ_AT_ONCE = 4
_COMPARED = 16
"""Vectors of each graph that are compared with those of the store, its newest one among them."""


class Facts(NamedTuple):
    """What a bank is beside its graphs."""

    embedder: str
    dimension: int
    last_seq: int
    """The newest instruction that was taken in."""
    forgotten: int
    """Those of the store that are no longer held."""


class Files:
    """Those at one path.

    Args:
        path: Of the first graph.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._in_force: dict[tuple[int, int], dict[str, str]] = {}
        """Names and checksums of the files of a graph, by its number and size."""
        self._read_files: dict[str, str] = {}
        """The same of all that were read, which are in force once they are taken over."""

    def hold(self, segments: Sequence[Segment]) -> bool:
        """Whether all of these are in force."""
        return all((one.number, one.size) in self._in_force for one in segments)

    def write(self, segments: Sequence[Segment], facts: Facts) -> None:
        """Write what is not in force yet: each file beside the old one, synced, then renamed over it.

        Raises:
            OSError: as of any file.
            RuntimeError: the graph's file cannot be opened.
        """
        in_force: dict[tuple[int, int], dict[str, str]] = {}
        drafts: list[tuple[Path, Path]] = []
        for segment in segments:
            key = (segment.number, segment.size)
            known = self._in_force.get(key) if isinstance(segment, CodedSegment) else None
            if known is None:
                written = self._write(segment)
                known = {place.name: _checksum(draft) for draft, place in written}
                drafts += written
            in_force[key] = known
        crash_point("index_before_rename")
        for draft, place in drafts:
            draft.replace(place)
        told: dict[str, Any] = {
            "format": _FORMAT,
            **facts._asdict(),
            "count": sum(map(len, segments)),
            "segments": [[one.number, one.size, one.hidden] for one in segments],
            "checks": [one.check for one in segments],
            "files": {name: told for files in in_force.values() for name, told in files.items()},
        }
        facts_draft = _facts_path(self.path).with_suffix(".new")
        facts_draft.write_text(json.dumps({**told, "digest": _digest(told)}), encoding="utf-8")
        _sync(facts_draft)
        facts_draft.replace(_facts_path(self.path))
        crash_point("index_saved")
        self._in_force = in_force
        self._tidy(told["files"])

    def read(
        self, embedder: str, arms: dict[int, str], room: Room, vectors: Read
    ) -> tuple[list[Segment], Facts] | None:
        """The graphs and what is told of them; ``None`` where a file is missing or torn, or holds other instructions.

        Args:
            embedder: Of whose vectors they have to be.
            arms: All instructions of the store, by their sequence number in order.
            room: Of each graph.
            vectors: Reads those of the store.
        """
        try:
            told = json.loads(_facts_path(self.path).read_text(encoding="utf-8"))
            if told.pop("digest") != _digest(told) or told["format"] != _FORMAT:
                return None
            facts = Facts(*(told[name] for name in Facts._fields))
            earlier = sum(1 for seq in arms if seq <= facts.last_seq)
            is_of_store = facts.last_seq in arms and told["count"] + facts.forgotten == earlier
            if facts.embedder != embedder or not is_of_store:
                return None
            if not self._are_whole(told["files"]):
                return None
            segments = self._read_all(told["segments"], facts.dimension, arms, room)
            for one, check in zip(segments, told.get("checks", ()), strict=False):
                one.check = Check(*check)
            if told["count"] != sum(map(len, segments)):
                return None
            if not all(_is_of_store(one, vectors) for one in segments):
                return None
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
            return None
        self._read_files = told["files"]
        return segments, facts

    def _are_whole(self, files: dict[str, str]) -> bool:
        """Whether files have their checksums: several are read at once, for a large bank has gigabytes of them."""
        paths = [self.path.with_name(name) for name in files]
        with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="memory bank files") as threads:
            return list(threads.map(_checksum, paths)) == list(files.values())

    def take_over(self, segments: Sequence[Segment]) -> None:
        """Graphs that were read are those that the bank goes on with: what is full of them is not written again."""
        for one in segments:
            key = (one.number, one.size)
            self._in_force[key] = {place.name: self._read_files[place.name] for place in self._places(*key)}

    def _places(self, number: int, count: int) -> list[Path]:
        if number == 0:
            return [self.path]
        return [self.path.with_name(f"{self.path.name}.{number}-{count}.{what}") for what in ("graph", "codes")]

    def _write(self, segment: Segment) -> list[tuple[Path, Path]]:
        """Write one graph to drafts; return each with its place."""
        places = self._places(segment.number, segment.size)
        if isinstance(segment, WholeSegment):
            drafts = [self.path.with_suffix(".new")]
            segment.write(drafts[0])
        else:
            drafts = [place.with_name(place.name + ".new") for place in places]
            segment.write(*drafts)
        for draft in drafts:
            _sync(draft)
        return list(zip(drafts, places, strict=True))

    def _read_all(self, told: list[list[int]], dimension: int, arms: dict[int, str], room: Room) -> list[Segment]:
        """Graphs of some numbers and sizes, each with how many of its first are forgotten."""
        segments: list[Segment] = []
        coder: VectorCoder | None = None
        for at, (number, size, hidden) in enumerate(told):
            places = self._places(number, size)
            if number == 0:
                segments.append(WholeSegment.read(places[0], dimension, room.first, arms))
                continue
            # Only the last one grows, whatever size the earlier ones have.
            capacity = room.other if at == len(told) - 1 else size
            read = CodedSegment.read(places[0], places[1], number, capacity, arms, coder)
            if read.size != size:
                raise ValueError(f"{places[0]}: holds {read.size} instructions")
            read.hidden, coder = hidden, read.coder
            segments.append(read)
        return segments

    def _tidy(self, in_force: dict[str, str]) -> None:
        """Remove graphs that are no longer named."""
        ours = re.compile(re.escape(self.path.name) + r"\.\d+-\d+\.(graph|codes)(\.new)?")
        for file in self.path.parent.iterdir():
            if (ours.fullmatch(file.name) or file == self.path) and file.name not in in_force:
                file.unlink(missing_ok=True)


def _is_of_store(segment: Segment, vectors: Read) -> bool:
    """Whether some of a graph are those of the store: one that was restored from a backup and went on, or was begun
    anew, may have as many, with other instructions."""
    seqs = segment.seqs()
    step = max(1, len(seqs) // _COMPARED)
    compared = {seqs[place]: segment.hidden + place for place in range(len(seqs) - 1, -1, -step)}
    try:
        known = vectors(sorted(compared))
    except Exception:  # Told where those that are in no file cannot be read either; what is here is found meanwhile.
        return True
    return all(segment.holds(compared[seq], vector) for seq, vector in known.items() if seq in compared)


def _digest(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _facts_path(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""What a provider of batches has: files, batches and charges, with faults; no protocol and no clock.

A batch is a step further each time that somebody asks how it stands. What it charges for is written into a book, line
by line, so that a test can tell what was paid once, and what twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROMPT_TOKENS = 10
COMPLETION_TOKENS = 5
LOOKS = 2
"""How often a batch has to be asked about before it ends."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Shares of requests, calls or batches that go wrong, each from 0 to 1."""

    http: float = 0.0
    """Requests answered 429, 500 or 503."""
    lost_reply: float = 0.0
    """Uploads and new batches that are taken, whereupon the connection breaks."""
    cut: float = 0.0
    """Downloads that break in the middle."""
    expired: float = 0.0
    """Batches that expire with a part of their calls answered."""
    cancelled: float = 0.0
    """Batches that somebody cancels; what has no answer stands in no file."""
    failed: float = 0.0
    """Batches that are not taken."""
    denied: float = 0.0
    """Requests for a batch that are refused for good."""
    full: float = 0.0
    """Batches that are not taken, since too much waits."""
    full_above: float = math.inf
    """Calls; a larger batch is not taken, since so much never fits."""
    flood: float = 0.0
    """Files of results in which thousands of lines are of a stranger's calls."""
    refused: float = 0.0
    """Calls that come back with status 400."""
    broken: float = 0.0
    """Calls that come back with status 500."""
    doubled: float = 0.0
    """Results that come twice."""
    unknown: float = 0.0
    """Results beside which one of a stranger's call comes."""
    noise: float = 0.0
    """Results beside which a line comes that nobody can read."""
    garbled: float = 0.0
    """Answers, paid for, in whose place such a line comes."""


NO_FAULTS = Faults()


@dataclass
class Call:
    """One call of a batch, as the provider has it."""

    key: str
    mark: str
    """Digest of what is asked, whichever way it comes."""
    text: str


@dataclass
class Batch:
    """A batch at the provider."""

    id: str
    calls: list[Call]
    metadata: Mapping[str, str]
    made_at: float
    fate: str
    looks: int = 0
    status: str = "validating"
    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    output_file: str = ""
    error_file: str = ""
    input_file: str = ""


def mark_of(model: str, messages: Any) -> str:
    """Digest of what is asked, and of whom."""
    return hashlib.sha256(json.dumps([model, messages], sort_keys=True).encode()).hexdigest()[:16]


class Account:
    """Files, batches and charges; nothing of it knows a protocol.

    Args:
        faults: What goes wrong.
        seed: Of the chances.
        book: Where charges are written as well.
        looks: How often a batch has to be asked about before it ends.
    """

    def __init__(self, faults: Faults = NO_FAULTS, seed: int = 0, book: Path | None = None, looks: int = LOOKS) -> None:
        self.faults, self.looks = faults, looks
        self.chance = random.Random(seed)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: dict[str, Batch] = {}
        self.charged: Counter[str] = Counter()
        """By mark."""
        self.lost: Counter[str] = Counter()
        """Of the charges, those whose answer never came in a form that can be read."""
        self.alone: Counter[str] = Counter()
        """Of the charges, those at the full price."""
        self.happened: Counter[str] = Counter()
        self._book = None if book is None else book.open("a", buffering=1)
        self._number = 0

    def happens(self, fault: str) -> bool:
        """Whether something goes wrong now."""
        share = getattr(self.faults, fault)
        is_so = bool(share) and self.chance.random() < share
        self.happened[fault] += is_so
        return is_so

    def add_file(self, name: str, content: bytes) -> str:
        """Keep a file; its id."""
        id_ = self._id("file")
        self.files[id_] = (name, content)
        return id_

    def add_batch(self, calls: list[Call], metadata: Mapping[str, str], input_file: str = "") -> Batch:
        """Take a batch."""
        fates = ("expired", "cancelled", "failed", "full")
        fate = next((fate for fate in fates if self.happens(fate)), "completed")
        fate = "full" if len(calls) > self.faults.full_above else fate
        batch = Batch(self._id("batch"), calls, metadata, time.time(), fate, input_file=input_file)
        self.batches[batch.id] = batch
        return batch

    def charge(self, call: Call, *, lost: bool = False, alone: bool = False) -> None:
        """Write a charge into the book."""
        self.charged[call.mark] += 1
        self.lost[call.mark] += lost
        self.alone[call.mark] += alone
        if self._book is not None:
            self._book.write(json.dumps({"mark": call.mark, "lost": lost, "alone": alone}) + "\n")

    def done_of(self, batch: Batch) -> list[Call]:
        """Those calls of a batch that are worked, in an order of chance."""
        if batch.fate in ("failed", "full"):
            return []
        share = 1.0 if batch.fate == "completed" else self.chance.uniform(0.2, 0.8)
        return self.chance.sample(batch.calls, round(share * len(batch.calls)))

    def disturbed(self, lines: list[tuple[Call | None, bytes]], stranger: bytes) -> list[bytes]:
        """Lines of results as they are sent: out of order, some twice, some of nowhere, some that are none."""
        told: list[bytes] = []
        for call, line in lines:
            if call is not None and self.happens("garbled"):
                self.charge(call, lost=True)
                told.append(line[: len(line) // 2])
                continue
            if call is not None:
                self.charge(call)
            told += [line] * (2 if self.happens("doubled") else 1)
            told += [stranger] * self.happens("unknown")
            told += [b'{"custom_id": 7'] * self.happens("noise")
        self.chance.shuffle(told)
        if told and self.happens("flood"):
            told += [stranger] * 5_000
        return told

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}_{self._number:06d}"

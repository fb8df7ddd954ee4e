"""What happens to the files of an index that is made of the store; the root `events` has the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from star_agents.records.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexRenewed(Event):
    """A graph of the memory bank or of the index of instructions was measured and found too little of what is nearest,
    for instructions came that are unlike the first ones; one that was made anew took its place meanwhile."""

    name: ClassVar[str] = "index_renewed"
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexNotWritten(Event):
    """Files of the memory bank or of the index of instructions cannot be written: work goes on, and the next start
    makes the index from the store, which holds all of it."""

    name: ClassVar[str] = "index_not_written"
    message: str

"""What a filter is. Each looks at one thing by itself, and may be called in any thread.

A filter is made once for a config in force and holds what it needs. ``check`` is pure and takes a part of a
millisecond: it is called for every row, child and seed, before the transaction in which what it says takes effect.
What can only be told beside others, such as duplicates, is looked up there (``engine.admission``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from star_agents.admission.offered import Offered
from star_agents.records.failures import one_line
from star_agents.records.findings import LONGEST_EVIDENCE, Objection, OfferedKind

EVERYTHING: frozenset[OfferedKind] = frozenset({"row", "child", "seed", "trial"})


class Filter(Protocol):
    """Looks at one row, child, seed or trial."""

    @property
    def name(self) -> str:
        """As in section `admission`; what it refuses is counted by it."""
        ...

    @property
    def kinds(self) -> Collection[OfferedKind]:
        """What it is shown. Seeds are shown before anything is paid for them."""
        ...

    def check(self, one: Offered) -> Objection | None:
        """What it has against it; ``None``: nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Applied:
    """A filter with what becomes of what it objects to."""

    filter: Filter
    action: Literal["refuse", "report", "redact"]
    redact: Callable[[str], str] | None = None
    """The same text without what the filter would find; for ``redact``, which takes rows alone: a seed or a child goes
    on as it is, and what comes of it is redacted."""

    def objection(self, one: Offered) -> Objection | None:
        """What the filter has against it, where it is shown it."""
        return self.filter.check(one) if one.kind in self.filter.kinds else None


def evidence(text: str) -> str:
    """What was found, as it is kept and shown."""
    return one_line(text, LONGEST_EVIDENCE)

"""The filter of contamination: whatever holds an item of a benchmark, seeds before anything is paid for them."""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.admission.contamination import BenchmarkIndex
from star_agents.admission.filters import EVERYTHING, evidence
from star_agents.admission.offered import Offered
from star_agents.records.findings import Objection, OfferedKind


@dataclass(frozen=True, slots=True)
class HeldItems:
    """Looks for items of benchmarks in all texts."""

    index: BenchmarkIndex
    name = "contamination"
    kinds: frozenset[OfferedKind] = EVERYTHING

    def check(self, one: Offered) -> Objection | None:
        """The item that it holds most of."""
        found = self.index.check(one.texts)
        if not found:
            return None
        likest = found[0]
        more = f", and {len(found) - 1:,} more items" if len(found) > 1 else ""
        return Objection(
            filter=self.name,
            reason=f"it holds an item of {likest.benchmark}",
            evidence=evidence(f'{likest.coverage:.0%} of the {likest.part} of {likest.item}{more}: "{likest.matched}"'),
            points_at=likest.where,
        )

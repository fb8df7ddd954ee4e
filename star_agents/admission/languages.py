"""Whether an instruction is in a language that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.admission.filters import EVERYTHING, evidence
from star_agents.admission.language import UNKNOWN, language_of
from star_agents.admission.offered import Offered
from star_agents.records.findings import Objection


@dataclass(frozen=True, slots=True)
class Languages:
    """By the instruction alone: an answer may be a translation. Of documents instructions in others may be made."""

    wanted: Sequence[str]

    name = "languages"
    kinds = EVERYTHING

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``."""
        if one.is_document:
            return None
        found = language_of(one.instruction)
        if found.code in (*self.wanted, UNKNOWN):
            return None
        return Objection(
            filter="languages",
            reason=f"it is in a language that was not asked for ({found.code})",
            evidence=evidence(one.instruction),
        )

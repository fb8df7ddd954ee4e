"""Whether an answer refuses, or speaks of itself as a model, by how it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from star_agents.admission.filters import evidence
from star_agents.admission.offered import Offered
from star_agents.records.findings import Objection, OfferedKind

LOOKED_AT = 300
"""Characters of an answer in which it would say so."""
_FILE = Path(__file__).with_name("refusal_phrases.yaml")


@dataclass(frozen=True, slots=True)
class Refusing:
    """Of a pair the chosen answer alone: the rejected one may refuse. An instruction that holds such words itself, as
    one to translate them does, may be answered with them."""

    name = "refusals"
    kinds = frozenset[OfferedKind]({"row", "trial"})

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``."""
        for answer in one.answers[:1]:
            for language, phrase in phrases():
                found = phrase.search(answer[:LOOKED_AT])
                if found is not None and phrase.search(one.instruction) is None:
                    said = evidence(answer[max(0, found.start() - 20) : found.end() + 60])
                    return Objection(
                        filter=self.name, reason=f"the answer refuses or speaks as a model ({language})", evidence=said
                    )
        return None


@cache
def phrases() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """One pattern for each language."""
    read: dict[str, list[str]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple((language, re.compile("|".join(some), re.IGNORECASE)) for language, some in read.items())

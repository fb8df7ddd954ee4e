"""Whether an instruction or an answer is too short or too long, in words."""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.admission.filters import EVERYTHING, evidence
from star_agents.admission.offered import Offered
from star_agents.config.admission import WordBounds
from star_agents.records.findings import Objection
from star_agents.text.words import normalised, words_in


@dataclass(frozen=True, slots=True)
class Length:
    """Bounds in words; a document is no instruction, and the answer of a seed is not what will be taught."""

    instruction: WordBounds | None
    response: WordBounds | None

    name = "length"
    kinds = EVERYTHING

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``."""
        if one.is_document:
            return None
        told = _flaw("instruction", one.instruction, self.instruction)
        for answer in () if one.kind in ("seed", "child") else one.answers:
            told = told or _flaw("response", answer, self.response)
        return told


def _flaw(what: str, text: str, bounds: WordBounds | None) -> Objection | None:
    if bounds is None:
        return None
    least, most = bounds
    words = len(words_in(normalised(text)))
    if least <= words <= most:
        return None
    said = f"the {what} has fewer words than asked for" if words < least else f"the {what} has more words than allowed"
    return Objection(
        filter="length", reason=said, evidence=evidence(f"{words:,} words, {least:,} to {most:,} are admitted")
    )

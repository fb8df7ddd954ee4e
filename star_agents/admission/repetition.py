"""Whether an answer goes in circles: much of it stands in runs of words that stood in it before.

Models that lose the thread say the same line until they are cut. Gopher's filters (Rae et al. 2021, table A1) count the
characters that stand in repeated 10-grams of web pages, and refuse from 10 % on; answers repeat more than that where
they should, such as in code, tables and exercises, so that the share here is larger.
"""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.admission.filters import evidence
from star_agents.admission.offered import Offered
from star_agents.records.findings import Objection, OfferedKind
from star_agents.text.words import normalised, words_in

RUN = 10
"""Words of one run."""
SHORTEST = 50
"""Words below which an answer is not judged."""
MOST_REPEATED = 0.3
"""Share of the words that may stand in runs which stood there before."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Of a pair the chosen answer alone."""

    name = "repetition"
    kinds = frozenset[OfferedKind]({"row", "trial"})

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``."""
        for answer in one.answers[:1]:
            share, run = repeated(answer)
            if share > MOST_REPEATED:
                told = evidence(f"{share:.0%} of its words, such as: {run}")
                return Objection(filter=self.name, reason="the answer repeats itself", evidence=told)
        return None


def repeated(text: str) -> tuple[float, str]:
    """The share of a text's words that stand in a run which stood there before, and the first such run; 0 and empty
    for a short text."""
    words = words_in(normalised(text))
    if len(words) < SHORTEST:
        return 0.0, ""
    seen: set[tuple[str, ...]] = set()
    covered, end, first = 0, 0, ""
    for start in range(len(words) - RUN + 1):
        run = tuple(words[start : start + RUN])
        if run in seen:
            covered += start + RUN - max(start, end)
            end = start + RUN
            first = first or " ".join(run)
        seen.add(run)
    return covered / len(words), first

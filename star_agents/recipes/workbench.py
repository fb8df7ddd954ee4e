"""The protocol of the workbench: all that a recipe may ask for.

A recipe that uses nothing else is durable without knowing it: the workbench behind this protocol records every draw and
every paid answer, so a recipe that is run again for the same seed walks the same way at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from star_agents.records import AgentPair, Candidate, Draw, Message, Reply, Sample, Score, Verdict


class Workbench(Protocol):
    """The bench of one seed."""

    async def draw(self) -> Draw:
        """Base pairs and the M drawn pairs of this seed (Eq. 3); the same ones however often it is asked."""
        ...

    async def ask(self, agent: str, messages: Sequence[Message], *, step: str) -> Reply:
        """One journaled call. ``step`` tells apart calls of one seed that would otherwise be equal.

        Raises:
            AgentError: after all tries.
        """
        ...

    async def ask_many(self, agent: str, messages: Sequence[Message], count: int, *, step: str) -> list[Reply]:
        """``count`` answers to one prompt, paid for as one request where the provider does that.

        Raises:
            AgentError: after all tries; what was answered until then is in the journal.
        """
        ...

    async def write(self, pair: AgentPair, *, is_base: bool) -> Candidate:
        """What ``pair`` makes of the seed (Eq. 2); a failure is a candidate that says so."""
        ...

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Dual-model IFD of each sample (Eq. 4), in order."""
        ...

    @property
    def referees_answer(self) -> bool:
        """Whether a referee is known to answer, on other texts."""
        ...

    async def judge(self, candidate: Sample, base: Sample, *, name: str) -> Verdict:
        """The referees' verdict of candidate against base (Eq. 6). ``name`` is the candidate's pair.

        ``Verdict.failure`` says why nobody answered where that may lie in this candidate's text.

        Raises:
            AgentError: when no referee answers, whatever it is shown.
        """
        ...

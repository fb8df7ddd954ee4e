"""What the bench of agent-pairs offers beside every workbench: pairs are drawn, write, and are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard, runtime_checkable

from star_agents.recipes.star_records import Candidate
from star_agents.records import AgentPair, Draw, Sample, Score, Verdict


@runtime_checkable
class PairWorkbench(Protocol):
    """The bench of one seed whose recipe draws agent-pairs."""

    async def draw_pairs(self) -> Draw:
        """Base pairs and the M drawn pairs of this seed (Eq. 3); the same ones however often it is asked."""
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


_KNOWN: dict[type, bool] = {}


def draws_pairs(bench: object) -> TypeGuard[PairWorkbench]:
    """Whether a bench is one of agent-pairs; looked at once for each class, since Python looks at every method."""
    kind = type(bench)
    if kind not in _KNOWN:
        _KNOWN[kind] = isinstance(bench, PairWorkbench)
    return _KNOWN[kind]

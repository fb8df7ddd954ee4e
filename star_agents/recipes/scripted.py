"""A workbench that follows a script: no agents, no models, no store. For testing recipes and trying out new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from star_agents.errors import AgentError, AgentRefused
from star_agents.recipes.star_records import Candidate
from star_agents.records import AgentPair, Draw, Failure, Sample, Score, Seed, Verdict, Vote


class ScriptedBench:
    """Answers as its script says, and remembers who was judged.

    Args:
        seed: The seed on the bench.
        draw: What `draw` returns.
        responses: Pair name to the response it writes; a pair that is not in it fails.
        scores: Response to its score; one that is not in it cannot be scored.
        verdicts: Response to π_llm, to a whole verdict, or to the error that judging it raises; ``None``: none
            that can be read; one that is not in it is a tie.
    """

    def __init__(
        self,
        seed: Seed,
        draw: Draw,
        *,
        responses: Mapping[str, str],
        scores: Mapping[str, Score] | None = None,
        verdicts: Mapping[str, float | Verdict | AgentError | None] | None = None,
    ) -> None:
        self._seed = seed
        self._draw = draw
        self._responses = responses
        self._scores = scores or {}
        self._verdicts = verdicts or {}
        self.judged: list[str] = []
        self.scored = 0

    async def draw_pairs(self) -> Draw:
        """The scripted draw."""
        return self._draw

    async def write(self, pair: AgentPair, *, is_base: bool) -> Candidate:
        """The scripted response, or a failed call."""
        response = self._responses.get(pair.name)
        failure = None if response is not None else Failure(kind="call", detail="the script has no response")
        sample = replace(self._seed.sample, response=response)
        return Candidate(pair=pair, is_base=is_base, sample=sample, failure=failure)

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        """The scripted scores."""
        self.scored += len(samples)
        return [self._scores.get(sample.response or "", Score(reason="not in the script")) for sample in samples]

    @property
    def referees_answer(self) -> bool:
        """Referees of a script answer."""
        return True

    async def judge(self, candidate: Sample, base: Sample, *, name: str) -> Verdict:
        """The scripted verdict."""
        self.judged.append(name)
        verdict = self._verdicts.get(candidate.response or "", 0.5)
        if isinstance(verdict, AgentError):
            raise verdict
        if isinstance(verdict, Verdict):
            return verdict
        readable = verdict is not None
        vote = Vote(referee="script", value=verdict, agreed=readable and verdict != 0.5, readable=readable)
        return Verdict(value=verdict, votes=(vote,))


def refusal(message: str) -> AgentRefused:
    """An error for scripts."""
    return AgentRefused(message)

"""When failures have made the work worthless. Pure: outcomes in, a decision out; no clock, no task.

Judged are the newest tries of each essential part (``config.sections.FailureLimitsConfig`` says which, and from when
on). Seeds that an outage puts back have no outcome and so no tries: that is another thing, which waiting mends. Only a
batch that begins in one is told apart: a wrong address would put back all of its seeds for ever.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from star_agents.config.sections import FailureLimitsConfig
from star_agents.records import STAR, Judgement, Outcome, Trial, verdict_of
from star_agents.records.failures import NO_FAULT, CountedFailure, FailureCount, Part, Tried, by_frequency, one_line

Essential = (
    Literal["base", "candidates", "referees", "verdicts", "scorer", "embedder"]
    | Literal["outcomes", "instructions", "rows", "seeds"]
)
_NOUNS: dict[Essential, str] = {
    "base": "base samples",
    "candidates": "candidates",
    "referees": "votes",
    "verdicts": "verdicts",
    "scorer": "samples for the scorer",
    "embedder": "instructions for the embedder",
    "outcomes": "seeds",
    "instructions": "instructions",
    "rows": "rows",
    "seeds": "seeds at admission",
}
_PARTS: dict[Part, Essential] = {
    "referee": "referees",
    "scorer": "scorer",
    "embedder": "embedder",
    "instructions": "instructions",
    "rows": "rows",
    "admission": "seeds",
}
_WINDOW = 5
"""The newest so many times `after` tries count: what was well for days can still break."""
_WINDOW_OF_THOSE_IN_HAND = 4
"""And so many times the seeds in hand: failures end sooner than successes, and come in swarms."""
_FAULTS_TOLD = 3
HOPELESS_AFTER = 10
"""Times that seeds may be put back at the start of a batch, before any could be kept."""


class FailureLimits:
    """Counts outcomes of one line.

    Args:
        settings: The limits.
        in_hand: Seeds that are worked on at once. A failure can end sooner than a success: twice as many have to end
            before a share is judged, and as many before it is clear that everything fails.
    """

    def __init__(self, settings: FailureLimitsConfig, in_hand: int) -> None:
        self._settings = settings
        self._in_hand = in_hand
        longest = max(_WINDOW * settings.after, _WINDOW_OF_THOSE_IN_HAND * in_hand)
        self._has_failed = {one: deque[bool](maxlen=longest) for one in _NOUNS}
        """The newest tries of each part."""
        self._failed = dict.fromkeys(_NOUNS, 0)
        """How many of these did."""
        self._tried = deque[Sequence[Tried]](maxlen=longest)
        """Of the newest outcomes: the reasons."""
        self._dropped_for = deque[str](maxlen=longest)
        """Why recipes other than `star` dropped the newest seeds, faults of their code aside."""
        self._faults = deque[bool](maxlen=longest)
        """Of the newest outcomes, whether the code of a recipe was at fault."""
        self._outcomes = 0
        self._returned = 0
        self._began_well = False

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self._outcomes += 1
        for essential, has_failed in _tries_of(outcome):
            newest = self._has_failed[essential]
            self._failed[essential] += has_failed - (len(newest) == newest.maxlen and newest[0])
            newest.append(has_failed)
        self._tried.append(outcome.tried)
        self._faults.append(outcome.is_fault)
        if outcome.recipe != STAR and outcome.kind == "dropped" and not outcome.is_fault:
            self._dropped_for.append(one_line(outcome.reason))
        self._began_well |= outcome.kind != "dropped"

    def add_returned(self) -> None:
        """Count a seed that was put back in an outage."""
        self._returned += 1

    @property
    def has_begun_hopelessly(self) -> bool:
        """Whether seeds were put back, enough to tell, and none has been kept."""
        return not self._began_well and self._returned >= max(HOPELESS_AFTER, self._in_hand)

    @property
    def is_code_at_fault(self) -> bool:
        """Whether most of what failed did for faults in the code of recipes, which is mended in their files."""
        return sum(self._faults) > len(self._dropped_for)

    def passed(self, *, at_end: bool = False) -> str:
        """What is beyond its limit, with the faults that may stand behind it; empty for nothing.

        Args:
            at_end: Nothing more will come: what was tried so far has to do.
        """
        for essential, newest in self._has_failed.items():
            n, failed = len(newest), self._failed[essential]
            if not failed:
                continue
            allowed = self._allowed(essential)
            ended = self._in_hand if failed == n else 2 * self._in_hand
            is_judged = at_end or (n >= self._settings.after and self._outcomes >= ended)
            if n and is_judged and failed > allowed * n:
                told = f"{failed:,} of the newest {n:,} {_NOUNS[essential]} failed; failure_limits allows {allowed:.0%}"
                found = by_frequency(self._faults_behind(essential))[:_FAULTS_TOLD]
                # What a recipe's own code says is no text of a model, and tells what to mend.
                behind = [one.sentence if one.part == "recipe" else one.finding for one in found]
                if essential == "outcomes":
                    behind += [reason for reason, _ in Counter(self._dropped_for).most_common(1)]
                return ": ".join(filter(None, [told, "; ".join(behind)]))
        return ""

    def _allowed(self, essential: Essential) -> float:
        own: float | None = getattr(self._settings, "referees" if essential == "verdicts" else essential, None)
        return self._settings.share if own is None else own

    def _faults_behind(self, essential: Essential) -> list[FailureCount]:
        """Among the newest outcomes."""
        tries: Counter[tuple[Part, str]] = Counter()
        found: dict[tuple[Part, str, str], CountedFailure] = {}
        for one in (tried for outcome in self._tried for tried in outcome if _stands_behind(tried.part, essential)):
            tries[one.part, one.name] += one.tries
            for failure in one.failures:
                if failure.reason not in NO_FAULT:
                    key = (one.part, one.name, failure.reason)
                    first = found.get(key, replace(failure, count=0))
                    found[key] = replace(first, count=first.count + failure.count)
        return [
            FailureCount(
                part=part,
                name=name,
                reason=reason,
                failures=failure.count,
                tries=tries[part, name],
                example=failure.example,
            )
            for (part, name, reason), failure in found.items()
        ]


def _stands_behind(part: Part, essential: Essential) -> bool:
    if part == "agent":
        return essential in ("base", "candidates")
    if part == "recipe":
        return essential == "outcomes"
    return _PARTS.get(part) == ("referees" if essential == "verdicts" else essential)


def _tries_of(outcome: Outcome) -> Iterator[tuple[Essential, bool]]:
    """Every try of an essential part in one outcome, and whether it failed."""
    if any(one.kind == "seed" and one.action == "refused" for one in outcome.findings):
        pass  # It was never worked.
    elif outcome.recipe != STAR:
        # What it tolerates within a seed is its own to say; a seed of which nothing comes is lost.
        yield "outcomes", outcome.kind == "dropped"
    else:
        written = [one for one in outcome.trials if not _passes(one)]
        base = [one for one in written if one.role == "base"]
        if base:
            yield "base", all(one.failure for one in base)
        for one in written:
            if one.role != "base":
                yield "candidates", bool(one.failure)
        yield from (("verdicts", is_missing) for is_missing in _verdicts_of(outcome))
    for asked in outcome.tried:
        essential = _PARTS.get(asked.part)
        if essential is not None:
            well = asked.tries - sum(failure.count for failure in asked.failures)
            yield from ((essential, False) for _ in range(well))
            yield from ((essential, True) for _ in range(_faults(asked.failures)))


def _verdicts_of(outcome: Outcome) -> Iterator[bool]:
    """Every verdict that was asked for, and whether there is none.

    Of a jury of two, one that fails takes every verdict with it, and half of the votes only.
    """
    has_passed = any(
        failure.reason in NO_FAULT for one in outcome.tried if one.part == "referee" for failure in one.failures
    )
    compared: dict[tuple[int, int], list[Judgement]] = {}
    for one in outcome.judgements:
        compared.setdefault((one.left, one.right), []).append(one)
    for said in compared.values():
        is_missing = verdict_of(said) is None
        if not (is_missing and has_passed):
            yield is_missing


def _passes(trial: Trial) -> bool:
    """Whether it is missing for a reason that is no fault (``failures.NO_FAULT``)."""
    return trial.failure is not None and trial.failure.kind in ("budget", "down")


def _faults(failures: Iterable[CountedFailure]) -> int:
    return sum(failure.count for failure in failures if failure.reason not in NO_FAULT)

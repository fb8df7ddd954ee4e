"""What one seed asks of agents, referees, scorer and embedder, noted as it goes: the numbers of ``Outcome.tried``.

A thing that is asked for once more, such as a rewrite that several pairs share, is one thing, and its last end counts.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager

from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable, BudgetExhausted
from star_agents.records.failures import (
    BUDGET_SPENT,
    DOWN,
    LONGEST_REASON,
    UNREADABLE,
    USAGE_DOUBTED,
    CountedFailure,
    Part,
    Tried,
    joined,
    one_line,
    without_numbers,
)
from star_agents.text.redaction import redactor

_QUOTED = 80
"""Characters of a model's reply that an example shows."""


class SeedTries:
    """The notes of one seed."""

    def __init__(self) -> None:
        self._ends: dict[tuple[Part, str], dict[Hashable, CountedFailure | None]] = {}

    def call(self, part: Part, name: str, key: Hashable) -> AbstractContextManager[None]:
        """Note how a call ends. An AgentError goes on to the caller, and says whose it is."""
        return _Noted(self, part, name, key, is_whole=True)

    def failure_of(self, part: Part, name: str, key: Hashable) -> AbstractContextManager[None]:
        """Note only a failure: one of the several calls that make up the thing."""
        return _Noted(self, part, name, key, is_whole=False)

    def worked(self, part: Part, name: str, key: Hashable) -> None:
        """Note that something could be had."""
        self._ends.setdefault((part, name), {})[key] = None

    def failed(self, part: Part, name: str, key: Hashable, reason: str, example: str) -> None:
        """Note that something could not be had, and what was said about it."""
        failure = CountedFailure(reason=one_line(reason, LONGEST_REASON), example=one_line(redactor.text(example)))
        self._ends.setdefault((part, name), {})[key] = failure

    def unreadable(self, referee: str, key: Hashable, reply: str) -> None:
        """Note a vote in which no verdict could be read."""
        said = one_line(redactor.text(reply), _QUOTED)
        self.failed("referee", referee, key, UNREADABLE, f"“{said}”" if said else "an empty reply")

    def counted(self, agent: str, key: Hashable, doubt: str) -> None:
        """Note a reply whose tokens the provider counted as they cannot be, and nothing of the others."""
        if doubt:
            self.failed("usage", agent, key, USAGE_DOUBTED, doubt)

    def refused(self, key: Hashable, reason: str) -> None:
        """Note a sample that the scorer refused. Numbers in the reason are this sample's own."""
        self.failed("scorer", "", key, without_numbers(reason), reason)

    @property
    def tried(self) -> tuple[Tried, ...]:
        """The notes so far, in an order that is always the same."""
        return tuple(
            Tried(part=part, name=name, tries=len(ends), failures=joined(filter(None, ends.values())))
            for (part, name), ends in sorted(self._ends.items())
        )


class _Noted:
    """Notes how what goes on in it ends. A class: two generators for each call cost five times as much."""

    __slots__ = ("_is_whole", "_key", "_name", "_part", "_tries")

    def __init__(self, tries: SeedTries, part: Part, name: str, key: Hashable, *, is_whole: bool) -> None:
        self._tries, self._part, self._name, self._key, self._is_whole = tries, part, name, key, is_whole

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AgentError):
            error.part = error.part or f"{self._part} {self._name}"
            self._tries.failed(self._part, self._name, self._key, reason_of(error), error.said or str(error))
        elif error is None and self._is_whole:
            self._tries.worked(self._part, self._name, self._key)


def reason_of(error: AgentError) -> str:
    """Why a call failed, in words of which there are few."""
    if isinstance(error, BudgetExhausted):
        return BUDGET_SPENT
    return DOWN if isinstance(error, (AgentUnavailable, AgentRateLimited)) and error.is_outage else error.what

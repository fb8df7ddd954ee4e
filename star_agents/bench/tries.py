"""What one seed asks of agents, referees, scorer and embedder, noted as it goes: the numbers of ``Outcome.tried``.

A thing that is asked for once more, such as a rewrite that several pairs share, is one thing, and its last end counts.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

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

    @contextmanager
    def call(self, part: Part, name: str, key: Hashable) -> Iterator[None]:
        """Note how a call ends. An AgentError goes on to the caller, and says whose it is."""
        with self.failure_of(part, name, key):
            yield
        self.worked(part, name, key)

    @contextmanager
    def failure_of(self, part: Part, name: str, key: Hashable) -> Iterator[None]:
        """Note only a failure: one of the several calls that make up the thing."""
        try:
            yield
        except AgentError as error:
            error.part = error.part or f"{part} {name}"
            self.failed(part, name, key, reason_of(error), error.said or str(error))
            raise

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


def reason_of(error: AgentError) -> str:
    """Why a call failed, in words of which there are few."""
    if isinstance(error, BudgetExhausted):
        return BUDGET_SPENT
    return DOWN if isinstance(error, (AgentUnavailable, AgentRateLimited)) and error.is_outage else error.what

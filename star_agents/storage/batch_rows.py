"""What the store hands out, and takes, of calls that go by batch: frozen values (``batches``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from star_agents.records import Reply
from star_agents.storage.rows import Intent

CallState = Literal["gathered", "sent", "failed", "elsewhere"]
BatchState = Literal["made", "submitted", "ended", "done"]


class Gathering(NamedTuple):
    """A call that is to go by batch."""

    intent: Intent
    request: Mapping[str, Any]
    """Plain data."""
    bytes: int
    """Of its line in the batch."""


class BatchCallRow(NamedTuple):
    """How a call that goes by batch stands."""

    state: CallState
    failure: Mapping[str, Any]
    """Status and words of an error that it came back with; else empty."""


class GatheredRow(NamedTuple):
    """The calls of one agent that wait for a batch."""

    agent: str
    calls: int
    bytes: int
    since: float
    """When the one came that waits longest, in seconds since 1970."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRow:
    """A batch that is not done with."""

    id: str
    agent: str
    model: str
    state: BatchState
    provider_id: str
    input_file: str
    said: str
    requests: int
    answered: int
    failed: int
    unanswered: int
    duplicates: int
    unknown: int
    unreadable: int
    made_at: float
    submitted_at: float | None
    ended_at: float | None


class OpenCall(NamedTuple):
    """A call that waits for a batch or is in one."""

    key: str
    agent: str
    reserved_usd: float | None
    reserved_tokens: int | None
    intended_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultRow:
    """One result of a batch, as far as the provider's words are read."""

    key: str
    body: Mapping[str, Any] | None = None
    """The reply; ``None`` where there is none."""
    failure: Mapping[str, Any] | None = None
    """Status and words, where it is an error."""
    is_final: bool = False
    """Whether another try would meet the error as well."""
    is_repeated: bool = False
    """Whether the results had one of this key before."""


class Found(NamedTuple):
    """What is known of a call in a batch."""

    seed_id: str
    step: str
    request: Mapping[str, Any]


class Taken(NamedTuple):
    """A call whose answer now stands in the journal."""

    key: str
    seed_id: str
    step: str
    reply: Reply


class FailedCall(NamedTuple):
    """A call that came back with an error."""

    key: str
    seed_id: str
    step: str
    failure: Mapping[str, Any]


@dataclass(slots=True)
class TakenIn:
    """What came of a part of a batch's results."""

    answers: list[Taken]
    failures: list[FailedCall]
    """Calls that came back with an error which another try would meet as well."""
    elsewhere: list[str]
    """Calls that are to be sent alone at once."""
    duplicates: int = 0
    unknown: int = 0
    unreadable: int = 0
    unparked: int = 0
    """Seeds that may go on."""

    @property
    def failed(self) -> int:
        """Calls that came back with an error, and wait for no batch any more."""
        return len(self.failures) + len(self.elsewhere)


ReadReply = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Reply | None]
"""Makes a reply of a call's key, its request and what came back; ``None`` where that is none."""
GoesAlone = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
"""Whether a request that came back with this error is to be sent alone."""


class Unanswered(NamedTuple):
    """What became of the calls that a batch left unanswered."""

    again: int
    """They wait for another batch."""
    elsewhere: int
    failed: int
    lost: tuple[str, ...]
    """Keys of those whose send may have been charged."""
    over: tuple[str, ...]
    """Keys of those that wait for no batch any more."""
    unparked: int
    """Seeds that may go on."""

    @property
    def calls(self) -> int:
        """All of them."""
        return self.again + self.elsewhere + self.failed


@dataclass(frozen=True, kw_only=True, slots=True)
class EndOfBatch:
    """How a batch ended, and what that means for what it left unanswered."""

    said: str
    tries: int
    """Batches that may leave a call unanswered."""
    falls_back: bool
    may_be_paid: bool = False
    """Whether answers were lost on their way: what has none may have been charged."""
    was_taken: bool = True
    """Whether the provider took it at all; where it was full, the try does not count."""
    failure: Mapping[str, Any] | None = None
    """Why it brought nothing, where there is one reason for all."""

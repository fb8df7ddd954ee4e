"""What every provider's batches have in common, so that whoever keeps them need not know which protocol they speak.

A batch is made (perhaps of a file that is uploaded first), looked at until it has ended, and read line by line in
whatever state that is: a cancelled or expired one holds answers that were paid for. It is recognised by a mark of ours,
so that a process which died between asking for it and hearing its id finds it again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, NamedTuple, Protocol, Self

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.http_failure import HttpFailure
from star_agents.records import Tool

MARK_STORE = "star_agents_store"
MARK_BATCH = "star_agents_batch"
"""Names under which a batch carries whose it is, where the protocol has a place for that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchedCall:
    """One call of a batch, as plain data that can be kept."""

    key: str
    """Of the call in the journal; the provider gives it back as ``custom_id``."""
    messages: Sequence[Mapping[str, Any]]
    shape: Mapping[str, Any]
    """Sampling parameters, and whatever binds the reply."""
    tools: tuple[Tool, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the key."""
        return {
            "messages": [dict(turn) for turn in self.messages],
            "shape": dict(self.shape),
            "tools": [tool.to_dict() for tool in self.tools],
        }

    @classmethod
    def from_dict(cls, key: str, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        tools = tuple(Tool.from_dict(tool) for tool in data["tools"])
        return cls(key=key, messages=data["messages"], shape=data["shape"], tools=tools)

    def call(self, endpoint: Endpoint) -> Call:
        """The same as it is sent and read one by one. Nothing waits for it, so it has no deadline."""
        return Call(endpoint=endpoint, messages=self.messages, shape=self.shape, timeout_s=0.0, tools=self.tools)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A batch that is about to be made, or may have been made already."""

    id: str
    """Our own name for it."""
    store: str
    """Whose it is: two stores may share an account."""
    requests: int
    made_at: float
    """Seconds since 1970 at which it was decided on."""
    input_file: str = ""
    """Of the provider, where it was uploaded."""
    keys: frozenset[str] = frozenset()
    """Of its calls."""
    known: frozenset[str] = frozenset()
    """The provider's ids of other batches of ours."""


class Found(NamedTuple):
    """What the provider's list says of a submission."""

    id: str = ""
    """The provider's; empty where it has none."""
    is_uncertain: bool = False
    """There is one that may be it, and only its results will tell: ask again later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How a batch stands at the provider."""

    is_ended: bool
    said: str
    """The provider's word: ``in_progress``, ``expired``."""
    problem: str = ""
    """Why the provider did not take it, where it says so."""
    is_full: bool = False
    """It was not taken because too much of ours waits there already."""
    is_lost: bool = False
    """What it was answered may have been paid for, and nobody can read it any more."""
    files: tuple[str, ...] = ()
    """Where its results lie."""
    input_file: str = ""


Fate = Literal["answered", "failed", "unanswered"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One line of a batch's results."""

    key: str
    fate: Fate
    body: Mapping[str, Any] | None = None
    """Of an answered call: the reply, in OpenAI's form."""
    failure: HttpFailure | None = None
    """Of a failed one: what another try would meet as well. Of an unanswered one: why, where that is said."""


_RETRIED = frozenset({408, 409, 425, 429})


def fate_of_status(status: int) -> Fate:
    """Whether another batch may answer a call that came back with an error."""
    return "unanswered" if status in _RETRIED or status >= 500 else "failed"


class BatchProvider(Protocol):
    """The batches of one endpoint.

    Its coroutines raise HttpFailure where the provider says no, and whatever aiohttp raises where it is not reached.
    """

    most_bytes: int
    """Of one batch."""
    framing: tuple[bytes, bytes, bytes]
    """What stands before the lines, between two and after them."""

    def line(self, call: BatchedCall) -> bytes:
        """A call as it stands in the batch."""
        ...

    async def upload(self, submission: Submission, lines: IO[bytes]) -> str:
        """Hand in the lines; the id of the file, or an empty one where the protocol has no such step."""
        ...

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """Make the batch; its id."""
        ...

    async def reach(self) -> None:
        """Ask for the list of batches, to see whether it can be had."""
        ...

    async def find(self, submission: Submission) -> Found:
        """Look for it among the account's batches."""
        ...

    async def look(self, batch: str) -> Look:
        """How it stands."""
        ...

    def results(self, look: Look) -> AsyncGenerator[bytes]:
        """The lines of all its results, in no order."""
        ...

    def read(self, line: bytes) -> Result:
        """Read a line of the results. Raises ValueError, LookupError or TypeError where it has another form."""
        ...

    async def delete(self, batch: str, look: Look) -> None:
        """Let the provider forget what it keeps of it; what is gone already is no failure."""
        ...

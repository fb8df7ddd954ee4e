"""What errors of `huggingface_hub` say: answers, causes, and their words in bounds."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from huggingface_hub.errors import HfHubHTTPError

from star_agents.text.redaction import redactor

LONGEST_REMARK = 300


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those behind it: what fails in a thread of an upload comes wrapped."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def answer_in(error: BaseException) -> HfHubHTTPError | None:
    """The hub's own answer, where there was one."""
    return next((one for one in causes(error) if isinstance(one, HfHubHTTPError)), None)


def is_of_the_network(error: BaseException) -> bool:
    """Whether there was none, since nobody could be reached."""
    return any(isinstance(one, httpx.TransportError) for one in causes(error))


def said_by(answer: HfHubHTTPError) -> str:
    """The message of an error that the hub answered with, on one line; empty where it gave none."""
    return in_one_line(answer.server_message or answer.response.headers.get("X-Error-Message") or "")


def in_one_line(said: str) -> str:
    """What the hub or a proxy says, in bounds and without secrets."""
    return redactor.text(" ".join(said.split()))[:LONGEST_REMARK]

"""Requests and replies as they pass between the daemon and a process that sends for it. Pure.

Both are plain data, packed by ``pickle`` for its speed over bytes and texts, and unpacked by a reader that makes
nothing but plain data: an object in it is refused. What passes holds keys and prompts; nothing here is shown or kept.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from multidict import CIMultiDict

from star_agents.agents.http_failure import LONGEST_ERROR, FailedElsewhere, HttpFailure
from star_agents.agents.replies.body import RefusedReply
from star_agents.agents.transports.http import HttpReply, HttpRequest

Requests = Sequence[tuple[int, HttpRequest]]
"""With the number that its reply will bear."""
Ended = HttpReply | Exception
"""What came of a request."""
_LONGEST_NAMES = 20
"""Classes of a failure's family that are told."""


def pack_requests(requests: Requests, cancelled: Sequence[int]) -> bytes:
    """What to send, and the numbers of those that nobody waits for any more."""
    plain = [
        (number, one.method, one.url, dict(one.headers), one.body, one.timeout_s, one.proxy) for number, one in requests
    ]
    return pickle.dumps((plain, list(cancelled)), pickle.HIGHEST_PROTOCOL)


def unpack_requests(packed: bytes) -> tuple[list[tuple[int, HttpRequest]], list[int]]:
    """The reverse. Raises ValueError for anything else."""
    try:
        requests, cancelled = _plain(packed)
        return [
            (
                int(number),
                HttpRequest(method=method, url=url, headers=headers, body=body, timeout_s=timeout_s, proxy=proxy),
            )
            for number, method, url, headers, body, timeout_s, proxy in requests
        ], [int(number) for number in cancelled]
    except (TypeError, ValueError) as error:
        raise ValueError(f"what was put is no batch of requests: {type(error).__name__}") from None


def pack_ended(ended: Sequence[tuple[int, Ended]]) -> bytes:
    """What came of requests."""
    return pickle.dumps([(number, *_told(one)) for number, one in ended], pickle.HIGHEST_PROTOCOL)


def unpack_ended(packed: bytes) -> list[tuple[int, Ended]]:
    """The reverse. Raises ValueError for anything else."""
    try:
        return [(int(number), _made(*told)) for number, *told in _plain(packed)]
    except (TypeError, LookupError) as error:
        raise ValueError(f"no replies but {type(error).__name__}") from None


def _told(one: Ended) -> tuple[Any, ...]:
    match one:
        case HttpReply():
            return "reply", one.status, _pairs(one.headers), one.body
        case HttpFailure():
            return "failure", one.status_code, _pairs(one.headers), one.body
        case RefusedReply():
            return "refused", str(one)
        case FailedElsewhere():
            return "failed", one.names, str(one)
    names = tuple(cls.__name__ for cls in type(one).__mro__)[:_LONGEST_NAMES]
    return "failed", names, str(one)[:LONGEST_ERROR]


def _made(kind: str, *parts: Any) -> Ended:
    match kind, parts:
        case "reply", (int(status), list(headers), bytes(body)):
            return HttpReply(status=status, headers=_headers(headers), body=body)
        case "failure", (int(status), list(headers), str(body)):
            return HttpFailure(status, body, _headers(headers))
        case "refused", (str(said),):
            return RefusedReply(said)
        case "failed", (tuple(names), str(said)):
            return FailedElsewhere(tuple(map(str, names)), said)
    raise ValueError(f"a reply of no known kind: {str(kind)[:40]!r}")


def _pairs(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """As plain texts: aiohttp's names are of a class of its own."""
    return [(str(name), str(value)) for name, value in headers.items()]


def _headers(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    return CIMultiDict(pairs)


class _PlainData(pickle.Unpickler):
    """Makes no objects, so that what comes from another process cannot run anything here."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is no plain data")


def _plain(packed: bytes) -> Any:
    try:
        return _PlainData(io.BytesIO(packed)).load()
    except (pickle.UnpicklingError, EOFError, LookupError, AttributeError, TypeError) as error:
        # Its message may quote what is packed, which may be a key.
        raise ValueError(f"what came is not packed as it should be: {type(error).__name__}") from None

"""How access tokens are fetched: one small request in bounds, which blocks, and is made in a thread."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp

from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import RefusedReply
from star_agents.agents.transports.credentials import CredentialsRefused, CredentialsUnavailable, error_text
from star_agents.agents.transports.http import HttpPool, HttpReply, HttpRequest, proxy_for
from star_agents.text.redaction import Redactor

_DEADLINE_S = 25.0
"""For one request, whatever trickles in; below what a call waits for credentials."""
_LARGEST = 256 << 10
"""Bytes of a reply, unpacked. Tokens of Entra with many groups have some 20 KB."""
_SECRET_FIELD = re.compile(r"secret|token|assertion|password", re.IGNORECASE)
"""Fields of a form by which a token is asked for."""
_PASSING = frozenset({"temporarily_unavailable", "server_error"})
"""OAuth's words for a failure that passes, whatever status they come with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenReply:
    """What a token server said, with the names that google-auth knows."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)


def exchange(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, deadline_s: float = _DEADLINE_S
) -> TokenReply:
    """One request, in the limits of every reply. Secrets that were sent are struck out of an error that repeats them.

    Redirects are not followed, since they would take what is sent along.

    Raises:
        CredentialsUnavailable: There was no reply, none in time, or one that is too long or points elsewhere.
    """
    request = HttpRequest(
        url=url, headers=headers, body=body or b"", method=method, timeout_s=deadline_s, proxy=proxy_for(url)
    )
    try:
        reply = asyncio.run(_sent(request))
    except TimeoutError:
        raise CredentialsUnavailable(f"the token server's reply did not end within {deadline_s:g} s") from None
    except RefusedReply as error:
        raise CredentialsUnavailable(f"the token server: {error}") from None
    except (HttpFailure, aiohttp.ClientError, OSError, ValueError) as error:
        said = error_text(str(error))
        raise CredentialsUnavailable(f"the token server was not reached: {type(error).__name__}: {said}") from None
    data = reply.body if reply.status < 400 else _without_what_was_sent(reply.body, request)
    return TokenReply(status=reply.status, headers=reply.headers, data=data)


async def _sent(request: HttpRequest) -> HttpReply:
    """Over a pool and an event loop of its own: nothing is shared with the calls, which go on meanwhile."""
    pool = HttpPool(largest=_LARGEST)
    try:
        async with asyncio.timeout(request.timeout_s):
            return await pool.send(request)
    finally:
        await pool.aclose()


def _without_what_was_sent(said: bytes, request: HttpRequest) -> bytes:
    """What a token server says is wrong: assertions, secrets and tokens that it was sent are credentials themselves."""
    form = parse_qsl(request.body.decode("utf-8", "replace"))
    secrets = [value for name, value in form if _SECRET_FIELD.search(name)]
    secrets += [value.rpartition(" ")[2] for name, value in request.headers.items() if name.lower() == "authorization"]
    one = Redactor()
    one.keep(secrets)
    return one.known(said.decode("utf-8", "replace")).encode()


def token_by_form(url: str, form: Mapping[str, str]) -> tuple[str, float]:
    """A token by OAuth 2's form, and for how many seconds it holds.

    Raises:
        CredentialsRefused: The server says that there is none for these.
        CredentialsUnavailable: It failed, or what it said cannot be read.
    """
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    reply = exchange("POST", url, headers=headers, body=urlencode(form).encode())
    read = _read(reply.data)
    if reply.status in (400, 401, 403) and str(read.get("error")) not in _PASSING:
        raise CredentialsRefused(f"the token server says no: {_said(read, reply)}")
    if reply.status != 200:
        raise CredentialsUnavailable(f"the token server failed: {_said(read, reply)}")
    token, lasts = read.get("access_token"), read.get("expires_in")
    try:
        lasts_s = float(str(lasts))  # some say it as text
    except ValueError:
        lasts_s = float("nan")
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()) or not lasts_s < float("inf"):
        raise CredentialsUnavailable("what the token server said holds no `access_token` with an `expires_in`")
    return token, lasts_s


def _read(data: bytes) -> dict[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _said(read: Mapping[str, Any], reply: TokenReply) -> str:
    told = [read.get(name) for name in ("error", "error_description")]
    words = ": ".join(one.splitlines()[0] for one in told if isinstance(one, str) and one.strip())
    return error_text(words) or f"status {reply.status}"

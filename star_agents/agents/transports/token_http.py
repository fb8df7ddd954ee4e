"""How access tokens are fetched: one small request in bounds, which blocks, and is made in a thread."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from star_agents.agents.transports.credentials import CredentialsRefused, CredentialsUnavailable
from star_agents.agents.transports.http import trusted
from star_agents.text.redaction import redactor

_WITHOUT_A_BYTE_S = 10.0
_DEADLINE_S = 25.0
"""For one request; below what a call waits for credentials."""
_LARGEST = 256 << 10
"""Bytes of a reply. Tokens of Entra with many groups have some 20 KB."""
_LONGEST_SAID = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenReply:
    """What a token server said."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)


def exchange(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, deadline_s: float = _DEADLINE_S
) -> TokenReply:
    """One request; redirects are not followed, since they would take what is sent along.

    Raises:
        CredentialsUnavailable: There was no reply, none in time, or one that is too long.
    """
    until = time.monotonic() + deadline_s
    client = httpx.Client(verify=trusted(os.environ), follow_redirects=False, timeout=_WITHOUT_A_BYTE_S)
    data = bytearray()
    try:
        with client, client.stream(method, url, headers=dict(headers), content=body) as reply:
            for piece in reply.iter_bytes(16 << 10):
                data += piece
                if len(data) > _LARGEST:
                    raise CredentialsUnavailable(f"the token server's reply has more than {_LARGEST >> 10} KiB")
                if time.monotonic() > until:
                    raise CredentialsUnavailable(f"the token server's reply did not end within {deadline_s:g} s")
            return TokenReply(status=reply.status_code, headers=reply.headers, data=bytes(data))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = redactor.text(str(error)[:_LONGEST_SAID])
        raise CredentialsUnavailable(f"the token server was not reached: {type(error).__name__}: {said}") from None


def token_by_form(url: str, form: Mapping[str, str]) -> tuple[str, float]:
    """A token by OAuth 2's form, and for how many seconds it holds.

    Raises:
        CredentialsRefused: The server says that there is none for these.
        CredentialsUnavailable: It failed, or what it said cannot be read.
    """
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    reply = exchange("POST", url, headers=headers, body=urlencode(form).encode())
    read = _read(reply.data)
    if reply.status in (400, 401, 403):
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
    return redactor.text(words[:_LONGEST_SAID]) or f"status {reply.status}"

"""OpenAI's batches, and those of servers that speak its protocol.

A file of requests is uploaded, a batch is made of it and named by its metadata. When it has ended, as ``completed``,
``failed``, ``expired`` or ``cancelled``, an output file holds the answers and an error file what came to none; both are
read in each of these states, for what was answered is charged in each of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import IO, Any

import aiohttp

from star_agents.agents.batching.http import BatchHttp, gone_is_deleted, id_of
from star_agents.agents.batching.protocol import (
    MARK_BATCH,
    MARK_STORE,
    BatchedCall,
    Found,
    Look,
    Result,
    Submission,
    fate_of_status,
)
from star_agents.agents.batching.routes import BatchRoute
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import check_structure
from star_agents.agents.replies.reading import error_in
from star_agents.agents.transports.direct import decode, encode
from star_agents.agents.transports.direct_routes import flat

_PATH = "/v1/chat/completions"
_WINDOW = "24h"
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_FULL = frozenset({"token_limit_exceeded", "batch_limit_exceeded"})
"""Codes of a batch that was not taken because the account has too much in its queue."""
_PAGE = 100
_MOST_PAGES = 100
_SLACK_S = 3600.0
"""By which clocks may differ."""


class OpenAIBatches:
    """The batches of one endpoint.

    Args:
        http: Sends.
        route: Where to.
    """

    most_bytes = 100 << 20
    framing = (b"", b"\n", b"\n")

    def __init__(self, http: BatchHttp, route: BatchRoute) -> None:
        self._http = http
        self._base = route.base
        self._model = route.model
        self._headers = {"Accept": "application/json", "User-Agent": "star_agents"}
        if route.key:
            self._headers["Authorization"] = f"Bearer {route.key}"

    def line(self, call: BatchedCall) -> bytes:
        """A call as it stands in the file."""
        offered = {"tools": [tool.to_dict() for tool in call.tools]} if call.tools else {}
        body = {"model": self._model, "messages": call.messages, **flat(call.shape), **offered}
        return encode({"custom_id": call.key, "method": "POST", "url": _PATH, "body": body})

    async def upload(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the file; of one of that name which is there already, where there is one."""
        if earlier := await self._uploaded(submission):
            return earlier
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", lines, filename=_file_name(submission), content_type="application/jsonl")
        return id_of(await self._http.json("POST", f"{self._base}/files", self._headers, data=form))

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the batch."""
        body = {
            "input_file_id": submission.input_file,
            "endpoint": _PATH,
            "completion_window": _WINDOW,
            "metadata": {MARK_STORE: submission.store, MARK_BATCH: submission.id},
        }
        return id_of(await self._http.json("POST", f"{self._base}/batches", self._headers, body=body))

    async def reach(self) -> None:
        """Ask for the list of batches."""
        await self._http.json("GET", f"{self._base}/batches?limit=1", self._headers)

    async def find(self, submission: Submission) -> Found:
        """By the metadata, newest first, back to before it was decided on."""
        after, oldest = "", submission.made_at - _SLACK_S
        for _ in range(_MOST_PAGES):
            url = f"{self._base}/batches?limit={_PAGE}{f'&after={after}' if after else ''}"
            page = await self._http.json("GET", url, self._headers)
            batches = [one for one in page["data"] if isinstance(one, Mapping)]
            for one in batches:
                mark = one.get("metadata") or {}
                if mark.get(MARK_BATCH) == submission.id and mark.get(MARK_STORE) == submission.store:
                    return Found(id_of(one))
            made = [float(one.get("created_at") or 0) for one in batches]
            if not page.get("has_more") or not batches or min(made) < oldest:
                break
            after = id_of(batches[-1])
        return Found()

    async def look(self, batch: str) -> Look:
        """How it stands."""
        read = await self._http.json("GET", f"{self._base}/batches/{batch}", self._headers)
        said = str(read.get("status") or "")
        errors = (read.get("errors") or {}).get("data") or []
        told = [one for one in errors if isinstance(one, Mapping)]
        files = (read.get("output_file_id"), read.get("error_file_id"))
        return Look(
            is_ended=said in _ENDED,
            said=said,
            problem="; ".join(f"{one.get('code')}: {one.get('message')}" for one in told[:3]),
            is_full=said == "failed" and any(one.get("code") in _FULL for one in told),
            files=tuple(str(file) for file in files if file),
            input_file=str(read.get("input_file_id") or ""),
        )

    async def results(self, look: Look) -> AsyncGenerator[bytes]:
        """The lines of the output file and of the error file."""
        for file in look.files:
            async for line in self._http.lines(f"{self._base}/files/{file}/content", self._headers):
                yield line

    def read(self, line: bytes) -> Result:
        """A line of either file."""
        check_structure(line)
        read = decode(line)
        key, error, response = read["custom_id"], read.get("error"), read.get("response")
        if not isinstance(key, str):
            raise TypeError("custom_id is no text")
        if not isinstance(response, Mapping):
            return Result(key=key, fate="unanswered", failure=_failure(500, error))
        status, body = int(response["status_code"]), response.get("body")
        if status == 200 and not error:
            if not isinstance(body, Mapping):
                raise TypeError("the reply is no object")
            if (failure := error_in(body, {})) is None:
                return Result(key=key, fate="answered", body=body)
            return Result(key=key, fate=fate_of_status(failure.status_code), failure=failure)
        return Result(key=key, fate=fate_of_status(status), failure=_failure(status, _error(body) or error))

    async def delete(self, batch: str, look: Look) -> None:
        """Its files; the batch itself stays in the account's list."""
        for file in filter(None, (*look.files, look.input_file)):
            with gone_is_deleted():
                await self._http.json("DELETE", f"{self._base}/files/{file}", self._headers)

    async def _uploaded(self, submission: Submission) -> str:
        """The file that a process handed in which then died; servers that list none are believed to have none."""
        with suppress(HttpFailure, ValueError, TypeError, LookupError):
            page = await self._http.json("GET", f"{self._base}/files?purpose=batch&limit=1000", self._headers)
            name = _file_name(submission)
            return next((id_of(one) for one in page["data"] if one.get("filename") == name), "")
        return ""


def _error(body: Any) -> Any:
    return body.get("error") if isinstance(body, Mapping) else body


def _failure(status: int, said: Any) -> HttpFailure:
    return HttpFailure(status, said if isinstance(said, str) else encode({"error": said}).decode(), {})


def _file_name(submission: Submission) -> str:
    return f"star-agents-{submission.id}.jsonl"

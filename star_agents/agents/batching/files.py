"""Batches that are made of a file of requests and answered in files of results, as OpenAI, Azure and Mistral have them.

The file's name holds our name for the batch, so that one is found again which was handed in by a process that died.
Results lie in an output file and an error file, which are read in whatever state the batch ended: what was answered is
charged in each of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

import aiohttp

from star_agents.agents.batching.http import BatchHttp, gone_is_deleted, id_of
from star_agents.agents.batching.protocol import (
    MARK_BATCH,
    MARK_STORE,
    Look,
    Result,
    Submission,
    fate_of_status,
)
from star_agents.agents.batching.routes import BatchRoute
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import check_structure
from star_agents.agents.replies.reading import error_in
from star_agents.agents.transports.json_body import decode, encode

PAGE = 100
MOST_PAGES = 100
"""Of a list of batches that are looked through."""


class FileBatches:
    """What they have in common.

    Args:
        http: Sends.
        route: Where to.
    """

    most_bytes = 100 << 20
    framing = (b"", b"\n", b"\n")

    def __init__(self, http: BatchHttp, route: BatchRoute) -> None:
        self._http = http
        self._route = route
        self._headers = {"Accept": "application/json", "User-Agent": "star_agents", **self._credentials(route.key)}

    def _credentials(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _url(self, path: str, query: str = "") -> str:
        return f"{self._route.base}/{path}{f'?{query}' if query else ''}"

    def _files_named(self, name: str) -> str:
        """What to ask the list of files for."""
        return "purpose=batch&limit=1000"

    async def upload(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the file; of one of that name which is there already, where there is one."""
        if earlier := await self._uploaded(submission):
            return earlier
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", lines, filename=_file_name(submission), content_type="application/jsonl")
        return id_of(await self._http.json("POST", self._url("files"), self._headers, data=form))

    async def results(self, look: Look) -> AsyncGenerator[bytes]:
        """The lines of the output file and of the error file."""
        for file in look.files:
            async for line in self._http.lines(self._url(f"files/{file}/content"), self._headers):
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
                await self._http.json("DELETE", self._url(f"files/{file}"), self._headers)

    async def _uploaded(self, submission: Submission) -> str:
        """The file that a process handed in which then died; servers that list none are believed to have none."""
        name = _file_name(submission)
        with suppress(HttpFailure, ValueError, TypeError, LookupError):
            page = await self._http.json("GET", self._url("files", self._files_named(name)), self._headers)
            return next((id_of(one) for one in page["data"] if one.get("filename") == name), "")
        return ""


def marks(submission: Submission) -> dict[str, str]:
    """What a batch carries so that it is found again."""
    return {MARK_STORE: submission.store, MARK_BATCH: submission.id}


def is_marked(metadata: object, submission: Submission) -> bool:
    """Whether a batch carries it."""
    found = metadata if isinstance(metadata, Mapping) else {}
    return all(found.get(name) == value for name, value in marks(submission).items())


def made_at(batch: Mapping[str, Any]) -> float | None:
    """When, in seconds since 1970; ``None`` where it does not say."""
    said = batch.get("created_at")
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(said).timestamp() if isinstance(said, str) else float(said or "")
    return None


def file_in(told: object) -> str:
    """A file's id as a batch names it; empty where it names none. Raises ValueError for one of another form."""
    return id_of({"id": told}) if told else ""


def _error(body: Any) -> Any:
    return body.get("error", body) if isinstance(body, Mapping) else body


def _failure(status: int, said: Any) -> HttpFailure:
    return HttpFailure(status, said if isinstance(said, str) else encode({"error": said}).decode(), {})


def _file_name(submission: Submission) -> str:
    return f"star-agents-{submission.id}.jsonl"

"""Gemini's batches (of its developer API), natively.

Requests go up as a file, in two steps; a batch is made of it under a name of ours, by which it is found again. Prompts
go in Gemini's form, replies are given in OpenAI's, which the rest of the line reads. Gemini forgets files after 48
hours, and a batch that expired or was cancelled has no results.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from typing import IO, Any
from urllib.parse import quote, urlsplit

from star_agents.agents.batching.files import MOST_PAGES, PAGE
from star_agents.agents.batching.http import BatchHttp, gone_is_deleted, id_of
from star_agents.agents.batching.protocol import BatchedCall, Found, Look, Result, Submission, fate_of_status
from star_agents.agents.batching.routes import BatchRoute
from star_agents.agents.batching.turns import in_turns, system_text
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import RefusedReply, check_structure
from star_agents.agents.replies.gemini_form import from_gemini
from star_agents.agents.replies.json_objects import nested_object
from star_agents.agents.transports.direct_routes import flat
from star_agents.agents.transports.json_body import decode, encode
from star_agents.records import Message
from star_agents.records.tool_text import as_text

_NAMES = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
"""What it calls by another name."""
_ROLES = {"assistant": "model"}
_ENDED = frozenset({"succeeded", "failed", "cancelled", "expired"})
_STATUSES: Mapping[int, int] = {1: 500, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 14: 503, 16: 401}
"""Of gRPC's codes, in HTTP's words; all others are failures of the server's."""


class GeminiBatches:
    """The batches of one endpoint.

    Args:
        http: Sends.
        route: Where to.
    """

    most_bytes = 200 << 20
    framing = (b"", b"\n", b"\n")

    def __init__(self, http: BatchHttp, route: BatchRoute) -> None:
        self._http = http
        self._root = route.base.removesuffix("/v1beta")
        self._api = f"{self._root}/v1beta"
        self._model = route.model
        self._headers = {"Accept": "application/json", "User-Agent": "star_agents", "x-goog-api-key": route.key}

    def line(self, call: BatchedCall) -> bytes:
        """A call as it stands in the file."""
        turns = as_text([Message.from_dict(turn) for turn in call.messages], call.tools)
        said = [(_ROLES.get(one["role"], one["role"]), one["content"]) for one in in_turns(turns)]
        request: dict[str, Any] = {
            "contents": [{"role": role, "parts": [{"text": text}]} for role, text in said],
            "generationConfig": _configuration(call.shape),
        }
        if system := system_text(turns):
            request["systemInstruction"] = {"parts": [{"text": system}]}
        return encode({"key": call.key, "request": request})

    async def upload(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the file; of one of that name which is there already, where there is one."""
        if earlier := await self._uploaded(submission):
            return earlier
        size = os.fstat(lines.fileno()).st_size
        begin = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(size),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
        }
        body = {"file": {"displayName": _name(submission)}}
        told = await self._http.headers_of_reply(f"{self._root}/upload/v1beta/files", {**self._headers, **begin}, body)
        url = told.get("X-Goog-Upload-URL", "")
        if urlsplit(url)[:2] != urlsplit(self._root)[:2]:
            raise RefusedReply("the file is to go to another server than the one that was asked")
        end = {"X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize", "Content-Length": str(size)}
        read = await self._http.json("POST", url, {**self._headers, **end}, data=lines)
        return _id_in(read["file"], "files")

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the batch."""
        of_file = {"fileName": f"files/{submission.input_file}"}
        body = {"batch": {"displayName": _name(submission), "inputConfig": of_file}}
        url = f"{self._api}/models/{self._model}:batchGenerateContent"
        return _id_in(await self._http.json("POST", url, self._headers, body=body), "batches")

    async def reach(self) -> None:
        """Ask for the list of batches."""
        await self._http.json("GET", f"{self._api}/batches?pageSize=1", self._headers)

    async def find(self, submission: Submission) -> Found:
        """By its name. The list is in no order that is documented, so it is looked through."""
        async for one in self._listed("batches", "operations"):
            if nested_object(one, "metadata").get("displayName") == _name(submission):
                return Found(_id_in(one, "batches"))
        return Found()

    async def look(self, batch: str) -> Look:
        """How it stands. One that succeeded has not ended before its results can be had."""
        read = await self._http.json("GET", f"{self._api}/batches/{batch}", self._headers)
        metadata = nested_object(read, "metadata")
        said = str(metadata.get("state") or "").rpartition("_STATE_")[2].lower()
        output, response = nested_object(metadata, "output"), nested_object(read, "response")
        file = output.get("responsesFile") or response.get("responsesFile")
        return Look(
            is_ended=said in _ENDED and (said != "succeeded" or bool(file)),
            said=said,
            is_lost=said in ("cancelled", "expired"),
            problem=str(nested_object(read, "error").get("message") or ""),
            files=(_id_in({"name": file}, "files"),) if file else (),
        )

    async def results(self, look: Look) -> AsyncGenerator[bytes]:
        """The lines of its results."""
        for file in look.files:
            url = f"{self._root}/download/v1beta/files/{file}:download?alt=media"
            async for line in self._http.lines(url, self._headers):
                yield line

    def read(self, line: bytes) -> Result:
        """A line of the results."""
        check_structure(line)
        read = decode(line)
        key, response = read["key"], read.get("response")
        if not isinstance(key, str):
            raise TypeError("key is no text")
        if isinstance(response, Mapping):
            if not response.get("candidates"):
                why = nested_object(response, "promptFeedback").get("blockReason") or "no reason is given"
                told = {"error": {"message": f"blocked: {why}", "code": "content_filter"}}
                return Result(key=key, fate="failed", failure=HttpFailure(400, encode(told).decode(), {}))
            return Result(key=key, fate="answered", body=from_gemini(response))
        error = nested_object(read, "error")
        code = int(error.get("code") or 0)
        status = code if code >= 100 else _STATUSES.get(code, 500)
        failure = HttpFailure(status, encode({"error": error}).decode(), {})
        return Result(key=key, fate=fate_of_status(status), failure=failure)

    async def delete(self, batch: str, look: Look) -> None:
        """The batch and what was handed in; Gemini forgets the file of its results by itself."""
        paths = (f"files/{look.input_file}" if look.input_file else "", f"batches/{batch}" if batch else "")
        for path in filter(None, paths):
            with gone_is_deleted():
                await self._http.json("DELETE", f"{self._api}/{path}", self._headers)

    async def _uploaded(self, submission: Submission) -> str:
        """The file that a process handed in which then died."""
        async for one in self._listed("files", "files"):
            if one.get("displayName") == _name(submission):
                return _id_in(one, "files")
        return ""

    async def _listed(self, path: str, name: str) -> AsyncGenerator[Mapping[str, Any]]:
        token = ""
        for _ in range(MOST_PAGES):
            query = f"pageSize={PAGE}{f'&pageToken={token}' if token else ''}"
            page = await self._http.json("GET", f"{self._api}/{path}?{query}", self._headers)
            for one in page.get(name) or ():
                if isinstance(one, Mapping):
                    yield one
            token = quote(str(page.get("nextPageToken") or ""), safe="")
            if not token:
                return


def _configuration(shape: Mapping[str, Any]) -> dict[str, Any]:
    found = {_NAMES.get(name, name): value for name, value in flat(shape).items()}
    if isinstance(found.get("stopSequences"), str):
        found["stopSequences"] = [found["stopSequences"]]
    if (form := found.pop("response_format", None)) is not None:
        found["responseMimeType"] = "application/json"
        schema = nested_object(form, "json_schema").get("schema") if isinstance(form, Mapping) else None
        if schema:
            found["responseJsonSchema"] = schema
    return found


def _id_in(named: Mapping[str, Any], kind: str) -> str:
    """The last part of ``files/abc``, as it may stand in an address."""
    return id_of({"id": str(named["name"]).removeprefix(f"{kind}/")})


def _name(submission: Submission) -> str:
    return f"star-agents-{submission.id}"

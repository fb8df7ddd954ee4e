"""Anthropic's Message Batches, natively.

A batch is made in one request and carries no metadata: after a kill it is recognised by its size and by the keys in its
results, which it shows once it has ended. Prompts go in Anthropic's form (system apart, sides in turns), replies are
given in OpenAI's, which the rest of the line reads. A schema is not sent: the prompt says the form as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from typing import IO, Any

from star_agents.agents.batching.http import BatchHttp, gone_is_deleted, id_of
from star_agents.agents.batching.protocol import BatchedCall, Found, Look, Result, Submission, fate_of_status
from star_agents.agents.batching.routes import BatchRoute
from star_agents.agents.batching.turns import in_turns, system_text
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.anthropic_form import from_anthropic
from star_agents.agents.replies.body import check_structure
from star_agents.agents.transports.direct_routes import flat
from star_agents.agents.transports.json_body import decode, encode
from star_agents.records import Message
from star_agents.records.tool_text import as_text

_VERSION = "2023-06-01"
_LONGEST_REPLY = 4096
"""Tokens where the call sets no bound: the protocol asks for one."""
_NAMES = {"max_completion_tokens": "max_tokens", "stop": "stop_sequences"}
_LEFT_OUT = frozenset({"response_format"})
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_PAGE = 100
_MOST_PAGES = 100
_SLACK_S = 3600.0
"""By which clocks may differ."""
_LOOKED_AT = 100
"""Results of a batch that is perhaps ours."""


class AnthropicBatches:
    """The batches of one endpoint.

    Args:
        http: Sends.
        route: Where to.
    """

    most_bytes = 200 << 20
    framing = (b'{"requests":[', b",", b"]}")

    def __init__(self, http: BatchHttp, route: BatchRoute) -> None:
        self._http = http
        self._url = f"{route.base.removesuffix('/v1')}/v1/messages/batches"
        self._model = route.model
        self._headers = {"anthropic-version": _VERSION, "x-api-key": route.key, "User-Agent": "star_agents"}

    def line(self, call: BatchedCall) -> bytes:
        """A call as it stands among the requests."""
        turns = as_text([Message.from_dict(turn) for turn in call.messages], call.tools)
        shape = {_NAMES.get(name, name): value for name, value in flat(call.shape).items() if name not in _LEFT_OUT}
        params = {"max_tokens": _LONGEST_REPLY, **shape, "model": self._model, "messages": in_turns(turns)}
        if isinstance(params.get("stop_sequences"), str):
            params["stop_sequences"] = [params["stop_sequences"]]
        if system := system_text(turns):
            params["system"] = system
        return encode({"custom_id": call.key, "params": params})

    async def upload(self, submission: Submission, lines: IO[bytes]) -> str:
        """Nothing: the requests stand in the batch itself."""
        return ""

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the batch."""
        return id_of(await self._http.json("POST", self._url, self._headers, data=lines))

    async def reach(self) -> None:
        """Ask for the list of batches."""
        await self._http.json("GET", f"{self._url}?limit=1", self._headers)

    async def find(self, submission: Submission) -> Found:
        """By the number of its requests and, once one of that size has ended, by the keys of its results."""
        after, oldest, is_uncertain = "", submission.made_at - _SLACK_S, False
        for _ in range(_MOST_PAGES):
            url = f"{self._url}?limit={_PAGE}{f'&after_id={after}' if after else ''}"
            page = await self._http.json("GET", url, self._headers)
            batches = [one for one in page["data"] if isinstance(one, Mapping)]
            for one in batches:
                if _requests(one) != submission.requests or _made_at(one) < oldest or one["id"] in submission.known:
                    continue
                if one.get("processing_status") != "ended":
                    is_uncertain = True
                elif await self._is_of(submission, id_of(one)):
                    return Found(id_of(one))
            if not page.get("has_more") or not batches or _made_at(batches[-1]) < oldest:
                break
            after = id_of(batches[-1])
        return Found(is_uncertain=is_uncertain)

    async def look(self, batch: str) -> Look:
        """How it stands."""
        read = await self._http.json("GET", f"{self._url}/{batch}", self._headers)
        said = str(read.get("processing_status") or "")
        return Look(is_ended=said == "ended", said=said, files=(batch,) if said == "ended" else ())

    async def results(self, look: Look) -> AsyncGenerator[bytes]:
        """The lines of its results."""
        for batch in look.files:
            async for line in self._http.lines(f"{self._url}/{batch}/results", self._headers):
                yield line

    def read(self, line: bytes) -> Result:
        """A line of the results."""
        check_structure(line)
        read = decode(line)
        key, result = read["custom_id"], read["result"]
        if not isinstance(key, str):
            raise TypeError("custom_id is no text")
        match result["type"]:
            case "succeeded":
                return Result(key=key, fate="answered", body=from_anthropic(result["message"]))
            case "errored":
                error = result["error"]
                error = error.get("error") or error
                status = _STATUSES.get(str(error.get("type")), 500)
                failure = HttpFailure(status, encode({"error": error}).decode(), {})
                return Result(key=key, fate=fate_of_status(status), failure=failure)
            case "expired" | "canceled":
                return Result(key=key, fate="unanswered")
        raise ValueError("a result of a type that is not known")

    async def delete(self, batch: str, look: Look) -> None:
        """The batch with its results."""
        with gone_is_deleted():
            await self._http.json("DELETE", f"{self._url}/{batch}", self._headers)

    async def _is_of(self, submission: Submission, batch: str) -> bool:
        """Whether one of the first results is of one of our calls: its key, which is a hash, says so."""
        read = 0
        try:
            async with aclosing(self._http.lines(f"{self._url}/{batch}/results", self._headers)) as lines:
                async for line in lines:
                    with suppress(ValueError, LookupError, TypeError):
                        if self.read(line).key in submission.keys:
                            return True
                    read += 1
                    if read == _LOOKED_AT:
                        break
        except HttpFailure as failure:
            if failure.status_code != 404:  # Gone results are of no batch that was made a moment ago.
                raise
        return False


def _requests(batch: Mapping[str, Any]) -> int:
    counts = batch.get("request_counts")
    return sum(one for one in counts.values() if isinstance(one, int)) if isinstance(counts, Mapping) else -1


def _made_at(batch: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(str(batch["created_at"])).timestamp()
